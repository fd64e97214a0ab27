"""What a manifest of a stranger may hold: layers that are told apart without a guess, or a refusal."""

from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.oci.manifest import MOST_LAYERS, Layer, find_artifact, read_layers
from buildandpush.source.oci.registry import find_challenge, find_words
from buildandpush.source.report import SourceError
from tests.artifacts import EMPTY, FLUX, LAYER, TITLE

DIGEST = f"sha256:{'a' * 64}"
NOTHING = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d663cb16422d00e8a7c22955b46d4"


def layer(kind: str = FLUX, title: str = "", **more: Any) -> dict[str, Any]:
    marks = {"annotations": {TITLE: title}} if title else {}
    return {"mediaType": kind, "digest": DIGEST, "size": 7, **marks, **more}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (layer(), [Layer(DIGEST, 7)]),
        (layer(title="x.tgz"), [Layer(DIGEST, 7)]),
        (layer(f"{LAYER}+zstd"), [Layer(DIGEST, 7)]),
        (layer("application/vnd.docker.image.rootfs.diff.tar.gzip"), [Layer(DIGEST, 7)]),
        (layer(LAYER, "./web/Dockerfile"), [Layer(DIGEST, 7, "web/Dockerfile")]),
        (layer("text/plain", "a\\b"), [Layer(DIGEST, 7, "a\\b")]),
    ],
)
def test_archives_are_unpacked_and_files_are_named(item: dict[str, Any], expected: list[Layer]) -> None:
    assert read_layers({"layers": [item, layer(EMPTY), layer(LAYER, digest=NOTHING)]}) == expected


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({}, "of a kind without layers, 'schema version None'"),
        ({"schemaVersion": 1, "fsLayers": []}, "'schema version 1'"),
        ({"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": []}, "artifact.manifest.v1+json'"),
        ({"layers": []}, "holds no files"),
        ({"layers": [layer(EMPTY)]}, "holds no files"),
        ({"layers": [None]}, "no SHA-256: 'None'"),
        ({"layers": [layer(digest="sha512:abc")]}, "no SHA-256: 'sha512:abc'"),
        ({"layers": [layer(digest=f"{DIGEST}/../x")]}, "no SHA-256"),
        ({"layers": [layer(size="7")]}, "has no size"),
        ({"layers": [layer(size=-1)]}, "has no size"),
        ({"layers": [layer(size=True)]}, "has no size"),
        ({"layers": [layer(urls=["https://x"])]}, "outside of the registry"),
        ({"layers": [layer("text/plain")]}, "has the type 'text/plain' and no file name"),
        ({"layers": [layer("text/plain", "../x")]}, "'../x' of a layer leads out"),
        ({"layers": [layer("text/plain", "/etc/x")]}, "leads out"),
        ({"layers": [layer("text/plain", "a\0b")]}, "leads out"),
        ({"layers": [layer("text/plain", ".")]}, "leads out"),
        ({"layers": [layer("text/plain", "a"), layer("text/plain", "./a")]}, "are the file 'a'"),
        ({"layers": [layer()] * (MOST_LAYERS + 1)}, "129 layers"),
    ],
)
def test_what_cannot_be_used_is_told(manifest: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_layers(manifest)
    assert caught.value.reason is Reason.SOURCE_INVALID
    assert words in str(caught.value)


def test_what_is_no_index_has_no_artifact_beside_itself() -> None:
    assert find_artifact({"layers": []}) is None
    with pytest.raises(SourceError, match="index of 0 artifacts"):
        find_artifact({"manifests": []})
    with pytest.raises(SourceError, match="no SHA-256"):
        find_artifact({"manifests": ["x"]})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        (["Negotiate"], None),
        (['Bearer realm="https://a/b",service="c,d"'], ("bearer", {"realm": "https://a/b", "service": "c,d"})),
        (["bearer realm=x"], ("bearer", {"realm": "x"})),
        (['Basic realm="y"', "Bearer realm=x"], ("bearer", {"realm": "x"})),
        (["Bearer x", 'Basic realm="y"'], ("basic", {"": ""})),
    ],
)
def test_a_challenge_is_read(headers: list[str], expected: Any) -> None:
    assert find_challenge(headers) == expected


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, ""),
        ({"errors": {}}, ""),
        ({"errors": ["x"]}, ""),
        ({"errors": [{"code": "DENIED"}]}, "DENIED"),
        ({"errors": [{"code": "DENIED", "message": "not\x00 this"}]}, "DENIED not\x00 this"),
    ],
)
def test_a_registrys_words_are_found(answer: dict[str, Any], words: str) -> None:
    assert find_words(answer) == words
