"""Copying from a volume and from a ConfigMap: every plain file as it is, and nothing from elsewhere."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.source.copied import fetch_config_map, fetch_volume
from buildandpush.source.facts import measure
from buildandpush.source.report import SourceError


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A volume with a checkout in it."""
    folder = tmp_path / "mount"
    (folder / "checkout" / "web" / "empty").mkdir(parents=True)
    (folder / "checkout" / "Dockerfile").write_text("FROM scratch\n")
    (folder / "checkout" / "web" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "checkout" / "web" / "run.sh").chmod(0o755)
    os.utime(folder / "checkout" / "web" / "run.sh", (1_000_000, 1_000_000))
    (folder / "checkout" / "latest").symlink_to("web")
    (folder / "checkout" / "out").symlink_to("/etc")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def test_a_folder_is_copied_with_modes_times_and_links(mount: Path, root: Path) -> None:
    fetch_volume({"path": "checkout"}, root, mount=mount)
    assert measure(root)[0] == 4
    found = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    assert found == ["Dockerfile", "latest", "out", "web", "web/empty", "web/run.sh"]
    assert (root / "web" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (root / "web" / "run.sh").stat().st_mtime == 1_000_000
    assert [str((root / name).readlink()) for name in ("latest", "out")] == ["web", "/etc"]


@pytest.mark.parametrize("path", ["nothing", "checkout/Dockerfile", "checkout/out"])
def test_what_is_no_folder_of_the_volume_is_told(mount: Path, root: Path, path: str) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_volume({"path": path}, root, mount=mount)
    assert caught.value.reason is Reason.SOURCE_INVALID
    assert path in str(caught.value)


def test_the_message_lists_what_is_there(mount: Path, root: Path) -> None:
    with pytest.raises(SourceError, match="its root has checkout/"):
        fetch_volume({"path": "chekout"}, root, mount=mount)


def test_the_file_systems_own_folder_is_left_out(mount: Path, root: Path) -> None:
    """ext4 has one at its root, which root alone may read."""
    (mount / "lost+found").mkdir(mode=0)
    fetch_volume({"path": "."}, root, mount=mount)
    assert [path.name for path in root.iterdir()] == ["checkout"]


def test_a_pipe_is_refused_and_not_waited_for(mount: Path, root: Path) -> None:
    os.mkfifo(mount / "checkout" / "web" / "pipe")
    with pytest.raises(SourceError, match="'web/pipe' is a device, pipe or socket"):
        fetch_volume({"path": "checkout"}, root, mount=mount)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(mount: Path, root: Path) -> None:
    (mount / "checkout" / "web" / "run.sh").chmod(0)
    with pytest.raises(SourceError, match="'web/run.sh'"):
        fetch_volume({"path": "checkout"}, root, mount=mount)


def test_a_config_map_is_copied_as_the_kubelet_lays_it_out(tmp_path: Path, root: Path) -> None:
    """A folder with the files, a link to it, and a link for each top name."""
    mount = tmp_path / "mount"
    data = mount / "..2026_01_02_03_04_05.1"
    (data / "web").mkdir(parents=True)
    (data / "Dockerfile").write_text("FROM scratch\n")
    (data / "web" / "app.py").write_bytes(b"\0\1")
    (mount / "..data").symlink_to(data.name)
    for name in ("Dockerfile", "web"):
        (mount / name).symlink_to(f"..data/{name}")
    fetch_config_map({}, root, mount=mount)
    assert measure(root)[0] == 2
    found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert found == {"Dockerfile": b"FROM scratch\n", "web/app.py": b"\0\1"}
    assert not (root / "Dockerfile").is_symlink()


def test_a_config_map_that_changes_during_the_copy_is_copied_again_as_a_whole(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kubelet turns the link to the new files, and then removes the old ones."""
    mount = tmp_path / "mount"
    for name, files in (("..1", ("a", "b")), ("..2", ("b",))):
        (mount / name).mkdir(parents=True)
        for file in files:
            (mount / name / file).write_text(name)
    (mount / "..data").symlink_to("..1")
    real = shutil.copy2

    def copy(source: Path, target: Path, **more: Any) -> None:
        real(source, target, **more)
        if (mount / "..1").exists():
            (mount / "..data").unlink()
            (mount / "..data").symlink_to("..2")
            shutil.rmtree(mount / "..1")

    monkeypatch.setattr(shutil, "copy2", copy)
    fetch_config_map({}, root, mount=mount)
    assert measure(root)[0] == 1
    assert [(path.name, path.read_text()) for path in root.iterdir()] == [("b", "..2")]


def test_a_config_map_that_cannot_be_copied_is_not_tried_for_ever(tmp_path: Path, root: Path) -> None:
    (tmp_path / "mount").mkdir()
    with pytest.raises(SourceError):
        fetch_config_map({}, root, mount=tmp_path / "mount")


@pytest.mark.parametrize(
    ("limits", "name"), [(SourceLimits(max_files=2), "source.maxFiles"), (SourceLimits(max_bytes=4), "source.maxBytes")]
)
def test_a_folder_is_no_larger_than_the_limits(mount: Path, root: Path, limits: SourceLimits, name: str) -> None:
    """Holes count: the copy has none."""
    with (mount / "checkout" / "large").open("wb") as opened:
        opened.truncate(5)
    with pytest.raises(SourceError, match=name) as caught:
        fetch_volume({"path": "checkout"}, root, limits, mount)
    assert caught.value.reason is Reason.SOURCE_TOO_LARGE
