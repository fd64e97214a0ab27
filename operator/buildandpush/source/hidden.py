"""Takes a login out of a server's words, which may send back what the server got."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Final

_MOST: Final = 64 * 1024
_MARGIN: Final = 64 * 1024
"""So many characters more are searched than are shown. No login that the end of the text goes through is longer."""


def hide(text: str, headers: Iterable[str], *, most: int = _MOST) -> str:
    """The text without the values of the headers, and without the password in them, however they are written. No more
    than `most` characters of it: to cut it before would leave a part of a login."""
    # Every build waits for what this package loads, and only words of a server that refuses are searched.
    from buildandpush.api.spelling import cut_out, find_words, read_words  # noqa: PLC0415

    words = read_words(secret for header in headers for secret in _secrets_in(header))
    raw = text[: most + _MARGIN].encode(errors="surrogatepass")
    return cut_out(raw, find_words(raw, words, _choose), b"***").decode(errors="surrogatepass")[:most]


def _choose(words: frozenset[bytes], text: bytes) -> list[bytes]:
    return [word for word in words if word in text]


def _secrets_in(value: str) -> Iterator[str]:
    """A header's value, what is behind its scheme, and the password that this may be the base64 form of."""
    yield value
    word = value.rpartition(" ")[2]
    yield word
    try:
        login = base64.b64decode(word, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return
    yield login
    yield login.partition(":")[2]
