"""Questions that several ask at the same time, such as all builds of a burst, are asked once for all of them.

No answer is older than its question: whoever comes while one is being asked waits for the next, which begins when that
one has its answer. So a change that somebody has made before a build is seen by this build.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Shared(Generic[K, V]):
    """Answers by their questions. An error is the answer to all who share it. Whoever is cancelled leaves the others
    alone."""

    def __init__(self) -> None:
        self._asked: dict[K, asyncio.Task[V]] = {}
        self._next: dict[K, asyncio.Task[V]] = {}
        """Those that begin once the one of the same question has ended."""

    async def ask(self, question: K, find: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The answer that `find` gives after this call. It must be the same for all who ask the same question."""
        before = self._asked.get(question)
        found = self._next.get(question)
        if before is None:
            found = self._asked[question] = self._begin(question, find())
        elif found is None:
            found = self._next[question] = self._begin(question, _find_after(before, find))
        return await asyncio.shield(found)

    def _begin(self, question: K, work: Coroutine[Any, Any, V]) -> asyncio.Task[V]:
        task = asyncio.create_task(work)
        # Not at the end of the work itself: a task that is cancelled early does none.
        task.add_done_callback(partial(self._end, question))
        return task

    def _end(self, question: K, task: asyncio.Task[V]) -> None:
        if not task.cancelled():
            task.exception()  # of those who asked, perhaps nobody waits any more
        if self._next.get(question) is task:
            del self._next[question]
        elif question in self._next:
            self._asked[question] = self._next.pop(question)
        else:
            self._asked.pop(question, None)

    def __len__(self) -> int:
        return len(self._asked)


async def _find_after(before: asyncio.Task[V], find: Callable[[], Coroutine[Any, Any, V]]) -> V:
    await asyncio.wait([before])
    return await find()
