"""Measures the source container's fetch of a large repository against plain `git clone --depth 1`.

    make bench            (python -m bench.clone [--files N] [--repeats N])

Both fetch the same commit from git's own http-backend on loopback, in turns, and each time into an empty folder. The
medians are of one run on one machine: compare within a run. `peak` is the most memory of the largest process, as
getrusage counts it.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.unit.source.git.git_server import serve_git

FILES: Final = 50_000
REPEATS: Final = 3
_SEED: Final = 1
_IN_A_FOLDER: Final = 40
_TYPICAL_BYTES: Final = 1200
"""Median of a source file. As in large repositories, most are small, and a few have many times that size."""
_HOST: Final = "127.0.0.1"
# The check of addresses refuses loopback, where this server is, and nothing else of the fetch is another.
_PROGRAM: Final = """\
import sys
from buildandpush.source.git import way
way.resolve_host = lambda host, port, rules: ["127.0.0.1"]
from buildandpush.source.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
_MEASURE: Final = """\
import os, sys, time
from pathlib import Path
begun = time.monotonic()
number = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(number, 0)
Path(sys.argv[1]).write_text(f"{time.monotonic() - begun} {used.ru_maxrss}")
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A small process between: Linux counts the memory of the process that starts a program as the program's own."""


@dataclass(frozen=True)
class Spent:
    """What a program took."""

    seconds: float
    peak_bytes: int


def make_repository(folder: Path, files: int) -> None:
    """A bare repository of one commit."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder)], check=True)
    with tempfile.TemporaryFile() as commands:
        commands.writelines(_list_commands(files))
        commands.seek(0)
        subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, stdin=commands, check=True)
    subprocess.run(["git", "repack", "-adq"], cwd=folder, check=True)


def _list_commands(files: int) -> Iterator[bytes]:
    made = random.Random(_SEED)  # noqa: S311 - the same repository each time
    words = [bytes(made.choices(b"abcdefghijklmnopqrstuvwxyz_", k=made.randint(2, 9))) for _ in range(5000)]
    yield b"commit refs/heads/main\ncommitter b <b@example.com> 0 +0000\ndata 1\nb\n"
    for number in range(files + 1):
        name = f"pkg{number // (_IN_A_FOLDER * 25)}/mod{number // _IN_A_FOLDER}/file{number}.py"
        size = int(made.lognormvariate(0, 1.2) * _TYPICAL_BYTES)
        text = b" ".join(made.choices(words, k=size // 6 + 1)) + b"\n"
        if number == files:
            name, text = "Dockerfile", b"FROM scratch\n"
        yield f"M 100644 inline {name}\ndata {len(text)}\n".encode() + text + b"\n"


def run(command: list[str], folder: Path) -> Spent:
    """Run a program to its good end. Ends this one otherwise."""
    environment = {
        **os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
        "TERMINATION_LOG": str(folder / "report"), "TMPDIR": str(folder),
    }  # fmt: skip
    spent = folder / "spent"
    if subprocess.run([sys.executable, "-c", _MEASURE, str(spent), *command], env=environment, check=False).returncode:
        sys.exit(f"{command[0]} has failed")
    seconds, kibibytes = spent.read_text().split()
    return Spent(float(seconds), int(kibibytes) * 1024)


def fetch_with_source(url: str, folder: Path) -> Spent:
    """The source container's own way, from the request to the report."""
    request = {"git": {"url": url}, "root": str(folder / "source"), "dockerfile": "Dockerfile", "context": "."}
    (folder / "request.json").write_text(json.dumps(request))
    return run([sys.executable, "-c", _PROGRAM, str(folder / "request.json")], folder)


def fetch_with_git(url: str, folder: Path) -> Spent:
    """What a developer would do."""
    return run(["git", "clone", "--quiet", "--depth", "1", url, str(folder / "source")], folder)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    arguments = parser.parse_args()
    ways = {"source": fetch_with_source, "git": fetch_with_git}
    spent: dict[str, list[Spent]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as made:
        make_repository(Path(made) / "shop.git", arguments.files)
        with serve_git(Path(made)) as server:
            for _ in range(arguments.repeats):
                for name, fetch in ways.items():
                    folder = Path(made) / "fetched"
                    folder.mkdir()
                    spent[name].append(fetch(server.url(_HOST), folder))
                    shutil.rmtree(folder)
    seconds = {name: statistics.median(each.seconds for each in found) for name, found in spent.items()}
    for name, found in spent.items():
        peak = max(each.peak_bytes for each in found)
        print(f"{name}: {seconds[name]:.2f} s, peak {peak / 2**20:.0f} MiB")
    print(f"ratio: {seconds['source'] / seconds['git']:.2f}")


if __name__ == "__main__":
    main()
