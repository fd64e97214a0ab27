"""What a process that came to a violent end leaves to the next one, by its file alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from buildandpush.handlers.workqueue.journal import GOOD_PASSES, SUSPECT_STRIKES, Journal
from tests.fulldisk import run_on_disk

KEY = "BuildAndPushACR/shop/web"


def die_in(folder: Path, key: str = KEY) -> None:
    """A process takes up a key, and is killed in the middle of it."""
    code = (
        "import os, signal, sys\n"
        "from buildandpush.handlers.workqueue.journal import Journal\n"
        "journal = Journal(sys.argv[1])\n"
        "for key in (sys.argv[2] + '-before', sys.argv[2]):\n"
        "    journal.end()\n"
        "    journal.begin(key)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    paths = os.pathsep.join(("operator", os.environ.get("PYTHONPATH", "")))
    died = subprocess.run([sys.executable, "-c", code, str(folder), key], check=False, env={"PYTHONPATH": paths})
    assert died.returncode == -signal.SIGKILL


def test_whose_pass_was_under_way_when_the_process_died_is_known_to_the_next(tmp_path: Path) -> None:
    assert Journal(str(tmp_path)).strikes(KEY) == 0
    for deaths in range(1, SUSPECT_STRIKES + 1):
        die_in(tmp_path)
        journal = Journal(str(tmp_path))
        assert (journal.strikes(KEY), journal.strikes(f"{KEY}-before")) == (deaths, 0)
        assert Journal(str(tmp_path)).strikes(KEY) == deaths, "one death is one strike"


def test_who_dies_between_two_steps_accuses_nobody(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    journal.begin(KEY)
    journal.end()
    assert Journal(str(tmp_path)).strikes(KEY) == 0


def test_a_strike_is_kept_and_many_good_passes_take_it_away(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    journal.strike(KEY, "it took long")
    journal.acquit("another")
    for _ in range(GOOD_PASSES - 1):
        journal.acquit(KEY)
    assert Journal(str(tmp_path)).strikes(KEY) == 1
    journal.strike(KEY, "again")
    for _ in range(GOOD_PASSES - 1):
        journal.acquit(KEY)
    assert Journal(str(tmp_path)).strikes(KEY) == 2, "those before the strike do not count"
    journal.acquit(KEY)
    assert Journal(str(tmp_path)).strikes(KEY) == journal.strikes(KEY) == 0


def test_a_key_of_any_length_and_alphabet_is_told_apart(tmp_path: Path) -> None:
    for key in ("a", "ä/ü", "x" * 5000):
        Journal(str(tmp_path)).begin(key)
        assert Journal(str(tmp_path)).strikes(key[:1023]) == 1


def test_old_strikes_make_room_for_new_ones(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    for number in range(1000):
        journal.strike(str(number), "it took long")
    assert (journal.strikes("0"), journal.strikes("999")) == (0, 1)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 50_000, b'{"a": "b"}', b"[]", b"\xff"])
def test_a_file_that_cannot_be_read_is_no_strike_and_no_end(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "strikes.json").write_bytes(content)
    (tmp_path / "under-way").write_bytes(b"\0" + content)
    journal = Journal(str(tmp_path))
    journal.strike(KEY, "it took long")
    assert (journal.strikes(KEY), journal.strikes("a")) == (1, 0)


@pytest.mark.parametrize("folder", ["", "/no/such/folder", "/proc"])
def test_without_a_folder_to_write_to_all_goes_on(folder: str) -> None:
    journal = Journal(folder)
    journal.begin(KEY)
    journal.end()
    journal.strike(KEY, "it took long")
    journal.acquit(KEY)
    assert journal.strikes(KEY) == 1


def test_a_full_disk_ends_no_process(tmp_path: Path) -> None:
    """The kernel answers a write to a mapped file that finds no room by a signal, which nobody survives."""
    code = (
        "import sys\n"
        "from buildandpush.handlers.workqueue.journal import Journal\n"
        "journal = Journal(sys.argv[1])\n"
        "journal.begin('BuildAndPushACR/shop/web')\n"
        "journal.end()\n"
        "journal.strike('BuildAndPushACR/shop/web', 'it took long')\n"
        "print(journal.strikes('BuildAndPushACR/shop/web'))\n"
    )
    ended = run_on_disk(tmp_path, sys.executable, "-c", code, str(tmp_path))
    assert (ended.returncode, ended.stdout[-2:]) == (0, "1\n"), ended.stderr
    assert "No space left on device" in ended.stdout + ended.stderr
