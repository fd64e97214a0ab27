"""A pause that an event cuts short."""

import asyncio


async def pause(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, at most this long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
