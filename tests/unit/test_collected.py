"""Every file with tests is run. pytest leaves out folders with some names, such as `build`, and says nothing of it."""

from fnmatch import fnmatch
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def test_pytest_looks_into_every_folder_with_tests(pytestconfig: pytest.Config) -> None:
    left_out = pytestconfig.getini("norecursedirs")
    assert left_out, "pytest no longer calls its setting so"
    folders = {folder for file in TESTS.rglob("test_*.py") for folder in file.relative_to(TESTS).parent.parts}
    assert len(folders) > 20
    assert [name for name in sorted(folders) if any(fnmatch(name, pattern) for pattern in left_out)] == []
