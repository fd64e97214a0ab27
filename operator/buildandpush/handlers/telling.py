"""What is written for people to read, and when: Events, each once, and the progress of builds."""

from datetime import datetime, timedelta
from typing import Final

from buildandpush.clients.recent import Recent
from buildandpush.core.build.world import Announce, Decision, Resource, World
from buildandpush.core.facts import Owner
from buildandpush.core.run.status import announce_end
from buildandpush.core.run.underway import tells_only_progress
from buildandpush.handlers.announcements import Tell
from buildandpush.handlers.objects import Key
from buildandpush.handlers.progress import Progress

_TELL_AGAIN: Final = timedelta(minutes=10)
"""How long after a run's end a process that did not see it makes sure that it was told."""


class Telling:
    """What one process of the operator has told."""

    def __init__(self, write: Tell, progress: Progress) -> None:
        """`write` has an Event written. `progress` says how soon the status of a build on its way is written."""
        self._write = write
        self._progress = progress
        self._announced: Recent[tuple[str, str, str], bool] = Recent()
        """Events that this process has written: by uid of the resource, what they are about, and reason."""
        self._ends: dict[Key, tuple[str, int]] = {}
        """Whose end, by uid and number of the run, this process has told last."""

    async def announce(self, owner: Owner, action: Announce, now: datetime) -> None:
        """Have an Event written, unless this process has done so already: the API server would refuse it."""
        about = (owner.uid, action.key, action.reason)
        if not self._announced.get(about):
            self._announced.put(about, True)
            await self._write(owner, action, now)

    def note_end(self, key: Key, resource: Resource, decision: Decision) -> None:
        """The actions of a decision announce an end that was decided here."""
        before, after = resource.status.run, decision.status.run
        if after is not None and after.finished_at is not None and before != after:
            self._ends[key] = (resource.owner.uid, after.number)

    async def tell_end(self, key: Key, world: World) -> None:
        """Announce a run's end again if another process may have died between its status and its Event. An Event's name
        says what it is about, so a second announcement makes no second Event."""
        event, run, owner = announce_end(world), world.resource.status.run, world.resource.owner
        if event is None or run is None or run.finished_at is None:
            return
        known, self._ends[key] = self._ends.get(key), (owner.uid, run.number)
        if known != self._ends[key] and world.now - run.finished_at < _TELL_AGAIN:
            await self._write(owner, event, world.now)

    def find_wait(self, key: Key, resource: Resource, decision: Decision) -> float:
        """Seconds that the status of a decision may wait to be written; 0 for one that may not. An action has to have
        its status before it."""
        before, after = resource.status, decision.status
        if after != before and not decision.actions and tells_only_progress(before, after):
            return self._progress.find_wait(key)
        self._progress.forget(key)
        return 0.0

    def find_rest(self, key: Key, decision: Decision) -> timedelta:
        """How long the one build of a run, whose pod was just made, needs no look if its pod gets on without trouble.

        Of several builds one may go on with what the pod of another says.
        """
        run = decision.status.run
        if run is None or run.effective.upload:  # somebody waits for the words that tell how to upload
            return timedelta()
        return timedelta(seconds=self._progress.reserve(key))

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._ends.pop(key, None)
        self._progress.forget(key)
