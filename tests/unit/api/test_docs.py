"""The generated pages: complete, and held up to date."""

from pathlib import Path

import pytest

from buildandpush.api.docs import main, render_files
from buildandpush.api.reasons import Reason

ROOT = Path(__file__).resolve().parents[3]


def test_every_reason_has_its_row() -> None:
    rows = [line for line in render_files()["reasons.md"].splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [str(reason) for reason in Reason]


def test_the_page_in_the_repository_is_up_to_date() -> None:
    assert main(["--check", str(ROOT / "docs")]) == 0


def test_a_stale_page_is_named_and_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(tmp_path)]) == 1
    assert "reasons.md; run: make docs" in capsys.readouterr().err
    assert main(["--write", str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
