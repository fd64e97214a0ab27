"""The emulated metadata API where somebody else is said to have moved a tag."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp.test_utils import make_mocked_request

from devcluster.azure.metadata import Metadata

MINE, THEIRS = ("sha256:" + letter * 64 for letter in "ab")


class Behind:
    """A registry that holds one image under one tag."""

    async def read_json(
        self, host: str, path: str, accept: str = "application/json"
    ) -> tuple[int, Mapping[str, str], dict[str, Any]]:
        if path.endswith("/tags/list"):
            return 200, {}, {"tags": ["latest"]}
        return 200, {"Docker-Content-Digest": MINE, "Content-Type": "application/x"}, {}


async def named(path: str, tag_digest: str = "") -> Any:
    """What the metadata says."""
    behind: Any = Behind()
    request = make_mocked_request("GET", path)
    answer = await Metadata(behind).answer(request, "contoso.azurecr.io", tag_digest=tag_digest)
    return json.loads(answer.text or "")


async def test_a_tag_names_what_it_names() -> None:
    assert (await named("/acr/v1/shop/web/_tags/latest"))["tag"]["digest"] == MINE
    assert (await named(f"/acr/v1/shop/web/_manifests/{MINE}"))["manifest"]["tags"] == ["latest"]


async def test_a_tag_names_what_a_fault_says() -> None:
    assert (await named("/acr/v1/shop/web/_tags/latest", THEIRS))["tag"]["digest"] == THEIRS
    mine = (await named(f"/acr/v1/shop/web/_manifests/{MINE}", THEIRS))["manifest"]
    assert (mine["digest"], mine["tags"]) == (MINE, [])
