"""What git's words about a failed fetch mean, and whose fault it is.

git's own wording is stable under LC_ALL=C. Behind it stand the words of curl and of its TLS library, GnuTLS or OpenSSL.
"""

import re
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError

_ABSENT: Final = (r"repository '[^']{0,2000}' not found", r"returned error: 404\b")
# The first that is found names the reason.
_MEANINGS: Final = tuple(
    (re.compile("|".join(words), re.IGNORECASE), reason)
    for reason, words in (
        (Reason.SOURCE_MOVED, (r"returned error: 30[12378]\b", r"update url base from redirection")),
        (Reason.SOURCE_THROTTLED, (r"returned error: 429\b", r"\bHTTP 429\b", r"too many requests", r"rate limit")),
        (
            Reason.SOURCE_DENIED,
            (
                r"could not read (Username|Password)",
                r"Authentication failed",
                r"returned error: 40[13]\b",
                r"\bHTTP 40[13]\b",
                r"Invalid username",
                r"Access denied",
                r"terminal prompts disabled",
            ),
        ),
        (
            Reason.REVISION_NOT_FOUND,
            (
                r"find remote ref",
                r"not our ref",
                r"unadvertised object",
                r"did not match any",
                r"not a tree",
                r"unknown revision",
            ),
        ),
        (Reason.NODE_DISK_FULL, (r"No space left on device", r"Disk quota exceeded")),
        (Reason.OUT_OF_MEMORY, (r"died of signal 9\b", r"Out of memory")),
        (
            Reason.CERTIFICATE_NOT_TRUSTED,
            (
                r"SSL certificate problem",
                r"certificate verif",
                r"self[- ]signed certificate",
                r"certificate subject name",
                r"certificate has expired",
                r"certificate signer not trusted",
            ),
        ),
        (
            Reason.SOURCE_INVALID,
            (
                *_ABSENT,
                r"is this a git repository",
                r"not appear to be a git repository",
            ),
        ),
        (
            Reason.SOURCE_UNREACHABLE,
            (
                r"(could not|couldn't) (resolve|connect)",
                r"failed to connect",
                r"unable to connect",
                r"connection (refused|reset|was reset|timed out|closed|aborted|died)",
                r"(network|host) (is )?(unreachable|down)",
                r"no route to host",
                r"timed out",
                r"timeout",
                r"too slow",
                r"returned error: (408|5\d\d)\b",
                r"\bHTTP (408|5\d\d)\b",
                r"RPC failed",
                r"HTTP/2",
                r"stream \d{1,9} was not closed",
                r"early EOF",
                r"unexpected (EOF|disconnect)",
                r"hung up",
                r"(recv|send) (failure|error)",
                r"empty reply",
                r"transfer closed",
                r"invalid index-pack output",
                r"bad pack header",
                r"\bSSL|\bTLS|gnutls",
            ),
        ),
    )
)

_PREFIXES: Final = ("fatal: ", "error: ")
_USERINFO: Final = re.compile(r"://[^/@\s]{0,2000}@")
_ASKS: Final = re.compile(r"could not read (?:Username|Password) for '([^'\n]{1,2000})'")
"""What git says after the answer 401, since nobody is there whom it could ask."""
_IS_ABSENT: Final = re.compile("|".join(_ABSENT))
_MAX_TEXT: Final = 64 * 1024


def explain_git(stderr: str, *, with_login: bool = False) -> SourceError:
    """What git's words mean, with the first line that says what is wrong.

    GitHub, GitLab and Azure Repos say of a repository that a login may not read that it does not exist.
    """
    text = _USERINFO.sub("://***@", stderr[-_MAX_TEXT:]).strip()
    reason = next((reason for words, reason in _MEANINGS if words.search(text)), Reason.SOURCE_INVALID)
    asks = _ASKS.search(text)
    if asks and reason is Reason.SOURCE_DENIED:
        return SourceError(reason, f"git: {asks[1]} {'refuses this login' if with_login else 'wants a login'}")
    lines = text.splitlines() or ["git ended without a word"]
    first = next((line for line in lines if line.startswith(_PREFIXES)), lines[-1])
    told = f"git: {first.removeprefix('fatal: ').removeprefix('error: ')}"
    if with_login and _IS_ABSENT.search(text):
        return SourceError(Reason.SOURCE_DENIED, f"{told}; it does not exist, or this login may not read it")
    return SourceError(reason, told)
