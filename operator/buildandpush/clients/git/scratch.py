"""Folders for the files of one question to a git server. Nothing stays of them, however the question ends.

The operator's volume for temporary files outlives its container, so what a killed process leaves there would add up.
"""

import asyncio
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path


class ScratchFolder:
    """A folder that is there within the `async with`."""

    async def __aenter__(self) -> Path:
        # Not in a thread: whoever is cancelled while he waits for that would never know the folder.
        self._path = Path(tempfile.mkdtemp(prefix=_prefix()))
        return self._path

    async def __aexit__(self, *_: object) -> None:
        remove = partial(shutil.rmtree, self._path, ignore_errors=True)
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, remove))


def remove_left() -> None:
    """Remove the folders of a former process of this number. In a container that is the operator that was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_prefix()}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _prefix() -> str:
    return f"git-{os.getpid()}-"
