"""Which findings end a run, which are told, and how."""

import pytest

from buildandpush.api.dockerfilechecks import CHECKS, Level
from buildandpush.source.dockerfile.finding import Finding
from buildandpush.source.dockerfile.judge import MAX_LINES, judge

ESCAPE = Finding("copy-escape", 2, "COPY ../x")
CHECKSUM = Finding("add-checksum", 3, "ADD --checksum")
VOLUME = Finding("volume", 4, "RUN /v")


@pytest.mark.proves("dockerfileChecks")
@pytest.mark.parametrize(
    ("mode", "refused", "told"),
    [
        ("", {2, 3}, {4}),
        ("Refuse", {2, 3, 4}, set()),
        ("Warn", {2}, {3, 4}),
        ("Off", {2}, set()),
    ],
)
def test_the_spec_says_what_ends_the_run(mode: str, refused: set[int], told: set[int]) -> None:
    verdict = judge([ESCAPE, CHECKSUM, VOLUME], mode)

    def lines(words: tuple[str, ...]) -> set[int]:
        return {int(word.split(":")[0].removeprefix("line ")) for word in words}

    assert (lines(verdict.refusals), lines(verdict.warnings)) == (refused, told)


@pytest.mark.parametrize("mode", ["", "Refuse", "Warn", "Off"])
def test_nothing_found_is_nothing_told(mode: str) -> None:
    verdict = judge([], mode)
    assert (verdict.refusals, verdict.warnings, verdict.about_source) == ((), (), False)


def test_a_line_says_where_what_and_what_to_write_instead() -> None:
    (line,) = judge([CHECKSUM], "").refusals
    where, instead = line.split("; ")
    assert where == "line 3: ADD --checksum: kaniko adds the download without a check"
    assert instead == "check the file with sha256sum -c in a RUN line"


def test_what_is_known_better_than_by_the_table_is_told_instead() -> None:
    (line,) = judge([Finding("stage-name", 5, "COPY --from=biuld", "write --from=build")], "").refusals
    assert line.startswith("line 5: COPY --from=biuld: there is no such stage")
    assert line.endswith("; write --from=build")


def test_one_kind_is_one_line() -> None:
    found = [Finding("exclude", line, "COPY --exclude") for line in (3, 9, 9, 12)]
    (line,) = judge(found, "").refusals
    assert line.startswith("line 3: COPY --exclude (and 2 more lines): ")


@pytest.mark.parametrize("mode", ["Warn", "Refuse"])
def test_there_are_few_lines(mode: str) -> None:
    found = [Finding(check, 1, "X") for check, row in CHECKS.items() if row.level is not Level.ALWAYS]
    verdict = judge(found, mode)
    lines = verdict.refusals if mode == "Refuse" else verdict.warnings
    assert len(lines) == (3 if mode == "Refuse" else MAX_LINES)
    assert lines[-1] == f"and {len(found) - len(lines) + 1} more kinds of difference"


def test_a_trigger_for_later_builds_is_told_and_ends_no_run_by_itself() -> None:
    later = Finding("add-checksum", 3, "ADD --checksum", later=True)
    assert judge([later], "").warnings[0].startswith("line 3: ONBUILD ADD --checksum: ")
    assert judge([later], "Refuse").refusals
    assert judge([later, CHECKSUM], "").refusals


def test_a_long_word_is_cut_and_a_login_is_hidden() -> None:
    long = judge([Finding("add-git", 1, "ADD " + "x" * 5000)], "").refusals[0]
    assert len(long) < 220
    secret = judge([Finding("add-git", 1, "ADD https://user:hunter2@h.test/a.git")], "").refusals[0]
    assert "hunter2" not in secret
    assert "https://***@h.test/a.git" in secret


def test_a_refusal_is_about_the_source_where_all_are() -> None:
    lfs = Finding("lfs", 2, "weights.bin")
    assert judge([lfs, Finding("submodule", 2, "lib")], "").about_source
    assert not judge([lfs, CHECKSUM], "").about_source
    assert not judge([CHECKSUM], "").about_source
