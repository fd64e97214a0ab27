"""A build that cannot go on now: its status says for what it waits, and it is looked at again later."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.core.backoff import slow_down
from buildandpush.core.build import progress
from buildandpush.core.build.status import announce, build_of, is_news, run_of
from buildandpush.core.build.world import Action, Decision, World
from buildandpush.core.explain import describe_meanwhile
from buildandpush.core.facts import Waiting

WAIT: Final = timedelta(seconds=10)
"""How long until something that is missing is looked for again."""
LONGEST_WAIT: Final = timedelta(minutes=5)
"""The same where it has been missing for long."""


def look_again(world: World) -> datetime:
    """When to look again at what no event tells of, or what an event tells of that may be lost: later and later."""
    return world.now + slow_down(world.now - (world.unchanged_since or world.now), WAIT, LONGEST_WAIT)


def wait(world: World, reason: Reason, message: str, remedy: str = "") -> Decision:
    """The build has no pod yet, and waits for something that the pod needs."""
    text = describe_meanwhile(reason, message, remedy)
    decision = progress.progress(world, Phase.PENDING, reason, text)
    actions: tuple[Action, ...] = (announce(world, reason, text),) if is_news(world, reason) else ()
    run = run_of(world)
    waited = world.now - (build_of(run).next_attempt_at or run.started_at)
    return replace(decision, actions=actions, wake_at=world.now + slow_down(waited, WAIT, LONGEST_WAIT))


def hold(world: World, waiting: Waiting) -> Decision:
    """A fact that the next step needs is not told now. The status says so, and the run goes on later."""
    told = describe_meanwhile(waiting.reason, waiting.message, waiting.remedy)
    decision = progress.progress(world, Phase(build_of(run_of(world)).phase), waiting.reason, told)
    actions = (announce(world, waiting.reason, told),) if is_news(world, waiting.reason) else ()
    return replace(decision, actions=actions, wake_at=look_again(world))
