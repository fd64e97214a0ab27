"""Sources that the cluster itself holds: a ConfigMap, and a folder of a volume."""

import base64
from pathlib import Path

import pytest

from tests.e2e.harness.api import Api
from tests.e2e.harness.build import FROM
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.volumes import folder_claimed

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
