"""How a fault is tried: builds in flight, the fault, its end, and then everything has to be as if nothing had been."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from buildandpush.api import meta
from tests.chaos.scene import Scene, is_over
from tests.e2e.harness.api import UNREACHED, Object
from tests.e2e.harness.build import Snapshot

SUCCEEDED: Final = "Succeeded"
_POLL_SECONDS: Final = 0.3
_MEETS_SECONDS: Final = 60

Inflict = Callable[[Scene], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """A row of the table: what breaks and heals, and which ends are right."""

    name: str
    inflict: Inflict
    """Breaks something when it is entered, and heals it when it is left, whatever happens in between."""
    lasts: float = 0
    """Seconds that the fault stays for, at least: a fault that builds tell of stays until one does. 0: what inflicts it
    waits for a condition itself."""
    attempts: int = 1
    """The most attempts that a build may need."""
    starts_within: bool = False
    """Whether half of the builds are created while the fault lasts, and not before it."""
    spoiled: Callable[[], Object] | None = None
    """The spec of a quarter of the builds, if that is what breaks something."""
    spoiled_end: str = SUCCEEDED
    """The reason that these builds end with."""
    tells: str = ""
    """The reason of an Event that builds must have, if the fault is one that they see."""
    within: float = 300
    """Seconds after which everything has to be right again."""
    brief: bool = False
    """Whether `make test` tries it too."""


@dataclass(frozen=True)
class Outcome:
    """What became of the builds."""

    fault: str
    in_flight: int
    """Builds that had not ended when the fault began."""
    lost: int
    """Builds that did not end in time, or not as they should."""
    doubled: int
    """Builds that pushed a tag twice, or had two pods for one attempt."""
    recover_s: float
    """Seconds from the end of the fault until everything was right."""
    why: dict[str, str] = field(default_factory=dict)
    """What is wrong, by build."""

    def row(self) -> dict[str, Any]:
        """The figures alone."""
        return {name: value for name, value in asdict(self).items() if name != "why"}


def drill(fault: Fault, scene: Scene, builds: int) -> Outcome:
    """Try a fault while so many builds are in flight."""
    waiting, rest = builds - builds // 2, builds // 2
    spoiled = _start(fault, scene, waiting, gated=True)
    scene.wait_running()
    if not fault.starts_within:
        spoiled |= _start(fault, scene, rest, gated=False)
    in_flight = len(scene.in_flight()) + (rest if fault.starts_within else 0)
    try:
        with fault.inflict(scene):
            if fault.starts_within:
                spoiled |= _start(fault, scene, rest, gated=False)
            scene.gate.open()
            time.sleep(fault.lasts)  # the length of an outage, and no wait for anything
            if fault.lasts and fault.tells:
                _wait_told(fault.tells, scene)
    finally:
        scene.gate.open()
    healed = time.monotonic()
    why = _wait_right(fault, scene, spoiled, deadline=healed + fault.within)
    recovered = time.monotonic() - healed
    doubled = find_doubled(scene)
    return Outcome(fault.name, in_flight, len(why), len(doubled), round(recovered, 1), why | doubled)


def _wait_told(reason: str, scene: Scene) -> None:
    """Wait until a build tells of the fault: on a busy machine none may have come so far yet. If none does, the test
    says so."""
    deadline = time.monotonic() + _MEETS_SECONDS
    while time.monotonic() < deadline:
        with suppress(*UNREACHED):
            if reason in scene.told():
                return
        time.sleep(_POLL_SECONDS)


def _start(fault: Fault, scene: Scene, count: int, *, gated: bool) -> set[str]:
    """Create builds, half of those without a gate with what spoils them. Gives back the spoiled ones."""
    if fault.spoiled is None or gated:
        scene.start(count, gated=gated)
        return set()
    spoiled = scene.start((count + 1) // 2, **fault.spoiled())
    scene.start(count // 2)
    return set(spoiled)


def _wait_right(fault: Fault, scene: Scene, spoiled: set[str], *, deadline: float) -> dict[str, str]:
    """Wait until all builds have ended, or the time is up. Gives back what is wrong then."""
    while True:
        try:
            now = scene.builds()
            running = [name for name in scene.names if not is_over(now.get(name))]
            wrong = {name: f"has not ended: {now.get(name)}" for name in running}
            if not running:
                return _find_wrong(fault, scene, spoiled, now)
        except UNREACHED as error:
            wrong = {"all": f"the API server does not answer: {error}"}
        if time.monotonic() > deadline:
            return wrong
        time.sleep(_POLL_SECONDS)


def _find_wrong(fault: Fault, scene: Scene, spoiled: set[str], now: dict[str, Snapshot]) -> dict[str, str]:
    """What is wrong with builds that have ended."""
    pushes = scene.pushes()
    pods = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in scene.pods()}
    found: dict[str, str] = {}
    for name, ended in now.items():
        end = fault.spoiled_end if name in spoiled else SUCCEEDED
        problem = _end_problem(fault, end, ended, pods) or (
            _push_problem(scene, name, ended, pushes) if end == SUCCEEDED else ""
        )
        found |= {name: problem} if problem else {}
    return found


def _end_problem(fault: Fault, end: str, ended: Snapshot, pods: dict[str, str]) -> str:
    build = ended.build
    if ended.told("Ready")[1] != end or ended.run.get("number") != 1:
        return f"should end with {end}: {ended}"
    if build["attempt"] > fault.attempts:
        return f"took {build['attempt']} attempts: {ended}"
    if pods.get(build["podName"], build["podUid"]) != build["podUid"]:
        return f"its pod {build['podName']} is another one than the status tells"
    return ""


def _push_problem(scene: Scene, name: str, ended: Snapshot, pushes: Counter[str]) -> str:
    for tag in ended.build["tags"]:
        digest = scene.registry.digest(ended.run["effective"]["repository"], tag)
        if digest is None or digest != ended.status.get("digest"):
            return f"the registry has {digest} under {tag}, the status says {ended.status.get('digest')}"
        if not pushes[f"{name}/{tag}"]:
            return f"nobody saw it push {tag}"
    return ""


def find_doubled(scene: Scene) -> dict[str, str]:
    """Builds that pushed a tag more than once, or that have two pods for an attempt."""
    found = {
        place.split("/")[0]: f"pushed {place} {count} times" for place, count in scene.pushes().items() if count > 1
    }
    attempts = Counter(
        (labels[meta.LABEL_NAME], labels[meta.LABEL_RUN], labels[meta.LABEL_ATTEMPT])
        for labels in (pod["metadata"]["labels"] for pod in scene.pods())
    )
    return found | {name: f"has {count} pods for one attempt" for (name, _, _), count in attempts.items() if count > 1}
