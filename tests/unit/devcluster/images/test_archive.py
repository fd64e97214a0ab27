"""Image archives have the layout containerd imports, and the same content gives the same bytes."""

import hashlib
import json
import tarfile
from pathlib import Path

from devcluster.images.archive import Entry, ImageConfig, write_archive, write_layer
from devcluster.images.catalogue import build_busybox_entries
from devcluster.images.executor import build_executor_layer, find_package

CONFIG = ImageConfig(entrypoint=("/pause",), env={"HOME": "/root"}, working_dir="/workspace")


def make_archive(folder: Path, entries: tuple[Entry, ...]) -> Path:
    folder.mkdir()
    write_layer(folder / "layer.tar", entries)
    write_archive(folder / "image.tar", folder / "layer.tar", names=("localhost/x:1", "localhost/y:1"), config=CONFIG)
    return folder / "image.tar"


def read_member(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as tar:
        stream = tar.extractfile(name)
        assert stream is not None
        return stream.read()


def test_manifest_names_config_layer_and_all_tags(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a", (Entry("pause", content=b"x"),))
    (manifest,) = json.loads(read_member(archive, "manifest.json"))
    assert manifest["RepoTags"] == ["localhost/x:1", "localhost/y:1"]
    config = read_member(archive, manifest["Config"])
    assert manifest["Config"] == f"{hashlib.sha256(config).hexdigest()}.json"
    layer = read_member(archive, manifest["Layers"][0])
    document = json.loads(config)
    assert document["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert document["config"] == {"Entrypoint": ["/pause"], "Env": ["HOME=/root"], "WorkingDir": "/workspace"}


def test_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    entries = (Entry("tmp", 0o1777), Entry("a", content=b"x"))
    first, second = make_archive(tmp_path / "a", entries), make_archive(tmp_path / "b", entries)
    assert first.read_bytes() == second.read_bytes()


def test_busybox_applets_are_links_and_tmp_is_open_to_all(tmp_path: Path) -> None:
    program = tmp_path / "busybox"
    program.write_bytes(b"elf")
    write_layer(tmp_path / "layer.tar", build_busybox_entries(program, ["sh", "busybox", "ls"]))
    with tarfile.open(tmp_path / "layer.tar") as layer:
        assert layer.getmember("bin/sh").linkname == "busybox"
        assert layer.getmember("bin/busybox").isfile()
        assert layer.getmember("tmp").mode == 0o1777
        assert layer.getmember("usr/bin/env").linkname == "../../bin/busybox"


def test_executor_image_has_the_places_kaniko_expects(tmp_path: Path) -> None:
    entries = {entry.path: entry for entry in build_executor_layer(tmp_path / "executor")}
    assert entries["kaniko/executor"].mode == 0o755
    assert entries["kaniko"].mode == 0o777
    assert entries["tmp"].mode == 0o1777
    assert {"workspace", "kaniko/.docker", "kaniko/ssl/certs/ca-certificates.crt"} <= set(entries)


def test_executor_package_is_the_modules_own_before_the_upstreams(tmp_path: Path) -> None:
    assert find_package(tmp_path) == "github.com/osscontainertools/kaniko/cmd/executor"
    (tmp_path / "main.go").write_text("package main")
    assert find_package(tmp_path) == "."
    (tmp_path / "cmd" / "executor").mkdir(parents=True)
    assert find_package(tmp_path) == "./cmd/executor"
