"""A registry's metadata API, computed from the registry behind it.

Shapes: https://learn.microsoft.com/rest/api/containerregistry/
"""

import re
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from devcluster.azure.answers import registry_error
from devcluster.azure.upstream import ANY_MANIFEST, Upstream

_PATH = re.compile(r"/acr/v1/(?P<repository>.+?)(?:/_(?P<kind>tags|manifests)(?:/(?P<reference>.+))?)?")
_ATTRIBUTES = {"deleteEnabled": True, "writeEnabled": True, "readEnabled": True, "listEnabled": True}
_DEFAULT_PAGE = 100


class Metadata:
    """Repositories, tags and manifests with their attributes."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._times: dict[tuple[str, str], str] = {}

    async def answer(self, request: web.Request, host: str, *, tag_digest: str = "") -> web.Response:
        """The answer to one GET; raises AnswerError. `tag_digest` is what all tags are said to name instead."""
        if request.method != "GET":
            raise registry_error(405, "UNSUPPORTED", f"{request.method} is not supported")
        if request.path == "/acr/v1/_catalog":
            names = sorted(await self._upstream.list_repositories(host))
            return _page(request, "repositories", names, lambda name: name)
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise registry_error(404, "NAME_UNKNOWN", f"there is nothing at {request.path}")
        repository, kind, reference = match["repository"], match["kind"], match["reference"]
        tags = {tag: tag_digest or digest for tag, digest in (await self._read_tags(host, repository)).items()}
        top = {"registry": host, "imageName": repository}
        if kind == "tags" and reference:
            if reference not in tags:
                raise registry_error(404, "TAG_UNKNOWN", "the specified tag does not exist", {"name": reference})
            return web.json_response({**top, "tag": self._describe_tag(host, reference, tags[reference])})
        if kind == "tags":
            described = [self._describe_tag(host, tag, digest) for tag, digest in sorted(tags.items())]
            return _page(request, "tags", described, lambda item: str(item["name"]), top)
        if kind == "manifests" and reference:
            manifest = await self._describe_manifest(host, repository, reference, tags)
            if manifest is None:
                detail = {"Name": repository, "Revision": reference}
                raise registry_error(404, "MANIFEST_UNKNOWN", f"manifest {reference} is not found", detail)
            return web.json_response({**top, "manifest": manifest})
        digests = sorted(set(tags.values()))
        if kind == "manifests":
            found = [await self._describe_manifest(host, repository, digest, tags) for digest in digests]
            return _page(request, "manifests", [m for m in found if m], lambda item: str(item["digest"]), top)
        times = sorted(self._time(host, digest) for digest in digests)
        counts = {"manifestCount": len(digests), "tagCount": len(tags), "changeableAttributes": _ATTRIBUTES}
        return web.json_response({**top, "createdTime": times[0], "lastUpdateTime": times[-1], **counts})

    async def _read_tags(self, host: str, repository: str) -> dict[str, str]:
        status, _, body = await self._upstream.read_json(host, f"{repository}/tags/list")
        names = body.get("tags") or []
        if status != 200 or not names:
            raise registry_error(
                404, "NAME_UNKNOWN", f"repository name not known to registry: {repository}", {"name": repository}
            )
        tags: dict[str, str] = {}
        for name in names:
            status, headers, _ = await self._upstream.read_json(host, f"{repository}/manifests/{name}", ANY_MANIFEST)
            if status == 200:
                tags[name] = headers["Docker-Content-Digest"]
        return tags

    def _time(self, host: str, digest: str) -> str:
        """When the emulator saw a digest first: the registry behind it keeps no times."""
        return self._times.setdefault((host, digest), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z")

    def _describe_tag(self, host: str, tag: str, digest: str) -> dict[str, Any]:
        time = self._time(host, digest)
        return {
            "name": tag,
            "digest": digest,
            "createdTime": time,
            "lastUpdateTime": time,
            "signed": False,
            "changeableAttributes": _ATTRIBUTES,
        }

    async def _describe_manifest(
        self, host: str, repository: str, digest: str, tags: dict[str, str]
    ) -> dict[str, Any] | None:
        status, headers, body = await self._upstream.read_json(host, f"{repository}/manifests/{digest}", ANY_MANIFEST)
        if status != 200:
            return None
        time = self._time(host, digest)
        parts = [body.get("config") or {}, *(body.get("layers") or body.get("manifests") or ())]
        described = {
            "digest": digest,
            "imageSize": sum(part.get("size", 0) for part in parts),
            "createdTime": time,
            "lastUpdateTime": time,
            "mediaType": headers["Content-Type"],
            "tags": sorted(tag for tag, named in tags.items() if named == digest),
            "changeableAttributes": _ATTRIBUTES,
        }
        config = body.get("config")
        if config:
            _, _, content = await self._upstream.read_json(host, f"{repository}/blobs/{config['digest']}", "*/*")
            described |= {
                "architecture": content.get("architecture"),
                "os": content.get("os"),
                "configMediaType": config.get("mediaType"),
            }
        return described


def _page(
    request: web.Request, name: str, items: list[Any], key: Any, top: dict[str, Any] | None = None
) -> web.Response:
    """One page of a list, with a Link to the next."""
    size = int(request.query.get("n", _DEFAULT_PAGE))
    last = request.query.get("last", "")
    rest = [item for item in items if not last or key(item) > last]
    page, headers = rest[:size], {}
    if len(rest) > size:
        headers["Link"] = f'<{request.path}?last={key(page[-1])}&n={size}>; rel="next"'
    return web.json_response({**(top or {}), name: page}, headers=headers)
