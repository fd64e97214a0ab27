"""Reads what mutmut found: the share of changes that the tests noticed, by module, worst first.

It is also the plugin of pytest that mutmut's runs need.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

_SURVIVED, _UNTESTED = 0, 33
"""mutmut's codes: the tests passed all the same; no test reaches the place."""


def pytest_configure() -> None:
    """Make room for mutmut, which puts two calls of its own before each."""
    sys.setrecursionlimit(3 * sys.getrecursionlimit())


def count(folder: Path) -> dict[str, Counter[str]]:
    """Killed and surviving changes by module; raises ValueError where a change was never tried."""
    found: dict[str, Counter[str]] = {}
    for path in sorted(folder.rglob("*.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"].values()
        if None in codes:
            raise ValueError(f"{path} was not tried to its end; run `make mutation` again")
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
