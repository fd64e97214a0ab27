"""Archives of any kind: what is unpacked, and what nobody may smuggle in or out."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import random
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.source.archive import unpack as module
from buildandpush.source.archive.unpack import unpack
from buildandpush.source.report import SourceError

USUAL = SourceLimits()
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


def zstd(content: bytes, *options: str) -> bytes:
    return subprocess.run(["zstd", "--quiet", *options], input=content, check=True, capture_output=True).stdout


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
    "zst": zstd,
}


def compress(plain: Path, form: str) -> Path:
    """In place of the plain file."""
    plain.write_bytes(COMPRESS[form](plain.read_bytes()))
    return plain


def found_in(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def refused(archive: Path, root: Path, limits: SourceLimits = USUAL, strip: int = 0) -> SourceError:
    with pytest.raises(SourceError) as caught:
        unpack(archive, root, strip, limits)
    outside = [path for path in root.parent.iterdir() if path not in (root, archive)]
    assert outside == [], "something was written outside of the source"
    return caught.value


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz", "lzma", "zst"])
def test_a_tar_is_unpacked(tmp_path: Path, root: Path, compression: str) -> None:
    entries = [(entry(name, mode=0o755), content) for name, content in FILES.items()]
    plain = make_tar(tmp_path / "a", *entries, compression="")
    assert unpack(compress(plain, compression) if compression else plain, root, 0) == 2
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
    error = refused(archive, root, SourceLimits(max_bytes=1_000_000))
    assert error.reason is Reason.SOURCE_TOO_LARGE
    assert "more than 1000000 bytes, the limit source.maxBytes in the values of the operator's chart" in str(error)


@pytest.mark.parametrize("make", ["gz", "zst"])
def test_a_bomb_is_told_by_its_ratio(tmp_path: Path, root: Path, make: str) -> None:
    with tarfile.open(tmp_path / "plain", "w") as plain:
        info = entry("zeros")
        info.size = 70_000_000
        with (tmp_path / "zeros").open("wb+") as zeros:
            zeros.truncate(info.size)
            plain.addfile(info, zeros)
    archive = compress(tmp_path / "plain", make)
    (tmp_path / "zeros").unlink()
    error = refused(archive, root, SourceLimits(max_ratio=2))
    assert error.reason is Reason.SOURCE_TOO_LARGE
    assert f"the archive has {archive.stat().st_size} bytes, and unpacks to more than" in str(error)
    assert "source.maxRatio" in str(error)


def test_an_archive_may_unpack_to_so_many_times_its_size() -> None:
    limits = SourceLimits(max_bytes=10**12, max_ratio=100)
    assert limits.room(1000) == 64 * 1024**2 + 100_000
    assert SourceLimits(max_bytes=10).room(1000) == 10


def test_too_many_files(tmp_path: Path, root: Path) -> None:
    archive = make_tar(tmp_path / "a", *((entry(f"f{number}"), b"") for number in range(11)))
    error = refused(archive, root, SourceLimits(max_files=10))
    assert error.reason is Reason.SOURCE_TOO_LARGE
    assert "more than 10 files, folders and links, the limit source.maxFiles in the values" in str(error)


def test_an_empty_archive_is_told(tmp_path: Path, root: Path) -> None:
    (tmp_path / "a").touch()
    error = refused(tmp_path / "a", root)
    assert (error.reason, str(error)) == (Reason.SOURCE_INVALID, "the archive is empty: it has 0 bytes")


@pytest.mark.parametrize("content", [b"no archive", b"PK\x03\x04" + b"x" * 40, b"\x1f\x8b" + b"x" * 40])
def test_what_is_no_archive_is_told(tmp_path: Path, root: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert refused(tmp_path / "a", root).reason is Reason.SOURCE_INVALID


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz", "lzma", "zst"])
def test_an_archive_that_is_cut_off_is_told(tmp_path: Path, root: Path, compression: str) -> None:
    content = random.Random(1).randbytes(300_000)
    archive = compress(make_tar(tmp_path / "plain", (entry("a"), content), compression=""), compression)
    archive.write_bytes(archive.read_bytes()[:-2000])
    error = refused(archive, root)
    assert error.reason is Reason.SOURCE_INVALID
    assert "broken" in str(error)


def test_a_zst_that_is_damaged_at_its_end_is_told(tmp_path: Path, root: Path) -> None:
    """The checksum stands behind the last entry, and behind more than is read at once."""
    archive = make_tar(tmp_path / "plain", (entry("a"), b"1"), compression="")
    archive.write_bytes(archive.read_bytes() + bytes(1_000_000))
    compress(archive, "zst")
    archive.write_bytes(archive.read_bytes()[:-1] + b"\xff")
    assert "checksum" in str(refused(archive, root))


@pytest.mark.parametrize("form", ["zst", "lzma"])
def test_a_window_of_any_size_takes_no_memory_of_any_size(tmp_path: Path, root: Path, form: str) -> None:
    archive = make_tar(tmp_path / "a", (entry("a"), bytes(5000)), compression="")
    if form == "zst":
        archive.write_bytes(zstd(archive.read_bytes(), "--ultra", "--long=31"))
    else:
        packed = bytearray(COMPRESS["lzma"](archive.read_bytes()))
        packed[1:5] = (2**30).to_bytes(4, "little")  # the size of its dictionary
        archive.write_bytes(packed)
    error = refused(archive, root)
    assert error.reason is Reason.SOURCE_INVALID
    assert "memory" in str(error).lower()


def test_streams_of_an_xz_may_follow_each_other(tmp_path: Path, root: Path) -> None:
    content = make_tar(tmp_path / "a", (entry("a"), b"1" * 5000), compression="").read_bytes()
    (tmp_path / "a").write_bytes(lzma.compress(content[:700]) + bytes(8) + lzma.compress(content[700:]) + bytes(4))
    unpack(tmp_path / "a", root, 0)
    assert found_in(root) == {"a": b"1" * 5000}


def test_a_zip_lists_no_more_files_than_are_allowed(tmp_path: Path, root: Path) -> None:
    """Before the list is in memory: each of its lines would be an object."""
    archive = make_zip(tmp_path / "a", {f"f{number}": b"" for number in range(11)})
    error = refused(archive, root, SourceLimits(max_files=10))
    assert (error.reason, found_in(root)) == (Reason.SOURCE_TOO_LARGE, {})
    assert "source.maxFiles" in str(error)
    named = make_zip(tmp_path / "a", {"n" * 60_000 + str(number): b"" for number in range(3)})
    assert refused(named, root, SourceLimits(max_files=10)).reason is Reason.SOURCE_TOO_LARGE


def test_a_map_of_a_sparse_file_has_a_bound(tmp_path: Path, root: Path) -> None:
    """Each hole is an entry of a list in memory, and four bytes of zeros in the archive."""
    count = 700_000
    sparse = entry("holes")
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    with tarfile.open(tmp_path / "plain", "w", format=tarfile.PAX_FORMAT) as archive:
        content = b"%d\n" % count + b"0\n" * 2 * count
        sparse.size = len(content)
        archive.addfile(sparse, io.BytesIO(content))
    error = refused(compress(tmp_path / "plain", "gz"), root)
    assert "an entry's headers have more than 2097152 bytes" in str(error)


def test_a_sparse_file_has_its_holes(tmp_path: Path, root: Path) -> None:
    (tmp_path / "holes").write_bytes(b"a")
    with (tmp_path / "holes").open("rb+") as opened:
        opened.seek(1_000_000)
        opened.write(b"b")
    packed = tmp_path / "packed"
    subprocess.run(["tar", "--create", "--gzip", "--sparse", "--file", packed, "holes"], cwd=tmp_path, check=True)
    unpack(packed, root, 0)
    assert (root / "holes").read_bytes() == (tmp_path / "holes").read_bytes()


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
    assert refused(archive, root, SourceLimits(max_files=10), strip=1).reason is Reason.SOURCE_TOO_LARGE


def test_content_that_is_left_out_counts_too(tmp_path: Path, root: Path) -> None:
    archive = make_tar(tmp_path / "a", (entry("left"), bytes(5_000_000)), (entry("shop/kept"), b"1"))
    assert refused(archive, root, SourceLimits(max_bytes=1_000_000), strip=1).reason is Reason.SOURCE_TOO_LARGE


def test_a_tar_that_is_damaged_in_the_middle_is_told(tmp_path: Path, root: Path) -> None:
    """Python's own reader takes a damaged header for the end."""
    archive = make_tar(tmp_path / "a", (entry("a"), b"1"), (entry("b"), b"2"), compression="")
    damaged = bytearray(archive.read_bytes())
    damaged[2 * tarfile.BLOCKSIZE] ^= 1
    archive.write_bytes(damaged)
    assert "broken" in str(refused(archive, root))


def test_a_python_that_reads_headers_in_another_way_unpacks_nothing(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newer releases go by another method, and the checks of headers were left out without a word."""
    monkeypatch.delattr(module._Entry, "frombuf")
    monkeypatch.delattr(module._Entry, "_frombuf")
    assert "reads the headers" in str(refused(make_tar(tmp_path / "a", (entry("a"), b"1")), root))


def test_a_link_that_a_later_link_leads_out_is_refused(tmp_path: Path, root: Path) -> None:
    entries = [(entry("out", tarfile.SYMTYPE, link="y/.."), b""), (entry("y", tarfile.SYMTYPE, link="."), b"")]
    assert "is a link out" in str(refused(make_tar(tmp_path / "a", *entries), root))


@pytest.mark.parametrize("step", [1, -1])
def test_a_long_chain_of_links_is_refused(tmp_path: Path, root: Path, step: int) -> None:
    """No system follows more than some forty, but kaniko does: nobody has checked where such a one leads to."""
    chain = [(entry(f"l{number}", tarfile.SYMTYPE, link=f"l{number + step}"), b"") for number in range(1500)]
    assert "is a link out" in str(refused(make_tar(tmp_path / "a", *chain), root))


@pytest.mark.parametrize("step", [1, -1])
def test_a_chain_of_links_may_be_as_long_as_the_system_follows(tmp_path: Path, root: Path, step: int) -> None:
    chain = [(entry(f"l{number}", tarfile.SYMTYPE, link=f"l{number + step}"), b"") for number in range(40)]
    assert unpack(make_tar(tmp_path / "a", *chain), root, 0) == 40


def damage_zip(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new)


@pytest.mark.parametrize(("old", "new"), [(b"name-\xc3\xa9", b"name-\xff\xff"), (b"name-\xc3\xa9", b"\0ame-\xc3\xa9")])
def test_names_that_are_none_are_told(tmp_path: Path, root: Path, old: bytes, new: bytes) -> None:
    archive = make_zip(tmp_path / "a", {"name-\u00e9": b"1", "other": b"2"})
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


@given(st.lists(ENTRIES, max_size=8), st.integers(0, 2), st.integers(1, 8), st.integers(1, 8))
def test_whatever_the_entries_are_nothing_is_written_outside(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, bytes, str]], strip: int, most: int, size: int
) -> None:
    """And no more of it than the limits."""
    folder = tmp_path_factory.mktemp("fuzz")
    root = folder / "deep" / "source"
    root.mkdir(parents=True)
    made = [(entry(name, kind, link=link), b"x" if kind == tarfile.REGTYPE else b"") for name, kind, link in entries]
    archive = make_tar(folder / "archive.tar", *made, compression="")
    with contextlib.suppress(SourceError):
        unpack(archive, root, strip, SourceLimits(max_files=most, max_bytes=size))
    assert len(list(root.rglob("*"))) <= 3 * most, "an entry's name has three parts at most"
    assert sum(len(content) for content in found_in(root).values()) <= size
    assert sorted(path.name for path in folder.iterdir()) == ["archive.tar", "deep"]
    assert [path.name for path in (folder / "deep").iterdir()] == ["source"]
    for path in root.rglob("*"):
        assert Path(os.path.realpath(path)).is_relative_to(root)


@pytest.fixture(scope="module")
def packed() -> dict[str, bytes]:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, kind in (("a", tarfile.REGTYPE), ("d/" + "n" * 120, tarfile.REGTYPE), ("l", tarfile.SYMTYPE)):
            info = entry(name, kind, link="a" if kind == tarfile.SYMTYPE else "")
            info.size = 600 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"x" * 600))
    return {form: work(written.getvalue()) for form, work in COMPRESS.items()}


@pytest.mark.parametrize("form", COMPRESS)
@given(st.data())
@settings(max_examples=25)
def test_whatever_is_damaged_is_told(
    tmp_path_factory: pytest.TempPathFactory, packed: dict[str, bytes], form: str, data: st.DataObject
) -> None:
    """By no other error than a source's own."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "source").mkdir()
    content = bytearray(packed[form])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        content[place] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(content)))
    (folder / "a").write_bytes(content[:cut] if data.draw(st.booleans()) else content)
    with contextlib.suppress(SourceError):
        unpack(folder / "a", folder / "source", 0)
    assert sorted(path.name for path in folder.iterdir()) == ["a", "source"]
