"""Archives of any kind: what is unpacked, and what nobody may smuggle in or out."""

import contextlib
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api.reasons import Reason
from buildandpush.source.archive.unpack import Limits, unpack
from buildandpush.source.report import SourceError

USUAL = Limits()
FILES = {"shop/Dockerfile": b"FROM scratch\n", "shop/web/run.sh": b"#!/bin/sh\n"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def entry(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.mode = kind, link, mode
    return found


def make_tar(path: Path, *entries: tuple[tarfile.TarInfo, bytes], compression: str = "gz") -> Path:
    with tarfile.open(path, f"w:{compression}") as archive:
        for info, content in entries:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def make_zip(path: Path, files: dict[str, bytes], mode: int = stat.S_IFREG | 0o755) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return path


def found_in(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def refused(archive: Path, root: Path, limits: Limits = USUAL, strip: int = 0) -> SourceError:
    with pytest.raises(SourceError) as caught:
        unpack(archive, root, strip, limits)
    outside = [path for path in root.parent.iterdir() if path not in (root, archive)]
    assert outside == [], "something was written outside of the source"
    return caught.value


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_tar_is_unpacked(tmp_path: Path, root: Path, compression: str) -> None:
    entries = [(entry(name, mode=0o755), content) for name, content in FILES.items()]
    assert unpack(make_tar(tmp_path / "a", *entries, compression=compression), root, 0) == 2
    assert found_in(root) == FILES
    assert (root / "shop" / "web" / "run.sh").stat().st_mode & 0o777 == 0o755


def test_a_zip_is_unpacked(tmp_path: Path, root: Path) -> None:
    assert unpack(make_zip(tmp_path / "a", FILES), root, 0) == 2
    assert found_in(root) == FILES
    assert (root / "shop" / "web" / "run.sh").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("make", ["tar", "zip"])
def test_leading_folders_are_left_out(tmp_path: Path, root: Path, make: str) -> None:
    if make == "tar":
        archive = make_tar(tmp_path / "a", *((entry(name), content) for name, content in FILES.items()))
    else:
        archive = make_zip(tmp_path / "a", FILES)
    unpack(archive, root, 1)
    assert found_in(root) == {"Dockerfile": b"FROM scratch\n", "web/run.sh": b"#!/bin/sh\n"}


def test_links_inside_stay_links(tmp_path: Path, root: Path) -> None:
    link = entry("shop/latest", tarfile.SYMTYPE, link="Dockerfile")
    hard = entry("shop/same", tarfile.LNKTYPE, link="shop/Dockerfile")
    unpack(make_tar(tmp_path / "a", (entry("shop/Dockerfile"), b"x"), (link, b""), (hard, b"")), root, 1)
    assert (root / "latest").is_symlink()
    assert (root / "same").read_bytes() == b"x"


def test_a_later_entry_takes_the_place_of_an_earlier_one(tmp_path: Path, root: Path) -> None:
    unpack(make_tar(tmp_path / "a", (entry("a"), b"1"), (entry("a"), b"2")), root, 0)
    assert found_in(root) == {"a": b"2"}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([(entry("../x"), b"1")], "leads out"),
        ([(entry("a/../../x"), b"1")], "leads out"),
        ([(entry("/etc/x"), b"1")], "leads out"),
        ([(entry("a", tarfile.SYMTYPE, link="/etc"), b"")], "is a link out"),
        ([(entry("a", tarfile.SYMTYPE, link="../../x"), b"")], "is a link out"),
        (
            [(entry("d/a", tarfile.SYMTYPE, link=".."), b""), (entry("d/b", tarfile.SYMTYPE, link="a/../.."), b"")],
            "out",
        ),
        ([(entry("a", tarfile.SYMTYPE, link="."), b""), (entry("a/x"), b"1")], "through a link"),
        ([(entry("a", tarfile.LNKTYPE, link="/etc/passwd"), b"")], "leads out"),
        ([(entry("a", tarfile.LNKTYPE, link="nothing"), b"")], "no file before it"),
        (
            [(entry("l", tarfile.SYMTYPE, link="f"), b""), (entry("a", tarfile.LNKTYPE, link="l"), b"")],
            "no file before",
        ),
        ([(entry("a", tarfile.CHRTYPE), b"")], "device or pipe"),
        ([(entry("a", tarfile.FIFOTYPE), b"")], "device or pipe"),
        ([(entry("a/b"), b"1"), (entry("a"), b"2")], "is a folder before it"),
    ],
)
def test_what_an_archive_must_not_hold(
    tmp_path: Path, root: Path, entries: list[tuple[tarfile.TarInfo, bytes]], words: str
) -> None:
    error = refused(make_tar(tmp_path / "a", *entries), root)
    assert error.reason is Reason.SOURCE_INVALID
    assert words in str(error)


def test_links_in_a_loop_harm_nobody(tmp_path: Path, root: Path) -> None:
    loop = [(entry("a", tarfile.SYMTYPE, link="b"), b""), (entry("b", tarfile.SYMTYPE, link="a"), b"")]
    assert unpack(make_tar(tmp_path / "a", *loop), root, 0) == 2
    inside = entry("a/x")
    assert "link" in str(refused(make_tar(tmp_path / "a", *loop, (inside, b"1")), root))


@pytest.mark.parametrize(("name", "mode"), [("../x", stat.S_IFREG), ("/x", stat.S_IFREG), ("a", stat.S_IFIFO)])
def test_what_a_zip_must_not_hold(tmp_path: Path, root: Path, name: str, mode: int) -> None:
    assert refused(make_zip(tmp_path / "a", {name: b"1"}, mode), root).reason is Reason.SOURCE_INVALID


def test_a_link_out_of_a_zip_is_refused(tmp_path: Path, root: Path) -> None:
    archive = make_zip(tmp_path / "a", {"a": b"../../etc/passwd"}, stat.S_IFLNK | 0o777)
    assert "is a link out" in str(refused(archive, root))


def test_a_bomb_is_too_large(tmp_path: Path, root: Path) -> None:
    archive = make_tar(tmp_path / "a", (entry("zeros"), bytes(5_000_000)))
    assert refused(archive, root, Limits(bytes=1_000_000)).reason is Reason.SOURCE_TOO_LARGE


def test_an_archive_may_unpack_to_so_many_times_its_size() -> None:
    limits = Limits(bytes=10**12, ratio=100)
    assert limits.room(1000) == 64 * 1024**2 + 100_000
    assert Limits(bytes=10).room(1000) == 10


def test_too_many_files(tmp_path: Path, root: Path) -> None:
    archive = make_tar(tmp_path / "a", *((entry(f"f{number}"), b"") for number in range(11)))
    error = refused(archive, root, Limits(files=10))
    assert (error.reason, str(error)) == (Reason.SOURCE_TOO_LARGE, "the archive holds more than 10 files")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + b"x" * 40, b"\x1f\x8b" + b"x" * 40])
def test_what_is_no_archive_is_told(tmp_path: Path, root: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert refused(tmp_path / "a", root).reason is Reason.SOURCE_INVALID


def test_an_archive_that_is_cut_off_is_told(tmp_path: Path, root: Path) -> None:
    archive = make_tar(tmp_path / "a", (entry("a"), bytes(range(256)) * 4000))
    archive.write_bytes(archive.read_bytes()[:-200])
    assert refused(archive, root).reason is Reason.SOURCE_INVALID


def test_an_archive_without_anything_below_its_leading_folders_is_told(tmp_path: Path, root: Path) -> None:
    assert "below 1 leading folders" in str(refused(make_tar(tmp_path / "a", (entry("a"), b"1")), root, strip=1))


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path, root: Path) -> None:
    inner = make_zip(tmp_path / "inner.zip", {"wrong": b"x"}).read_bytes()
    (tmp_path / "inner.zip").unlink()
    unpack(make_tar(tmp_path / "a", (entry("lib.zip"), inner), compression=""), root, 0)
    assert found_in(root) == {"lib.zip": inner}


def test_entries_that_are_left_out_count_too(tmp_path: Path, root: Path) -> None:
    """Each takes time and memory."""
    archive = make_tar(tmp_path / "a", *((entry("left"), b"") for _ in range(11)))
    assert refused(archive, root, Limits(files=10), strip=1).reason is Reason.SOURCE_TOO_LARGE


def test_content_that_is_left_out_counts_too(tmp_path: Path, root: Path) -> None:
    archive = make_tar(tmp_path / "a", (entry("left"), bytes(5_000_000)), (entry("shop/kept"), b"1"))
    assert refused(archive, root, Limits(bytes=1_000_000), strip=1).reason is Reason.SOURCE_TOO_LARGE


def test_a_tar_that_is_damaged_in_the_middle_is_told(tmp_path: Path, root: Path) -> None:
    """Python's own reader takes a damaged header for the end."""
    archive = make_tar(tmp_path / "a", (entry("a"), b"1"), (entry("b"), b"2"), compression="")
    damaged = bytearray(archive.read_bytes())
    damaged[2 * tarfile.BLOCKSIZE] ^= 1
    archive.write_bytes(damaged)
    assert "broken" in str(refused(archive, root))


def test_a_link_that_a_later_link_leads_out_is_refused(tmp_path: Path, root: Path) -> None:
    entries = [(entry("out", tarfile.SYMTYPE, link="y/.."), b""), (entry("y", tarfile.SYMTYPE, link="."), b"")]
    assert "is a link out" in str(refused(make_tar(tmp_path / "a", *entries), root))


@pytest.mark.parametrize("step", [1, -1])
def test_a_long_chain_of_links_costs_no_more_than_its_links(tmp_path: Path, root: Path, step: int) -> None:
    """Following each to its end would take the square of their number. No system follows more than some forty."""
    chain = [(entry(f"l{number}", tarfile.SYMTYPE, link=f"l{number + step}"), b"") for number in range(1500)]
    assert unpack(make_tar(tmp_path / "a", *chain), root, 0) == 1500


def damage_zip(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new)


@pytest.mark.parametrize(("old", "new"), [(b"name-\xc3\xa9", b"name-\xff\xff"), (b"name-\xc3\xa9", b"\0ame-\xc3\xa9")])
def test_names_that_are_none_are_told(tmp_path: Path, root: Path, old: bytes, new: bytes) -> None:
    archive = make_zip(tmp_path / "a", {"name-\u00e9": b"1"})
    archive.write_bytes(damage_zip(archive.read_bytes(), old, new))
    assert "broken" in str(refused(archive, root))


@pytest.mark.parametrize("size", [b"\x80" + b"\xff" * 11, b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7])
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_sizes_that_no_file_has_are_told(tmp_path: Path, root: Path, size: bytes, kind: bytes) -> None:
    archive = make_tar(tmp_path / "a", (entry("a"), b"1"), compression="")
    header = bytearray(archive.read_bytes())
    header[124:136], header[156:157], header[148:156] = size, kind, b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[: tarfile.BLOCKSIZE])
    archive.write_bytes(header)
    assert "broken" in str(refused(archive, root))


NAMES = st.sampled_from(["a", "b", "a/b", "b/a", "../a", "a/..", "/a", ".", "a/./b", "a/../../b", "..", "a//b"])
ENTRIES = st.tuples(NAMES, st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]), NAMES)


@given(st.lists(ENTRIES, max_size=8), st.integers(0, 2))
def test_whatever_the_entries_are_nothing_is_written_outside(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, bytes, str]], strip: int
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    root = folder / "deep" / "source"
    root.mkdir(parents=True)
    made = [(entry(name, kind, link=link), b"x" if kind == tarfile.REGTYPE else b"") for name, kind, link in entries]
    archive = make_tar(folder / "archive.tar", *made, compression="")
    with contextlib.suppress(SourceError):
        unpack(archive, root, strip)
    assert sorted(path.name for path in folder.iterdir()) == ["archive.tar", "deep"]
    assert [path.name for path in (folder / "deep").iterdir()] == ["source"]
    for path in root.rglob("*"):
        assert Path(os.path.realpath(path)).is_relative_to(root)
