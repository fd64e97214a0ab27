"""Measures how much memory the source's process takes to unpack a small and a large archive of each form.

    python -m bench.unpack [--megabytes 10 1000] [--forms tar.zst zip]

Each unpacking is a process of its own. The peaks are the kernel's counts of its memory, and of its programs' memory.
The content does not shrink, so the archive is as large as what comes out of it.
"""

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

_FILE_BYTES: Final = 1024**2
_UNPACK: Final = """
import resource, sys, time
from pathlib import Path
from buildandpush.source.archive.unpack import unpack
begun = time.monotonic()
unpack(Path(sys.argv[1]), Path(sys.argv[2]), 0)
peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(*peaks, time.monotonic() - begun)
"""


def _write_tar(path: Path, mode: Literal["w", "w:gz"], megabytes: int) -> None:
    with tarfile.open(path, mode) as archive:
        for number in range(megabytes):
            info = tarfile.TarInfo(f"folder/file{number}")
            info.size = _FILE_BYTES
            archive.addfile(info, io.BytesIO(os.urandom(_FILE_BYTES)))


def _write_zst(path: Path, megabytes: int) -> None:
    plain = path.with_name("plain")
    _write_tar(plain, "w", megabytes)
    subprocess.run(["zstd", "--quiet", "--force", "--long=27", plain, "-o", path], check=True)
    plain.unlink()


def _write_zip(path: Path, megabytes: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(megabytes):
            archive.writestr(f"folder/file{number}", os.urandom(_FILE_BYTES))


FORMS: Final[dict[str, Callable[[Path, int], None]]] = {
    "tar": lambda path, megabytes: _write_tar(path, "w", megabytes),
    "tar.gz": lambda path, megabytes: _write_tar(path, "w:gz", megabytes),
    "tar.zst": _write_zst,
    "zip": _write_zip,
}


def measure(form: str, megabytes: int) -> tuple[float, float, float]:
    """Peaks of the process and of its programs in MiB, and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        archive, root = Path(folder) / "archive", Path(folder) / "root"
        root.mkdir()
        FORMS[form](archive, megabytes)
        told = subprocess.run(
            [sys.executable, "-c", _UNPACK, archive, root], check=True, capture_output=True, text=True
        ).stdout.split()
    return int(told[0]) / 1024, int(told[1]) / 1024, float(told[2])


def main() -> None:
    """Print a line for each form and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    given = parser.parse_args()
    for form in given.forms:
        for megabytes in given.megabytes:
            own, programs, seconds = measure(form, megabytes)
            print(f"{form:8} {megabytes:5} MB: {own:.1f} MiB, programs {programs:.1f} MiB, {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
