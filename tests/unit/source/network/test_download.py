"""Downloads: from checked addresses alone, whole or not at all, and no header to another host."""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.__main__ import fetch
from buildandpush.source.archive.fetch import fetch_archive, read_headers
from buildandpush.source.facts import SourceFacts
from buildandpush.source.network import connection as module
from buildandpush.source.network.download import Access, download
from buildandpush.source.patience import Clock
from buildandpush.source.report import SourceError
from tests.fileserver import Answer, FileServer, serve_files
from tests.webserver import Certificate, make_certificate


def make_archive() -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        info = tarfile.TarInfo("shop-1.0/Dockerfile")
        info.size = len(b"FROM scratch\n")
        archive.addfile(info, io.BytesIO(b"FROM scratch\n"))
    return written.getvalue()


ARCHIVE = make_archive()
HOST = "files.invalid"
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("pki"), f"DNS:{HOST}")


@pytest.fixture
def server(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """The server; every host is this machine, since no test may leave it."""
    monkeypatch.setattr(module, "resolve_host", lambda *_: ["127.0.0.1"])
    with serve_files(certificate) as running:
        running.answers["/shop.tgz"] = [Answer(ARCHIVE)]
        yield running


@pytest.fixture
def access(certificate: Certificate) -> Access:
    return Access({"Authorization": "Bearer hunter22"}, certificate.certificate)


def request(server: FileServer, certificate: Certificate, path: str = "/shop.tgz", **more: Any) -> dict[str, Any]:
    """The request's `archive`."""
    return {"url": server.url(path, HOST), "caBundle": certificate.certificate.read_text(), **more}


def refused(
    server: FileServer, path: str, target: Path, access: Access, limits: SourceLimits = USUAL_LIMITS
) -> SourceError:
    with pytest.raises(SourceError) as caught:
        download(server.url(path, HOST), target, access, limits)
    return caught.value


def test_a_file_is_downloaded_and_hashed(server: FileServer, tmp_path: Path, access: Access) -> None:
    assert download(server.url("/shop.tgz", HOST), tmp_path / "a", access) == SHA256
    assert (tmp_path / "a").read_bytes() == ARCHIVE
    assert server.seen[0][1]["Authorization"] == "Bearer hunter22"


def test_an_unknown_certificate_is_not_trusted(server: FileServer, tmp_path: Path) -> None:
    assert refused(server, "/shop.tgz", tmp_path / "a", Access()).reason is Reason.CERTIFICATE_NOT_TRUSTED


def test_the_certificate_has_to_be_the_hosts(server: FileServer, tmp_path: Path, access: Access) -> None:
    with pytest.raises(SourceError) as caught:
        download(server.url("/shop.tgz", "other.invalid"), tmp_path / "a", access)
    assert caught.value.reason is Reason.CERTIFICATE_NOT_TRUSTED


def test_a_redirect_to_the_same_host_keeps_the_headers(server: FileServer, tmp_path: Path, access: Access) -> None:
    server.answers["/old"] = [Answer(status=302, headers={"Location": "/shop.tgz"})]
    assert download(server.url("/old", HOST), tmp_path / "a", access) == SHA256
    assert [headers.get("Authorization") for _, headers in server.seen] == ["Bearer hunter22"] * 2


def test_a_redirect_to_another_host_takes_no_header_along(
    server: FileServer, certificate: Certificate, tmp_path: Path, access: Access
) -> None:
    with serve_files(certificate) as other:
        other.answers["/x?sig=1"] = [Answer(ARCHIVE)]
        server.answers["/old"] = [Answer(status=307, headers={"Location": other.url("/x?sig=1", HOST)})]
        assert download(server.url("/old", HOST), tmp_path / "a", access) == SHA256
        assert "Authorization" not in other.seen[0][1]


@pytest.mark.parametrize("location", ["http://files.invalid/x", "file:///etc/passwd", "https://u:p@files.invalid/x"])
def test_a_redirect_to_what_is_no_https_is_not_followed(
    server: FileServer, tmp_path: Path, access: Access, location: str
) -> None:
    server.answers["/old"] = [Answer(status=302, headers={"Location": location})]
    assert refused(server, "/old", tmp_path / "a", access).reason is Reason.SOURCE_INVALID


def test_redirects_in_a_circle_end(server: FileServer, tmp_path: Path, access: Access) -> None:
    server.answers["/old"] = [Answer(status=302, headers={"Location": "/old"})]
    assert "redirects" in str(refused(server, "/old", tmp_path / "a", access))
    assert len(server.seen) == 6


def test_an_address_of_the_cluster_is_refused_after_a_redirect_too(
    server: FileServer, tmp_path: Path, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(host: str, *_: object) -> list[str]:
        if host == "metadata.invalid":
            raise SourceError(Reason.SOURCE_INVALID, "builds may not fetch from there")
        return ["127.0.0.1"]

    monkeypatch.setattr(module, "resolve_host", resolve)
    server.answers["/old"] = [Answer(status=302, headers={"Location": "https://metadata.invalid/token"})]
    assert "may not fetch" in str(refused(server, "/old", tmp_path / "a", access))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(status=401), Reason.SOURCE_DENIED),
        (Answer(status=403), Reason.SOURCE_DENIED),
        (Answer(status=404), Reason.SOURCE_INVALID),
        (Answer(status=429), Reason.SOURCE_THROTTLED),
        (Answer(status=500), Reason.SOURCE_UNREACHABLE),
        (Answer(status=503), Reason.SOURCE_UNREACHABLE),
        (Answer(ARCHIVE, missing=10), Reason.SOURCE_UNREACHABLE),
    ],
)
def test_whose_fault_an_answer_is(
    server: FileServer, tmp_path: Path, access: Access, answer: Answer, reason: Reason
) -> None:
    server.answers["/x?sig=hunter22"] = [answer]
    error = refused(server, "/x?sig=hunter22", tmp_path / "a", access)
    assert error.reason is reason
    assert "hunter22" not in str(error)


def test_a_file_that_is_too_large_is_given_up(server: FileServer, tmp_path: Path, access: Access) -> None:
    error = refused(server, "/shop.tgz", tmp_path / "a", access, SourceLimits(max_download_bytes=10))
    assert error.reason is Reason.SOURCE_TOO_LARGE
    assert "more than 10 bytes, the limit source.maxDownloadBytes in the values" in str(error)


def test_each_address_of_a_host_is_tried(
    server: FileServer, tmp_path: Path, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster may have no IPv6, though the host has such an address."""
    monkeypatch.setattr(module, "resolve_host", lambda *_: ["::ffff:255.255.255.255", "127.0.0.1"])
    assert download(server.url("/shop.tgz", HOST), tmp_path / "a", access) == SHA256


@pytest.mark.parametrize("host", ["a b", "a%2eb", "a\x01b"])
def test_a_host_that_is_no_plain_name_is_refused(tmp_path: Path, host: str) -> None:
    """A proxy may read it as another host."""
    with pytest.raises(SourceError, match="no plain host name") as caught:
        download(f"https://{host}/x", tmp_path / "a", Access())
    assert caught.value.reason is Reason.SOURCE_INVALID


def test_a_ca_bundle_that_is_broken_is_told(server: FileServer, root: Path) -> None:
    broken = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
    archive = {"url": server.url("/shop.tgz", HOST), "caBundle": broken, "sha256": SHA256}
    with pytest.raises(SourceError, match="caBundle") as caught:
        fetch_archive(archive, root)
    assert caught.value.reason is Reason.SOURCE_INVALID


def test_a_closed_port_is_unreachable(server: FileServer, tmp_path: Path, access: Access) -> None:
    with pytest.raises(SourceError) as caught:
        download("https://files.invalid:1/x", tmp_path / "a", access)
    assert caught.value.reason is Reason.SOURCE_UNREACHABLE


# ---- the archive


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def test_an_archive_is_unpacked(server: FileServer, certificate: Certificate, root: Path) -> None:
    fetched = fetch_archive(request(server, certificate, sha256=SHA256, stripComponents=1), root)
    assert fetched == SourceFacts(digest=f"sha256:{SHA256}")
    assert (root / "Dockerfile").read_text() == "FROM scratch\n"


def test_another_content_is_not_unpacked(server: FileServer, certificate: Certificate, root: Path) -> None:
    with pytest.raises(SourceError, match=SHA256) as caught:
        fetch_archive(request(server, certificate, sha256="0" * 64), root)
    assert caught.value.reason is Reason.SOURCE_CHECKSUM
    assert list(root.iterdir()) == []


def test_a_server_that_fails_twice_and_breaks_off_once_is_asked_again(
    server: FileServer, certificate: Certificate, root: Path
) -> None:
    server.answers["/shop.tgz"] = [Answer(status=429), Answer(ARCHIVE, missing=10), Answer(ARCHIVE)]
    archive = request(server, certificate, sha256=SHA256, stripComponents=1)
    job = {"archive": archive, "root": str(root), "dockerfile": "Dockerfile", "context": "."}
    fetch(job, Clock(lambda: 0.0, lambda seconds: None))
    assert len(server.seen) == 3
    assert [path.name for path in root.iterdir()] == ["Dockerfile"]


def test_headers_come_from_the_secrets_files(
    server: FileServer, certificate: Certificate, root: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "headers"
    folder.mkdir()
    (folder / "PRIVATE-TOKEN").write_text("hunter22\n")
    fetch_archive(request(server, certificate, sha256=SHA256, headersRef={"name": "x"}), root, headers_folder=folder)
    assert server.seen[0][1]["PRIVATE-TOKEN"] == "hunter22"


@pytest.mark.parametrize("echo", ["hunter22-x", "YW5uOmh1bnRlcjIyLXg", "ann%3Ahunter22-x"])
def test_a_server_that_sends_a_header_back_gives_it_to_nobody(
    server: FileServer, certificate: Certificate, root: Path, tmp_path: Path, echo: str
) -> None:
    (tmp_path / "headers").mkdir()
    (tmp_path / "headers" / "Authorization").write_text("Basic YW5uOmh1bnRlcjIyLXg=")
    server.answers["/shop.tgz"] = [Answer(status=302, headers={"Location": f"/{echo}"})]
    server.answers[f"/{echo}"] = [Answer(status=404)]
    with pytest.raises(SourceError, match="answered with 404") as caught:
        fetch_archive(
            request(server, certificate, sha256=SHA256, headersRef={"name": "x"}),
            root,
            headers_folder=tmp_path / "headers",
        )
    assert echo not in str(caught.value)


def test_a_login_in_a_redirects_address_is_not_told(server: FileServer, tmp_path: Path, access: Access) -> None:
    server.answers["/old"] = [Answer(status=302, headers={"Location": "https://ann:hunter22@files.invalid/x"})]
    assert "hunter22" not in str(refused(server, "/old", tmp_path / "a", access))


@pytest.mark.parametrize("path", ["/x\x01?sig=hunter22", "/\xe9?sig=hunter22\x7f"])
def test_an_address_with_odd_characters_is_asked_for_and_its_query_not_told(
    server: FileServer, tmp_path: Path, access: Access, path: str
) -> None:
    server.answers["/old"] = [Answer(status=302, headers={"Location": path})]
    asked = quote(path.encode("latin-1"), safe="/?=")
    server.answers[asked] = [Answer(status=404)]
    error = refused(server, "/old", tmp_path / "a", access)
    assert "hunter22" not in str(error)
    assert server.seen[-1][0] == asked


@pytest.mark.parametrize(
    ("name", "value"),
    [("Host", "x"), ("content-length", "1"), ("no_header", "x"), ("X-Y", "a\r\nB: c"), ("X-Y", "B: c€")],
)
def test_what_is_no_header_is_told_without_its_value(tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / name).write_text(value)
    with pytest.raises(SourceError, match=name) as caught:
        read_headers(tmp_path)
    assert "B: c" not in str(caught.value)
