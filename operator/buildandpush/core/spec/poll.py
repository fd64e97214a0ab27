"""How often the operator looks for a new commit, which commits count, and when its looks are due."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from buildandpush.api.sources.git import GitSource
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.paths import resolve_path
from buildandpush.core.spec.quantity import parse_duration_seconds

DEFAULT_SECONDS: Final = 300
MIN_SECONDS: Final = 30
_BEGINNING: Final = datetime(2020, 1, 1, tzinfo=UTC)
_SPREAD: Final = 10
"""Resources that poll the same revision are looked at within this part of the interval, and share one answer."""
_CATCH_UP: Final = timedelta(minutes=1)
"""A look that is overdue by no more than that is made up for by an operator that has just started."""


@dataclass(frozen=True)
class PollPlan:
    """What `source.git.poll` asks for."""

    interval: timedelta
    paths: tuple[str, ...] = ()
    """Files and folders of which a commit has to change one; empty for all commits."""


@dataclass(frozen=True)
class Look:
    """The last look at a revision that was due, and the next."""

    since: datetime
    """An answer from this time or later is good enough."""
    next_at: datetime
    is_recent: bool
    """Whether it became due just now, and not long before."""


def plan_poll(git: GitSource | None) -> PollPlan | None:
    """The plan; None for a source that is not polled. Raises SpecInvalidError."""
    if git is None or git.poll is None:
        return None
    seconds = DEFAULT_SECONDS
    if git.poll.interval and git.poll.interval.strip():
        seconds = parse_duration_seconds("source.git.poll.interval", git.poll.interval)
    if seconds < MIN_SECONDS:
        raise SpecInvalidError(
            "source.git.poll.interval",
            f"{git.poll.interval!r} is less than {MIN_SECONDS}s; write {MIN_SECONDS}s or more",
        )
    paths = tuple(dict.fromkeys(_check_path(path) for path in git.poll.paths or ()))
    return PollPlan(timedelta(seconds=seconds), paths)


def _check_path(path: str) -> str:
    field = "source.git.poll.paths"
    plain = resolve_path(field, path.rstrip("/") or "/")
    if plain == ".":
        raise SpecInvalidError(field, f"{path!r} is the whole repository; leave paths out, and every commit counts")
    if any(sign in plain for sign in "*?["):
        raise SpecInvalidError(field, f"{path!r} looks like a pattern; write a plain path, such as services/web")
    return plain


def find_look(plan: PollPlan, git: GitSource, uid: str, now: datetime) -> Look:
    """The looks of a resource with this uid around a time.

    Looks are due at fixed times, which follow from the repository, the revision and the interval. So a restart of the
    operator moves none, resources with the same revision look at about the same time, and others at other times.
    """
    interval = plan.interval
    phase = _part(f"{git.url}\n{git.revision}", interval)
    own = _part(uid, interval / _SPREAD)
    since = now - own - (now - own - _BEGINNING - phase) % interval
    due = since + own
    return Look(since, due + interval, now - due <= max(_CATCH_UP, interval / _SPREAD))


def _part(text: str, whole: timedelta) -> timedelta:
    """A part of a span that follows from the text, in whole seconds."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return timedelta(seconds=number % max(int(whole.total_seconds()), 1))
