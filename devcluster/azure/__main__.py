"""Starts the emulated Azure: `python -m devcluster.azure CONFIG.json`."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from devcluster.azure.server import Azure, read_config


async def _run(path: Path) -> None:
    task = asyncio.ensure_future(Azure(read_config(path)).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
