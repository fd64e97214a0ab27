"""What git's words about a failed fetch mean, and whose fault it is.

git's own wording is stable under LC_ALL=C. Behind it stand the words of curl and of its TLS library, GnuTLS or OpenSSL.
Over ssh these are OpenSSH's words, those of network/tunnel.py and those of the forge.
"""

import re
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError

_ABSENT: Final = (
    r"repository '[^']{0,2000}' not found",
    r"returned error: 404\b",
    # over ssh: GitHub and Bitbucket, GitLab, Azure Repos
    r"repository (not found|does not exist)",
    r"project you were looking for could not be found",
    r"\bTF401019\b",
)
# The first that is found names the reason.
_MEANINGS: Final = tuple(
    (re.compile("|".join(words), re.IGNORECASE), reason)
    for reason, words in (
        (Reason.SOURCE_HOST_KEY, (r"host key verification failed",)),
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
                r"Permission denied \(",
                r"Too many authentication failures",
                r"repository access denied",
                r"\bunauthorized\b",
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
                r"connection to \S{1,300} (timed out|closed|reset)",
                r"broken pipe",
                r"message authentication code incorrect",
                r"corrupted MAC",
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
_IS_ABSENT: Final = re.compile("|".join(_ABSENT), re.IGNORECASE)
MAX_TEXT: Final = 64 * 1024
"""Characters, of the end: a server may say as much as it likes."""
_UNTOLD: Final = (
    "debug1: ",
    "Authenticated to ",
    "Transferred: sent ",
    "Bytes per second: ",
    "Warning: Permanently added ",
    "fatal: Could not read from remote repository",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
    "mm_receive_fd: ",
    "proxy dialer did not pass back a connection",
)
"""Lines of ssh and git that say nothing of what is wrong."""
_SHOWN_KEY: Final = re.compile(
    r"^debug1: Server host key: ([a-z0-9@.-]{1,64} SHA256:[A-Za-z0-9+/=]{1,64})", re.MULTILINE
)
_KEY_OF: Final = re.compile(
    r"host key is known for (\S{1,300}) and|^Host key for (\S{1,300}) (?:has changed|was revoked)", re.MULTILINE
)
_OTHER_KEY: Final = re.compile(
    r"REMOTE HOST IDENTIFICATION HAS CHANGED|^Host key for \S{1,300} has changed", re.MULTILINE
)
_REVOKED_KEY: Final = re.compile(r"REVOKED HOST KEY|^Host key for \S{1,300} was revoked", re.MULTILINE)


def explain_git(stderr: str, *, with_login: bool = False) -> SourceError:
    """What git's words mean, with the first line that says what is wrong.

    GitHub, GitLab and Azure Repos say of a repository that a login may not read that it does not exist.
    """
    text = _USERINFO.sub("://***@", stderr[-MAX_TEXT:]).strip()
    reason, _ = _find_meaning(text)
    asks = _ASKS.search(text)
    if asks and reason is Reason.SOURCE_DENIED:
        return SourceError(reason, f"git: {asks[1]} {'refuses this login' if with_login else 'wants a login'}")
    lines = text.splitlines() or ["git ended without a word"]
    first = next((line for line in lines if line.startswith(_PREFIXES)), lines[-1])
    told = f"git: {first.removeprefix('fatal: ').removeprefix('error: ')}"
    if with_login and _IS_ABSENT.search(text):
        return SourceError(Reason.SOURCE_DENIED, f"{told}; it does not exist, or this login may not read it")
    return SourceError(reason, told)


def explain_ssh(stderr: str, origin: str) -> SourceError:
    """The same of a fetch over ssh, whose words stand at LogLevel DEBUG1. `origin` names the Secret of the key."""
    cut = stderr[-MAX_TEXT:]
    lines = [line.strip() for line in cut.splitlines() if not line.startswith(_UNTOLD) and line.strip()]
    text = "\n".join(lines)
    reason, words = _find_meaning(text)
    if reason is Reason.SOURCE_HOST_KEY:
        return SourceError(reason, _tell_host_key(cut, text, origin))
    unread = next((line.partition('": ')[2] for line in lines if line.startswith("Load key ")), "")
    if unread and reason is Reason.SOURCE_DENIED:
        return SourceError(reason, _tell_unread_key(unread, origin))
    if not lines:
        return SourceError(Reason.SOURCE_UNREACHABLE, "ssh: the server ended the connection without a word")
    named = [line for line in lines if words is not None and words.search(line)] or lines
    told = next((line for line in named if line.startswith(_PREFIXES)), named[0])
    told = f"ssh: {told.removeprefix('fatal: ').removeprefix('error: ').rstrip('.')}"
    if reason is Reason.SOURCE_DENIED:
        told += f"; the server does not take the key in {origin}"
    elif _IS_ABSENT.search(text):
        return SourceError(Reason.SOURCE_DENIED, f"{told}; it does not exist, or the key in {origin} may not read it")
    return SourceError(reason, told)


def _tell_host_key(stderr: str, text: str, origin: str) -> str:
    """Which key the server shows, and what known_hosts says of it."""
    shown = _SHOWN_KEY.search(stderr)
    key = f"the host key {shown[1]}" if shown else "a host key"
    named = _KEY_OF.search(text)
    server = named[1] or named[2] if named else "the server"
    if _OTHER_KEY.search(text):
        return f"{server} shows {key}; known_hosts in {origin} names another one for it"
    if _REVOKED_KEY.search(text):
        return f"{server} shows {key}; known_hosts in {origin} revokes it"
    return f"{server} shows {key}; known_hosts in {origin} has no such key for it"


def _tell_unread_key(words: str, origin: str) -> str:
    if "passphrase" in words:
        return f"the password in {origin} is not the passphrase of its key"
    return f"ssh cannot read the key in {origin} ({words}); make the Secret from the file of the private key"


def _find_meaning(text: str) -> tuple[Reason, re.Pattern[str] | None]:
    """The reason, and the words that name it if any do."""
    found = ((reason, words) for words, reason in _MEANINGS if words.search(text))
    return next(found, (Reason.SOURCE_INVALID, None))
