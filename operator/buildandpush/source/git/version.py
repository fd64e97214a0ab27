"""Checks git and ssh when the operator's image is built: `python3 -m buildandpush.source.git.version`."""

import ctypes
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Final

OLDEST: Final = (2, 37)
"""The first git that knows http.curloptResolve. An older one ignores it without a word.
https://github.com/git/git/blob/master/Documentation/RelNotes/2.37.0.txt"""

OLDEST_SSH: Final = (8, 4)
"""The first OpenSSH that asks SSH_ASKPASS for a passphrase without a display: https://www.openssh.com/txt/release-8.4"""

_VERSION: Final = re.compile(r"git version ([0-9]{1,4})[.]([0-9]{1,4})\b")
_SSH_VERSION: Final = re.compile(r"OpenSSH_([0-9]{1,4})[.]([0-9]{1,4})")


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


def find_ssh_flaw(told: str) -> str | None:
    """The same of ssh."""
    found = _SSH_VERSION.match(told)
    wanted = ".".join(map(str, OLDEST_SSH))
    if found is None or (int(found[1]), int(found[2])) < OLDEST_SSH:
        return f"ssh -V says {told[:80].strip()!r}; OpenSSH {wanted} or later is needed"
    return None


def find_wrapper_flaw(library: str = "libnss_wrapper.so") -> str | None:
    """Why ssh would not run for a user without a name; None if it would."""
    try:
        ctypes.CDLL(library)
    except OSError as error:
        return f"ssh runs for any user only with nss_wrapper, which is missing ({error}); install libnss-wrapper"
    return None


def _ask(find: Callable[[str], str | None], *command: str) -> str | None:
    """The flaw in what a program says of itself; None if there is none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"{command[0]} cannot be run: {error}"
    return find(done.stdout or done.stderr)


def main() -> int:
    """0 if git and ssh can be used; 1 with a sentence if not."""
    flaw = _ask(find_flaw, "git", "--version") or _ask(find_ssh_flaw, "ssh", "-V") or find_wrapper_flaw()
    if flaw:
        print(f"The image cannot be built: {flaw}.", file=sys.stderr)
    return 1 if flaw else 0


if __name__ == "__main__":
    sys.exit(main())
