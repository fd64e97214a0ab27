"""What the builds of a run come to: one phase, reason and message for all of them."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_MESSAGE, BuildStatus, RunStatus
from buildandpush.core.explain import describe
from buildandpush.core.run.builds import begin_with, has_ended, name_build
from buildandpush.core.text import clip

_WORST_FIRST: Final = (Phase.SUPERSEDED, Phase.CANCELLED, Phase.FAILED, Phase.IGNORED, Phase.SUCCEEDED)
"""The phase of an ended run is the first of these that one of its builds has."""
_WORDS: Final = {
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.IGNORED: "failed and are ignored",
    Phase.CANCELLED: "were cancelled",
    Phase.SUPERSEDED: "gave way to a newer spec",
    Phase.RUNNING: "run",
}


@dataclass(frozen=True)
class Outcome:
    """The state of a run in the words that a build has for its own."""

    phase: str
    reason: str | None
    message: str


def outcome_of(run: RunStatus) -> Outcome:
    """The state of a run. That of a run with one build is its build's."""
    builds = run.builds
    if len(builds) == 1:
        return Outcome(builds[0].phase, builds[0].reason, builds[0].message or "")
    return _tell_end(builds) if all(has_ended(build) for build in builds) else _tell_way(builds)


def failed_builds(run: RunStatus) -> list[BuildStatus]:
    """The builds of the run that failed."""
    return [build for build in run.builds if build.phase == Phase.FAILED]


def _tell_way(builds: list[BuildStatus]) -> Outcome:
    """Some builds are on their way. The first of these that tells something speaks for the run."""
    going = [build for build in builds if not has_ended(build)]
    telling = [build for build in going if build.reason not in (None, Reason.QUEUED)]
    first = (telling or going)[0]
    phase = Phase.RUNNING if any(build.phase == Phase.RUNNING for build in going) else Phase.PENDING
    message = f"{_count(builds)} {begin_with(first)}: {first.message or describe(Reason.ACCEPTED)}"
    return Outcome(phase, first.reason or Reason.ACCEPTED, clip(message, MAX_MESSAGE))


def _tell_end(builds: list[BuildStatus]) -> Outcome:
    """All builds have ended."""
    phase = next(phase for phase in _WORST_FIRST if any(build.phase == phase for build in builds))
    if phase in (Phase.SUPERSEDED, Phase.CANCELLED):
        reason = Reason.SUPERSEDED if phase == Phase.SUPERSEDED else Reason.CANCELLED
        return Outcome(phase, reason, clip(f"{describe(reason)} {_count(builds)}", MAX_MESSAGE))
    if phase == Phase.SUCCEEDED:
        unpushed = all(build.digest is None for build in builds)
        reason = Reason.SUCCEEDED_WITHOUT_PUSH if unpushed else Reason.SUCCEEDED
        return Outcome(phase, reason, f"All {len(builds)} builds succeeded.")
    bad = [build for build in builds if build.phase == phase]
    causes = "; ".join(f"{name_build(build)}: {build.reason}" for build in bad)
    return Outcome(phase, Reason.BUILDS_FAILED, clip(describe(Reason.BUILDS_FAILED, causes), MAX_MESSAGE))


def _count(builds: list[BuildStatus]) -> str:
    """How many builds are where, in one sentence."""
    counted = Counter(build.phase for build in builds)
    told = [f"{counted[phase]} {word}" for phase, word in _WORDS.items() if counted[phase]]
    waiting = len(builds) - sum(counted[phase] for phase in _WORDS)
    told += [f"{waiting} wait"] if waiting else []
    return f"Of {len(builds)} builds, {', '.join(told)}."
