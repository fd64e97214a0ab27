"""The real docker-registry behind all emulated registries: each has its repositories below its own host's name."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

import aiohttp
from aiohttp import web
from yarl import URL

from devcluster.azure.answers import registry_error

_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host", "authorization", "expect"}
)
_CHUNK_BYTES: Final = 256 * 1024
ANY_MANIFEST: Final = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)


class Upstream:
    """Requests to the registry behind."""

    def __init__(self, address: str, *, page: int = 500) -> None:
        """`address` is host:port on loopback, plain http; the registry behind refuses pages of more than 1,000."""
        self._address = address
        self._page = page
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the connections."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)

    async def close(self) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()

    async def forward(
        self,
        request: web.BaseRequest,
        host: str,
        changes: Mapping[str, str],
        *,
        on_status: Callable[[int], None],
        truncate_bytes: int = 0,
    ) -> web.StreamResponse:
        """Pass a request on and its answer back, both as streams. `changes` replaces headers of the answer, and after
        `truncate_bytes` of its body the connection breaks off. `on_status` gets the answer's status first: whoever
        asked may be gone by then."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        body = request.content if request.body_exists else None
        async with self._open_request(request.method, _upstream_path(request, host), headers, body) as answer:
            on_status(answer.status)
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            for name in ("Location", "Link"):
                if name in kept:
                    kept[name] = kept[name].replace(f"/v2/{host}/", "/v2/")
            response = web.StreamResponse(status=answer.status, headers={**kept, **changes})
            await response.prepare(request)
            if request.method != "HEAD":
                async for chunk in answer.content.iter_chunked(truncate_bytes or _CHUNK_BYTES):
                    await response.write(chunk)
                    if truncate_bytes and request.transport is not None:
                        request.transport.abort()
                        return response
            await response.write_eof()
            return response

    async def read_json(
        self, host: str, path: str, accept: str = "application/json"
    ) -> tuple[int, Mapping[str, str], dict[str, Any]]:
        """Status, headers and body of a GET below a registry's own repositories."""
        url = f"/v2/{host}/{path}"
        async with self._open_request("GET", url, {"Accept": accept}, None) as answer:
            data = await answer.read()
            body = json.loads(data) if answer.status == 200 else {}
            return answer.status, answer.headers, body

    async def list_repositories(self, host: str) -> list[str]:
        """The repositories of one registry."""
        # The list is in order, so it may begin right before the host's first and end behind its last.
        found: list[str] = []
        last = host
        while True:
            query = urlencode({"n": self._page, "last": last})
            async with self._open_request("GET", f"/v2/_catalog?{query}", {}, None) as answer:
                if answer.status != 200:
                    raise registry_error(500, "UNKNOWN", f"the registry behind answered {answer.status}")
                names = json.loads(await answer.read()).get("repositories") or []
            found += [name.removeprefix(f"{host}/") for name in names if name.startswith(f"{host}/")]
            if "Link" not in answer.headers or not names or names[-1] > f"{host}0":  # 0 follows /
                return found
            last = names[-1]

    def _open_request(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> Any:
        if self._session is None:
            raise RuntimeError("the connections are not open")
        url = URL(f"http://{self._address}{path}", encoded=True)
        return self._session.request(method, url, headers=headers, data=body, allow_redirects=False)


def _upstream_path(request: web.BaseRequest, host: str) -> str:
    """Where a request for /v2/<repository>/… goes: below the host's name, the source of a mount too."""
    path = unquote(request.path)
    rest = path.removeprefix("/v2").lstrip("/")
    if not rest:
        return "/v2/"
    pairs = [(name, f"{host}/{value}" if name == "from" else value) for name, value in request.query.items()]
    query = f"?{urlencode(pairs)}" if pairs else ""
    return f"/v2/{host}/{quote(rest, safe='/:@')}{query}"
