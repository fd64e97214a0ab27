"""What an object of Flux says becomes an artifact, or the reason why there is none."""

from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.core.facts import FluxArtifact, Waiting
from buildandpush.core.fluxobject import read_artifact

DIGEST = "sha256:" + "1" * 64
URL = "http://source-controller.flux-system.svc.cluster.local./gitrepository/shop/web/1.tar.gz"
ARTIFACT = {"url": URL, "digest": DIGEST, "revision": "main@sha1:" + "a" * 40}


def read(status: Any) -> FluxArtifact | Waiting:
    return read_artifact("GitRepository", "web", {"metadata": {"name": "web"}, "status": status})


def test_an_artifact_is_what_it_says() -> None:
    assert read({"artifact": ARTIFACT}) == FluxArtifact(URL, DIGEST, "main@sha1:" + "a" * 40)


def test_an_artifact_counts_even_while_flux_cannot_fetch_a_newer_one() -> None:
    broken = {"type": "Ready", "status": "False", "message": "timed out"}
    assert isinstance(read({"artifact": ARTIFACT, "conditions": [broken]}), FluxArtifact)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({}, "GitRepository 'web' has no artifact yet"),
        (None, "GitRepository 'web' has no artifact yet"),
        ("odd", "GitRepository 'web' has no artifact yet"),
        ({"conditions": [{"type": "Stalled", "message": "other"}, "odd"]}, "GitRepository 'web' has no artifact yet"),
        (
            {"conditions": [{"type": "Ready", "status": "False", "message": "auth\x1b[31m failed\nfor git"}]},
            "GitRepository 'web' has no artifact: auth failed for git",
        ),
        (
            {"artifact": {**ARTIFACT, "digest": "sha512:" + "1" * 64}},
            f"GitRepository 'web' has an artifact with the digest 'sha512:{'1' * 64}', which is no sha256",
        ),
        (
            {"artifact": {"url": URL, "revision": "main"}},
            "GitRepository 'web' has an artifact with the digest '', which is no sha256",
        ),
        (
            {"artifact": {**ARTIFACT, "url": "file:///etc/passwd"}},
            "GitRepository 'web' has an artifact with the URL 'file:///etc/passwd', which cannot be fetched",
        ),
    ],
)
def test_without_one_that_can_be_fetched_the_build_waits(status: Any, message: str) -> None:
    assert read(status) == Waiting(Reason.SOURCE_NOT_READY, message)


def test_a_url_that_no_status_has_room_for_is_refused() -> None:
    found = read({"artifact": {**ARTIFACT, "url": "https://host/" + "a" * 2048}})
    assert isinstance(found, Waiting)
    assert len(found.message) < 512


def test_a_token_in_fluxs_words_is_masked() -> None:
    words = "clone https://user:pw12secret@git.example/x failed"
    found = read({"conditions": [{"type": "Ready", "message": words}]})
    assert isinstance(found, Waiting)
    assert "pw12secret" not in found.message
