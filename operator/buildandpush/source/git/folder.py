"""What the checked-out repository's .git folder tells, and its removal."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

_SUBMODULE: Final = "160000"
"""The mode of a submodule in git's index: https://git-scm.com/docs/git-ls-files#_output"""


def list_links(root: Path) -> list[tuple[str, str]]:
    """Where another repository would be checked out: the path, relative to the root, and the commit."""
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "ls-files", "--stage", "-z"],
        cwd=root,
        env={"PATH": os.environ.get("PATH", ""), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    entries = (entry.partition("\t") for entry in os.fsdecode(done.stdout).split("\0"))
    return [(path, told.split()[1]) for told, _, path in entries if told.startswith(f"{_SUBMODULE} ")]


def remove_git_folder(root: Path) -> None:
    """Take the history away: it differs at each fetch, so no layer would be found in a cache, and it is in no image
    that its owner expects."""
    shutil.rmtree(root / ".git", ignore_errors=True)
