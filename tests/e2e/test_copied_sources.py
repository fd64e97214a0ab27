"""Sources other than git: a ConfigMap, a folder of a volume, and an archive of a web server."""

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import Api
from tests.e2e.harness.build import FROM
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.volumes import folder_claimed
from tests.fileserver import Answer, serve_files
from tests.webserver import make_certificate

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]


@pytest.mark.proves("source.configMap.name", "source.configMap.items")
def test_a_config_map_is_built_once_it_is_there(
    api: Api, namespace: str, make_build: BuildFactory, registry: Registry
) -> None:
    items = [{"key": "Dockerfile", "path": "Dockerfile"}, {"key": "data.bin", "path": "web/data.bin"}]
    build = make_build(source={"configMap": {"name": "web-source", "items": items}})
    build.wait_reason("ConfigMapMissing")
    content = bytes(range(256))
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "web-source", "namespace": namespace},
            "data": {"Dockerfile": f"{FROM}COPY web/data.bin /data.bin\n"},
            "binaryData": {"data.bin": base64.b64encode(content).decode()},
        }
    )
    build.wait_succeeded()
    assert registry.files(build.repository, "latest")["data.bin"] == content


@pytest.mark.proves("source.persistentVolumeClaim.claimName", "source.persistentVolumeClaim.path")
def test_a_folder_of_a_volume_is_built_and_a_wrong_one_is_told(
    api: Api, namespace: str, make_build: BuildFactory, registry: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "checkout" / "web"
    folder.mkdir(parents=True)
    tmp_path.chmod(0o755)  # which pytest makes for its own user alone
    (folder / "Dockerfile").write_text(f"{FROM}COPY text /text\n")
    (folder / "text").write_text("from a volume\n")
    with folder_claimed(api, namespace, tmp_path) as claim:
        build = make_build(source={"persistentVolumeClaim": {"claimName": claim, "path": "checkout/web"}})
        wrong = make_build(source={"persistentVolumeClaim": {"claimName": claim, "path": "chekout"}})
        build.wait_succeeded()
        assert registry.files(build.repository, "latest")["text"] == b"from a volume\n"
        refused = wrong.wait_failed("SourceInvalid")
        assert "its root has checkout/" in refused.build["message"]


def make_archive(dockerfile: str) -> bytes:
    """What a forge gives out: everything below one folder."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        info = tarfile.TarInfo("shop-1.4.2/Dockerfile")
        info.size = len(dockerfile.encode())
        archive.addfile(info, io.BytesIO(dockerfile.encode()))
    return written.getvalue()


@pytest.mark.proves(
    "source.archive.url",
    "source.archive.sha256",
    "source.archive.stripComponents",
    "source.archive.headersRef.name",
    "source.archive.caBundle",
)
def test_an_archive_is_built_if_it_is_the_one_that_was_named(
    api: Api, namespace: str, make_build: BuildFactory, settings: Settings, tmp_path: Path
) -> None:
    made = make_certificate(tmp_path, f"IP:{settings.network.gateway}")
    metadata = {"name": "download", "namespace": namespace}
    api.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"PRIVATE-TOKEN": "not-for-logs"}}
    )
    content = make_archive(f"{FROM}COPY Dockerfile /Dockerfile\n")
    with serve_files(made, settings.network.gateway) as server:
        server.answers["/shop.tgz"] = [Answer(status=503), Answer(content)]
        archive = {
            "url": server.url("/shop.tgz"),
            "sha256": hashlib.sha256(content).hexdigest(),
            "stripComponents": 1,
            "headersRef": {"name": "download"},
            "caBundle": made.certificate.read_text(),
        }
        build = make_build(source={"archive": archive})
        assert build.wait_succeeded().build["attempt"] == 1
        assert [headers["PRIVATE-TOKEN"] for _, headers in server.seen] == ["not-for-logs"] * 2
        wrong = make_build(source={"archive": {**archive, "sha256": "0" * 64}}).wait_failed("SourceChecksum")
        assert archive["sha256"] in wrong.build["message"]


@pytest.mark.proves("source.archive.unverified")
def test_an_archive_without_a_checksum_has_to_be_allowed(
    make_build: BuildFactory, settings: Settings, tmp_path: Path
) -> None:
    made = make_certificate(tmp_path, f"IP:{settings.network.gateway}")
    with serve_files(made, settings.network.gateway) as server:
        server.answers["/evil.tgz"] = [Answer(make_archive("FROM scratch\n").replace(b"x", b"y")[:60])]
        spec = {"url": server.url("/evil.tgz"), "unverified": True, "caBundle": made.certificate.read_text()}
        failed = make_build(source={"archive": spec}).wait_failed("SourceInvalid")
        assert "the archive is broken" in failed.build["message"]
