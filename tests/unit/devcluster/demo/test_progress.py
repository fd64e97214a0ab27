"""What the demo says of a build on its way, at its good end and at its bad one."""

from typing import Any

import pytest

from devcluster.demo.progress import follow, has_failed, read_progress, read_run_number, render_failure, render_line
from devcluster.errors import DevclusterError


def _resource(*conditions: tuple[str, str, str], phase: str = "Pending", generation: int = 1) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "demo", "generation": generation},
        "status": {
            "observedGeneration": 1,
            "phase": phase,
            "conditions": [
                {"type": kind, "status": status, "reason": reason, "message": f"{reason} told."}
                for kind, status, reason in conditions
            ],
            "run": {
                "number": 3,
                "builds": [{"podName": "web-r3", "failure": {"container": "source", "logTail": "one\ntwo"}}],
            },
        },
    }


BUILDING = (("Succeeded", "Unknown", "Building"), ("Completed", "False", "Building"))
GOOD = (("Succeeded", "True", "Succeeded"), ("Completed", "True", "Succeeded"))
BAD = (("Succeeded", "False", "RunFailed"), ("Completed", "True", "RunFailed"))


def test_a_resource_without_status_is_not_done() -> None:
    fresh = {"metadata": {"name": "web", "generation": 1}}
    progress = read_progress(fresh)
    assert (progress.phase, progress.is_done) == ("Waiting", False)
    assert read_run_number(fresh) == read_run_number(None) == 0


def test_the_end_of_an_older_spec_is_no_end() -> None:
    assert not read_progress(_resource(*GOOD, phase="Succeeded", generation=2)).is_done


def test_a_refused_spec_is_a_bad_end_even_after_a_good_run() -> None:
    progress = read_progress(_resource(*GOOD, ("SpecValid", "False", "SpecInvalid"), phase="Invalid"))
    assert (progress.is_done, progress.is_good, progress.reason) == (True, False, "SpecInvalid")


def test_a_line_names_build_phase_reason_and_message_in_columns() -> None:
    line = render_line("web", read_progress(_resource(*BUILDING)), elapsed_seconds=12.34, width=5)
    assert line == "  12.3 s  web    Pending    Building  Building told."


def test_a_good_end_is_one_short_line() -> None:
    line = render_line("web", read_progress(_resource(*GOOD, phase="Succeeded")), elapsed_seconds=1, width=3)
    assert line == "   1.0 s  web  Succeeded  Succeeded"


def test_a_failure_is_told_with_message_log_and_where_to_read_on() -> None:
    assert render_failure(_resource(*BAD, phase="Failed")).splitlines() == [
        "web failed: RunFailed",
        "  RunFailed told.",
        "  the log ends with:",
        "    one",
        "    two",
        "  whole log: kubectl logs --namespace demo web-r3 --container source",
    ]


def test_each_change_is_told_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devcluster.demo.progress._POLL_SECONDS", 0)
    states = iter((_resource(*BUILDING), _resource(*BUILDING), _resource(*GOOD, phase="Succeeded")))
    ended = follow(lambda: {"web": next(states)}, ["web"], known_runs={}, timeout_seconds=5)
    assert read_progress(ended["web"]).is_good
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[4] for line in lines] == ["Building", "Succeeded"]


def test_what_was_built_before_is_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    resource = _resource(*GOOD, phase="Succeeded")
    follow(lambda: {"web": resource}, ["web"], known_runs={"web": 3}, timeout_seconds=5)
    assert "already built in run 3; nothing to do" in capsys.readouterr().out


def test_a_rebuild_is_not_over_before_its_run_has_a_number_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devcluster.demo.progress._POLL_SECONDS", 0)
    old, new = _resource(*BAD, phase="Failed"), _resource(*GOOD, phase="Succeeded")
    new["status"]["run"]["number"] = 4
    assert has_failed(old)
    assert not has_failed(new)
    states = iter((old, new))
    ended = follow(lambda: {"web": next(states)}, ["web"], known_runs={"web": 3}, rebuilt=["web"], timeout_seconds=5)
    assert ended["web"] is new
    assert [line.split()[4] for line in capsys.readouterr().out.splitlines()] == ["NotSeenYet", "Succeeded"]


def test_a_failure_without_a_pod_names_no_log() -> None:
    resource = _resource(*BAD, phase="Failed")
    resource["status"]["run"]["builds"] = [{"podName": "web-r3"}]
    assert "kubectl logs" not in render_failure(resource)


def test_waiting_ends_with_what_is_waited_for() -> None:
    resource = _resource(("Succeeded", "Unknown", "SecretMissing"), ("Completed", "False", "SecretMissing"))
    with pytest.raises(DevclusterError, match="web: SecretMissing, SecretMissing told"):
        follow(lambda: {"web": resource}, ["web"], known_runs={}, timeout_seconds=-1)
