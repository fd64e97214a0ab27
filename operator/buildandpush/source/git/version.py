"""Checks git when the operator's image is built: `python3 -m buildandpush.source.git.version`."""

import re
import subprocess
import sys
from typing import Final

OLDEST: Final = (2, 37)
"""The first git that knows http.curloptResolve. An older one ignores it without a word.
https://github.com/git/git/blob/master/Documentation/RelNotes/2.37.0.txt"""

_VERSION: Final = re.compile(r"git version ([0-9]{1,4})[.]([0-9]{1,4})\b")


def find_flaw(told: str) -> str | None:
    """Why builds must not fetch with the git that tells this of itself; None if they may."""
    found = _VERSION.match(told)
    wanted = ".".join(map(str, OLDEST))
    if found is None:
        return f"git --version says {told[:80].strip()!r}, which names no version; git {wanted} or later is needed"
    if (int(found[1]), int(found[2])) >= OLDEST:
        return None
    return (
        f"git {found[1]}.{found[2]} is too old: it ignores http.curloptResolve, so it would fetch sources from "
        f"addresses that nobody has checked. Choose a BASE_IMAGE with git {wanted} or later, or one without git"
    )


def main() -> int:
    """0 if git can be used; 1 with a sentence if not."""
    try:
        told = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        flaw: str | None = f"git cannot be run: {error}"
    else:
        flaw = find_flaw(told)
    if flaw:
        print(f"The image cannot be built: {flaw}.", file=sys.stderr)
    return 1 if flaw else 0


if __name__ == "__main__":
    sys.exit(main())
