"""What source objects of Flux have fetched: waited for, built, and built again once there is a new artifact."""

from collections.abc import Callable, Iterator

import pytest

from devcluster.settings import Settings
from tests.artifacts import make_tar
from tests.e2e.harness.api import Api
from tests.e2e.harness.build import FROM
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.fluxsource import FluxObject, install_crds
from tests.e2e.harness.registry import Registry
from tests.fileserver import serve_files

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]

MakeObject = Callable[[str, str], FluxObject]


@pytest.fixture
def flux_object(api: Api, namespace: str, settings: Settings) -> Iterator[MakeObject]:
    """An object of a kind and name that is not created yet. Flux's server speaks http, as in a cluster."""
    install_crds(api)
    with serve_files(None, settings.network.gateway) as server:
        yield lambda kind, name: FluxObject(api, server, namespace, kind, name)


def pack(text: str) -> bytes:
    """An artifact with a Dockerfile and one file that comes into the image."""
    return make_tar({"Dockerfile": f"{FROM}COPY text /text\n".encode(), "text": text.encode()})


@pytest.mark.proves("source.fluxSource.kind", "source.fluxSource.name")
def test_a_build_waits_for_the_artifact_and_follows_new_ones(
    flux_object: MakeObject, make_build: BuildFactory, registry: Registry
) -> None:
    repository = flux_object("GitRepository", "shop")
    build = make_build(source=repository.source)
    waiting = build.wait_reason("SourceNotReady")
    assert "GitRepository 'shop' does not exist" in waiting.condition("Ready")["message"]
    assert build.pods() == []
    repository.create()
    build.wait(lambda now: "has no artifact" in now.condition("Ready")["message"], "it says that nothing is fetched")
    digest = repository.serve(pack("first\n"), "main@sha1:0f3ac27")
    first = build.wait_succeeded()
    assert (first.run["source"]["digest"], first.run["source"]["revision"]) == (digest, "main@sha1:0f3ac27")
    assert registry.files(build.repository, "latest")["text"] == b"first\n"
    digest = repository.serve(pack("second\n"), "main@sha1:9e1bb04")
    second = build.wait_succeeded(run=2)
    assert (second.run["trigger"], second.run["source"]["digest"]) == ("SourceRevision", digest)
    assert registry.files(build.repository, "latest")["text"] == b"second\n"


def test_an_artifact_that_is_not_the_named_one_is_not_built(flux_object: MakeObject, make_build: BuildFactory) -> None:
    bucket, artifact = flux_object("Bucket", "shop"), flux_object("OCIRepository", "shop")
    bucket.create()
    artifact.create()
    bucket.serve(pack("other\n"), "sha256:5a1c", digest=f"sha256:{'0' * 64}")
    named = artifact.serve(pack("right\n"), "v1@sha256:71fe")
    wrong, right = make_build(source=bucket.source), make_build(source=artifact.source)
    failed = wrong.wait_failed("SourceChecksum")
    assert "the artifact of Bucket shop has the digest sha256:" in failed.build["message"]
    assert right.wait_succeeded().run["source"]["digest"] == named
