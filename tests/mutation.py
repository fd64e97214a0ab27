"""Reads what mutmut found: the share of changes that the tests noticed, by module, worst first.

It is also the plugin of pytest that mutmut's runs need.
"""

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

_SURVIVED, _UNTESTED = 0, 33
"""mutmut's codes: the tests passed all the same; no test reaches the place."""
_NOT_RUN = 4
"""pytest ran no test, since it does not know the name of one of them."""


def pytest_configure() -> None:
    """Make room for mutmut, which puts two calls of its own before each."""
    sys.setrecursionlimit(3 * sys.getrecursionlimit())


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have the names of tests made anew. mutmut collects the tests several times in one process, and pytest escapes a
    name that it has kept, which it has escaped before: nobody would know a name of the first time."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        if mark._param_ids_from is not None:
            object.__setattr__(mark._param_ids_from, "_param_ids_generated", None)


def pytest_sessionfinish(exitstatus: int) -> None:
    """Tell a run that could not begin from tests that notice a change: mutmut takes both for the same."""
    if exitstatus == pytest.ExitCode.USAGE_ERROR and "__mutmut_" in os.environ.get("MUTANT_UNDER_TEST", ""):
        os._exit(_NOT_RUN)


def count(folder: Path) -> dict[str, Counter[str]]:
    """Killed and surviving changes by module; raises ValueError where a change was not tried."""
    found: dict[str, Counter[str]] = {}
    for path in sorted(folder.rglob("*.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"].values()
        if None in codes:
            raise ValueError(f"{path} was not tried to its end; run `make mutation` again")
        if _NOT_RUN in codes:
            raise ValueError(f"{path} has changes that no test ran for: pytest did not know a test by its name")
        alive = sum(code in (_SURVIVED, _UNTESTED) for code in codes)
        found[path.name.removesuffix(".py.meta")] = Counter(killed=len(codes) - alive, survived=alive)
    return found


def main() -> int:
    """Print the table; fail below the wanted share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--at-least", type=float, default=0.0, metavar="PERCENT")
    wanted = parser.parse_args()
    modules = count(wanted.folder)
    for name, numbers in sorted(modules.items(), key=lambda item: -item[1]["survived"]):
        print(f"{name:<16} {numbers['killed']:>5} killed {numbers['survived']:>5} survived")
    killed = sum(numbers["killed"] for numbers in modules.values())
    total = sum(numbers.total() for numbers in modules.values())
    score = 100 * killed / total if total else 0.0
    print(f"{killed} of {total} killed: {score:.1f} %; wanted: {wanted.at_least:g} %")
    return 0 if score >= wanted.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
