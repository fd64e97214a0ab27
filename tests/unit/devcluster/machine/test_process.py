"""A pid file means the very process we started, never another that got its number."""

from pathlib import Path

from devcluster.machine.process import ProcessRecord, find_descendants, is_running, parse_stat, read_record

STAT = "{pid} (a (strange) name) {state} 7 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 {threads} 0 {ticks} 100 1 0"


def write_process(proc: Path, pid: int, *, ticks: int, state: str = "S", threads: int = 1) -> None:
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "stat").write_text(STAT.format(pid=pid, state=state, threads=threads, ticks=ticks))


def test_stat_is_parsed_behind_a_name_with_parentheses() -> None:
    assert parse_stat(STAT.format(pid=5, state="R", threads=3, ticks=4711)) == ("R", 7, 3, 4711)


def test_a_process_that_started_when_recorded_is_running(tmp_path: Path) -> None:
    write_process(tmp_path, 42, ticks=1000)
    assert is_running(ProcessRecord(42, 1000, ""), tmp_path)


def test_a_reused_pid_is_not_our_process(tmp_path: Path) -> None:
    write_process(tmp_path, 42, ticks=2000)
    assert not is_running(ProcessRecord(42, 1000, ""), tmp_path)


def test_a_zombie_and_a_missing_process_do_not_run(tmp_path: Path) -> None:
    write_process(tmp_path, 42, ticks=1000, state="Z")
    assert not is_running(ProcessRecord(42, 1000, ""), tmp_path)
    assert not is_running(ProcessRecord(43, 1000, ""), tmp_path)


def test_a_zombie_whose_other_threads_go_on_still_runs(tmp_path: Path) -> None:
    """It holds its ports until the last of them has ended."""
    write_process(tmp_path, 42, ticks=1000, state="Z", threads=2)
    assert is_running(ProcessRecord(42, 1000, ""), tmp_path)


def test_a_damaged_pid_file_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "etcd.json"
    path.write_text('{"pid": 1')
    assert read_record(path) is None
    path.write_text('{"pid": 1, "start_ticks": 2, "fingerprint": "x"}')
    assert read_record(path) == ProcessRecord(1, 2, "x")


def test_descendants_are_found_through_generations_and_others_are_left_alone() -> None:
    processes = {10: (1, "shim"), 11: (10, "pause"), 12: (11, "child"), 20: (1, "somebody's"), 21: (20, "else")}
    assert find_descendants([10], processes) == (11, 12)
