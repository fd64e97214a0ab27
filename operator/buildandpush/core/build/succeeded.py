"""How a build ends well, as the status tells it, with what the registry says. `podended` calls it."""

from typing import Any, Final

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_MESSAGE, BuildStatus, RunStatus
from buildandpush.core.build.confirm import Confirmed
from buildandpush.core.build.status import announce, build_of, conditions_of, run_of, timings_of, with_source, written
from buildandpush.core.build.world import Decision, World
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.explain import describe
from buildandpush.core.facts import ReadBack
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.text import clean, clip


def succeed(
    world: World,
    pod: PodObservation,
    digest: str,
    confirmed: Confirmed,
    *,
    cache_trouble: str | None = None,
) -> Decision:
    """kaniko ended well with a digest that is confirmed."""
    run, conditions = run_of(world), conditions_of(world)
    _set_verified(conditions, build_of(run), digest, confirmed)
    _set_built(conditions, cache_trouble)
    updates = {
        "pod_uid": pod.uid,
        "started_at": pod.kaniko.started_at,
        "finished_at": pod.kaniko.finished_at or world.now,
        "timings": timings_of(run, pod),
        **describe_image(confirmed.read_back),
    }
    return _succeed(world, with_source(run, conditions, pod), conditions, digest, updates)


def succeed_without_pod(world: World, digest: str) -> Decision:
    """The pod is gone, but the label of the image in the registry names this run."""
    conditions = conditions_of(world)
    conditions.set(ConditionType.VERIFIED, "True", Reason.VERIFIED, describe(Reason.VERIFIED))
    _set_built(conditions, None)
    return _succeed(world, run_of(world), conditions, digest, {"finished_at": world.now})


def succeed_unpushed(world: World, pod: PodObservation) -> Decision:
    """kaniko ended well and was asked to push nothing: there is nothing to read back."""
    conditions = conditions_of(world)
    run = with_source(run_of(world), conditions, pod)
    reported = f"digest {pod.digest}" if pod.digest else ""
    message = describe(Reason.SUCCEEDED_WITHOUT_PUSH, reported)
    conditions.set(ConditionType.BUILT, "True", Reason.BUILT, describe(Reason.BUILT))
    conditions.set(ConditionType.SUCCEEDED, "True", Reason.SUCCEEDED_WITHOUT_PUSH, message)
    conditions.set(ConditionType.COMPLETED, "True", Reason.SUCCEEDED_WITHOUT_PUSH, message)
    ended = build_of(run).model_copy(
        update={
            "phase": Phase.SUCCEEDED,
            "reason": Reason.SUCCEEDED_WITHOUT_PUSH,
            "message": message,
            "pod_uid": pod.uid,
            "started_at": pod.kaniko.started_at,
            "finished_at": pod.kaniko.finished_at or world.now,
            "timings": timings_of(run, pod),
        }
    )
    status = written(world, run, ended, conditions, finished_at=world.now)
    return Decision(status, (announce(world, Reason.SUCCEEDED_WITHOUT_PUSH, message),))


def _succeed(
    world: World,
    run: RunStatus,
    conditions: ConditionSet,
    digest: str,
    updates: dict[str, Any],
) -> Decision:
    image = f"{run.effective.repository}@{digest}"
    build = build_of(run)
    message = f"Pushed {image} as {', '.join(build.tags)}."
    conditions.set(ConditionType.PUSHED, "True", Reason.PUSHED, describe(Reason.PUSHED))
    conditions.set(ConditionType.SUCCEEDED, "True", Reason.SUCCEEDED, message)
    conditions.set(ConditionType.COMPLETED, "True", Reason.SUCCEEDED, message)
    changes = {
        "phase": Phase.SUCCEEDED,
        "digest": digest,
        "image": image,
        "reason": Reason.SUCCEEDED,
        "read_back": None,
    }
    ended = build.model_copy(update={**updates, **changes, "message": clip(message, MAX_MESSAGE)})
    status = written(world, run, ended, conditions, finished_at=world.now)
    return Decision(status, (announce(world, Reason.SUCCEEDED, message),))


def _set_built(conditions: ConditionSet, cache_trouble: str | None) -> None:
    reason = Reason.BUILT if cache_trouble is None else Reason.CACHE_NOT_WRITTEN
    conditions.set(ConditionType.BUILT, "True", reason, describe(reason, cache_trouble or ""))


def _set_verified(conditions: ConditionSet, build: BuildStatus, digest: str, confirmed: Confirmed) -> None:
    read_back = confirmed.read_back
    if read_back.problem:
        message = describe(Reason.NOT_VERIFIABLE, read_back.problem)
        conditions.set(ConditionType.VERIFIED, "Unknown", Reason.NOT_VERIFIABLE, message)
        return
    moved = [tag for tag in build.tags if read_back.tags.get(tag) != digest]
    if moved:
        named = "; ".join(f"{tag} names {read_back.tags.get(tag) or 'nothing'}" for tag in moved)
        message = describe(Reason.TAG_MOVED, f"{named}; pushed was {digest}")
        conditions.set(ConditionType.VERIFIED, "False", Reason.TAG_MOVED, message)
    else:
        by = f"pod {confirmed.reader} has read it, since the operator could not" if confirmed.reader else ""
        conditions.set(ConditionType.VERIFIED, "True", Reason.VERIFIED, describe(Reason.VERIFIED, by))


_MAX_SIZE: Final = 2**63 - 1


_MAX_MEDIA_TYPE: Final = 128


_MAX_PLATFORM: Final = 64


def describe_image(read_back: ReadBack) -> dict[str, Any]:
    """Size, media type and platform; None for a value that is not valid. No decision depends on them."""
    size: Any = read_back.size_bytes
    fits = isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= _MAX_SIZE
    return {
        "size_bytes": size if fits else None,
        "media_type": _word(read_back.media_type, _MAX_MEDIA_TYPE),
        "platform": _word(read_back.platform, _MAX_PLATFORM),
    }


def _word(text: Any, longest: int) -> str | None:
    """The text if it has at most so many characters. A cut text would name something else."""
    return text if isinstance(text, str) and 0 < len(text) <= longest and clean(text) == text else None
