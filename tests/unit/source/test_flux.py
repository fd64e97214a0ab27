"""Artifacts of Flux: the digest that the object's status names is compared before anything is unpacked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.source.__main__ import fetch
from buildandpush.source.facts import SourceFacts
from buildandpush.source.flux import fetch_flux
from buildandpush.source.network import connection
from buildandpush.source.patience import Clock
from buildandpush.source.report import SourceError
from tests.artifacts import digest_of, link, make_tar
from tests.fileserver import Answer, FileServer, serve_files
from tests.webserver import make_certificate

ARTIFACT = make_tar({"Dockerfile": b"FROM scratch\n", "web/app.py": b"print()\n"})
PATH = "/gitrepository/shop/shop/0f3ac27.tar.gz"
HOST = "source-controller.flux-system.svc.cluster.local."


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Flux's server; every host is this machine, since no test may leave it."""
    monkeypatch.setattr(connection, "resolve_host", lambda *_: ["127.0.0.1"])
    with serve_files(None) as running:
        running.answers[PATH] = [Answer(ARTIFACT)]
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def part(server: FileServer, digest: str = digest_of(ARTIFACT), **more: str) -> dict[str, Any]:
    """The request's `fluxSource`."""
    return {"kind": "GitRepository", "name": "shop", "url": server.url(PATH, HOST), "digest": digest, **more}


def refuse(flux: dict[str, Any], root: Path, limits: SourceLimits | None = None) -> SourceError:
    """The error of a fetch that leaves the root empty."""
    with pytest.raises(SourceError) as refused:
        fetch_flux(flux, root, limits or SourceLimits())
    assert not list(root.iterdir())
    return refused.value


def test_an_artifact_is_unpacked_as_it_is(server: FileServer, root: Path) -> None:
    assert fetch_flux(part(server), root) == SourceFacts(digest=digest_of(ARTIFACT))
    assert (root / "web/app.py").read_bytes() == b"print()\n"
    assert server.seen[0][1]["Host"] == f"{HOST}:{server.port}"


def test_over_tls_a_certificate_that_nobody_trusts_is_refused(root: Path, tmp_path: Path, server: FileServer) -> None:
    """It is never passed over for http."""
    with serve_files(make_certificate(tmp_path, f"DNS:{HOST}")) as other:
        other.answers[PATH] = [Answer(ARTIFACT)]
        assert refuse(part(other), root).reason == Reason.CERTIFICATE_NOT_TRUSTED
        assert other.seen == server.seen == []


def test_another_digest_is_refused_before_anything_is_unpacked(server: FileServer, root: Path) -> None:
    wanted = f"sha256:{'0' * 64}"
    error = refuse(part(server, digest=wanted), root)
    assert error.reason == Reason.SOURCE_CHECKSUM
    assert f"the artifact of GitRepository shop has the digest {digest_of(ARTIFACT)} and not {wanted}" in str(error)


@pytest.mark.parametrize("status", [404, 410])
def test_an_artifact_that_flux_has_replaced_is_told_so(server: FileServer, root: Path, status: int) -> None:
    server.answers[PATH] = [Answer(status=status)]
    error = refuse(part(server), root)
    assert error.reason == Reason.REVISION_NOT_FOUND
    assert f"Flux answers {status}: it no longer has the artifact of GitRepository shop" in str(error)


def test_a_server_that_starts_is_asked_again(server: FileServer, root: Path) -> None:
    server.answers[PATH] = [Answer(status=503), Answer(ARTIFACT)]
    pauses: list[float] = []
    request = {"root": str(root), "dockerfile": "Dockerfile", "context": ".", "fluxSource": part(server)}
    fetched = fetch(request, Clock(now=lambda: 0, pause=pauses.append))
    assert (fetched.facts.digest, fetched.files, len(pauses)) == (digest_of(ARTIFACT), 2, 1)


def test_an_artifact_keeps_to_the_limits_and_to_the_root(server: FileServer, root: Path) -> None:
    assert refuse(part(server), root, SourceLimits(max_download_bytes=50)).reason == Reason.SOURCE_TOO_LARGE
    outside = make_tar({}, link("web", "/etc"))
    server.answers[PATH] = [Answer(outside)]
    assert refuse(part(server, digest=digest_of(outside)), root).reason == Reason.SOURCE_INVALID


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://u:hunter22@flux.invalid/a.tgz", "http://"])
def test_what_is_no_web_address_is_refused(server: FileServer, root: Path, url: str) -> None:
    error = refuse(part(server, url=url), root)
    assert error.reason == Reason.SOURCE_INVALID
    assert "hunter22" not in str(error)


def test_addresses_that_builds_may_not_fetch_from_are_refused(root: Path) -> None:
    with serve_files(None) as running:
        running.answers[PATH] = [Answer(ARTIFACT)]
        flux = part(running, url=running.url(PATH))
        assert refuse(flux, root).reason == Reason.SOURCE_INVALID
        assert running.seen == []
