"""Takes secrets out of text: first those whose values are known, then whatever has the form of a secret.

Every function here takes time in proportion to its text. core/foreign.py calls both steps, with a cut between them.
"""

import re
from collections.abc import Iterable
from typing import Final

from buildandpush.api.spelling import SHORTEST, cut_out, find_words, read_words

MASK: Final = "***"
WITHHELD: Final = "(This text is not shown: it may hold more secrets than the operator can look for.)"
"""Stands for a text whose secrets cannot all be masked."""

_MIN_LENGTH: Final = SHORTEST
"""Shorter values would blank out half of any text; no login that short deserves the name."""
MAX_VALUES: Final = 4096
"""A bundle of certificates has some 3,600 lines, and each line of a Secret is a value."""
MAX_VALUE_CHARACTERS: Final = 512 * 1024
"""Of all values together; the forms of so many are made in a tenth of a second."""
MAX_FOUND: Final = 256
"""So many forms of values are masked in one text. Each costs another pass over it."""
_FEW: Final = 64
_PROBE: Final = 4
_UTF8: Final = re.compile(rb"(?:[\x00-\x7f]|[\xc2-\xf4][\x80-\xbf]{1,3}){4,}+")
"""Where words may stand in what was decoded from something else than text."""

_JWT_CHARACTERS: Final = re.compile(r"(?<![A-Za-z0-9_.-])[A-Za-z0-9_.-]{20,}+")
_ADDRESS: Final = re.compile(r"://[^\s\"'<>]*+")
# Up to the last @ before the path: a password may hold one itself.
_USERINFO: Final = re.compile(r"(://)[^/]*@")
_USER_AND_COLON: Final = re.compile(r"://[^@:/]*+:")
# A text in JSON is in one line.
_AUTH_ENTRY: Final = re.compile(r'("(?:auth|password|[a-z_]*token|client_[a-z]+)"\s*+:\s*+")(?:[^"\\\n]++|\\.)*+')
_WORD: Final = re.compile(r"\S+")
# A value as Python writes it. No apostrophe of our own words begins one.
_QUOTED: Final = re.compile(r"""(?<![\w\\])(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")""")
_AUTH_HEADER: Final = re.compile(r"\b(Basic|Bearer) ++[A-Za-z0-9+/=._~-]{8,}+")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the given values and without what has the form of a secret."""
    return mask_patterns(mask_values(text, secrets))


def mask_values(text: str, secrets: Iterable[str]) -> str:
    """The text without the given values, however they are written: see api/spelling.py.

    Of more values than can be looked for, WITHHELD stands for the whole text.
    """
    values = {value for value in secrets if _MIN_LENGTH <= len(value) <= len(text)}
    if not values:
        return text
    if len(values) > MAX_VALUES or sum(map(len, values)) > MAX_VALUE_CHARACTERS:
        return WITHHELD
    raw = text.encode(errors="surrogatepass")
    try:
        spans = find_words(raw, read_words(values), _choose)
    except _TooManyError:
        return WITHHELD
    return cut_out(raw, spans, MASK.encode()).decode(errors="surrogatepass")


class _TooManyError(Exception):
    """More values stand in a text than are looked for."""


def longest_form(secrets: Iterable[str]) -> int:
    """How many characters the longest form of these values may have: %XX for each byte of UTF-8."""
    return max((12 * len(value) for value in secrets if len(value) >= _MIN_LENGTH), default=0)


def mask_patterns(text: str) -> str:
    """The text without JWTs, logins of docker configs and of token services, of HTTP headers and of URLs."""
    if "eyJ" in text:
        text = _JWT_CHARACTERS.sub(lambda found: _mask_tokens(found[0]), text)
    if '"' in text:
        text = _AUTH_ENTRY.sub(rf"\1{MASK}", text)
    if "Basic " in text or "Bearer " in text:
        text = _AUTH_HEADER.sub(rf"\1 {MASK}", text)
    if "@" in text:
        text = _ADDRESS.sub(lambda found: _mask_userinfo(found[0]), text)
    return text


def mask_logins(message: str) -> str:
    """One of our own messages about a value that a user wrote, without user and password before an @ in the value."""
    if "@" not in message:
        return message
    for part in (_QUOTED, _WORD):  # a password may hold a blank
        message = part.sub(lambda found: _mask_login(found[0]), message)
    return message


def show_value(value: str, most: int = 200) -> str:
    """The beginning of a value that a user wrote, in quotes. A login is masked first: its @ may be behind the cut."""
    return repr(_mask_login(value)[:most])


def _mask_login(word: str) -> str:
    """A word or value without what stands before its last @. That of a digest is none, and git is the user of every
    ssh."""
    at = word.rfind("@")
    while at >= 0 and word.startswith(("sha256:", "sha512:"), at + 1):
        at = word.rfind("@", 0, at)
    scheme = word.find("://", 0, max(at, 0))
    begin = scheme + 3 if scheme >= 0 else int(word.startswith(("'", '"')))
    login = word[begin : max(at, begin)]
    return f"{word[:begin]}{MASK}{word[at:]}" if (":" in login or scheme >= 0) and login != "git" else word


def _mask_tokens(word: str) -> str:
    """A word of the characters of JWTs, each JWT in it masked: eyJ and eight characters or more, a dot, eight or more,
    and perhaps a signature behind another dot."""
    parts, masked, at = word.split("."), list[str](), 0
    while at < len(parts):
        part, behind = parts[at], len(parts[at + 1]) if at + 1 < len(parts) else 0
        begin = part.find("eyJ")
        if begin >= 0 and len(part) >= begin + 11 and behind >= 8:
            part = part[:begin] + MASK
            at += 2
        masked.append(part)
        at += 1
    return ".".join(masked)


def _mask_userinfo(address: str) -> str:
    """What follows a host's ://, up to a blank, without user name and password."""
    last = address.rfind("@")
    if last < 0:
        return address
    login = _USER_AND_COLON.search(address, 0, last)
    if login is not None:  # the password may hold a slash
        address = f"{address[: login.start()]}://{MASK}{address[last:]}"
    return _USERINFO.sub(rf"\1{MASK}@", address)


def _choose(words: frozenset[bytes], text: bytes) -> set[bytes]:
    """The words that stand in the text. Of many nearly all are told by a few of their bytes."""
    if len(words) <= _FEW:
        return {word for word in words if word in text}
    there = {part[at : at + _PROBE] for part in _UTF8.findall(text) for at in range(len(part))}
    found = {word for word in words if _probes(word) <= there and word in text}
    if len(found) > MAX_FOUND:
        raise _TooManyError
    return found


def _probes(word: bytes) -> set[bytes]:
    middle = (len(word) - _PROBE) // 2
    return {word[:_PROBE], word[middle : middle + _PROBE], word[-_PROBE:]}
