"""Answers of strangers, as far as anybody needs them: bounded in size, neither compressed nor in an odd alphabet.

Azure's clients read an answer to its end, unpack it and decode it as its headers say. All three can take a machine's
memory or hours: a page of 300 MB that is 300 KB compressed, or the alphabet `punycode`, whose decoder takes the square
of its text. So their sessions make answers of this kind.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict, CIMultiDictProxy

from buildandpush.core.jsonvalue import MAX_VALUES

MAX_ANSWER = 4 * 2**20
"""Bytes. A registry's manifest may have as many, and no answer of Azure's has more."""


class TooLongError(aiohttp.ClientError, ValueError):
    """An answer is longer than any that is one, or of a form that was not asked for."""


async def read_bounded(stream: aiohttp.StreamReader, limit: int, *, cut: bool = False) -> bytes:
    """The whole of a body, of at most `limit` bytes. Of a longer one its beginning with `cut`, else TooLongError."""
    body = bytearray()
    async for chunk in stream.iter_any():
        body += chunk
        if len(body) > limit:
            if cut:
                break
            raise TooLongError(f"the answer is longer than {limit} bytes")
    return bytes(body[:limit])


class BoundedResponse(aiohttp.ClientResponse):
    """An answer that whoever reads it cannot be hurt by. `read` raises TooLongError."""

    _plain: CIMultiDictProxy[str] | None = None
    _told: Callable[[bool], None] | None = None

    def tell_end(self, told: Callable[[bool], None]) -> None:
        """Call `told` once: with True when the whole body has come, or with False when nobody reads it any more."""
        self._told = told
        self.content.on_eof(partial(self._tell, whole=True))

    def _tell(self, *, whole: bool) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(whole)

    def close(self) -> None:
        """Read no more of it, and close its connection."""
        super().close()
        self._tell(whole=False)

    def release(self) -> Any:
        """Read no more of it, and let others have its connection."""
        released = super().release()
        self._tell(whole=False)
        return released

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The answer's headers. Its alphabet is UTF-8 and it is no XML, whatever it says: nothing that is asked is."""
        if self._plain is None:
            headers = CIMultiDict(super().headers)
            kind = headers.get(hdrs.CONTENT_TYPE, "application/json").partition(";")[0].strip().lower()
            headers[hdrs.CONTENT_TYPE] = f"{'text/plain' if 'xml' in kind else kind}; charset=utf-8"
            headers.popall(hdrs.CONTENT_ENCODING, None)
            self._plain = CIMultiDictProxy(headers)
        return self._plain

    async def read(self) -> bytes:
        """The whole of the body."""
        if self._body is None:
            try:
                self._body = await self._read_bounded()
            except BaseException:
                self.close()
                raise
        return await super().read()

    async def _read_bounded(self) -> bytes:
        if self._headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
            raise TooLongError("the answer is compressed, though that was not asked for")
        body = await read_bounded(self.content, MAX_ANSWER)
        if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
            raise TooLongError(f"the answer holds more than {MAX_VALUES} values")
        return body
