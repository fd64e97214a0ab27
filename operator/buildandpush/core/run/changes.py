"""What spec and annotations have come to say while a run is on its way."""

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import RunStatus
from buildandpush.core.build.planning import plan_run
from buildandpush.core.build.status import run_of, with_status
from buildandpush.core.build.world import Wish, World
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.run import acceptance
from buildandpush.core.run.builds import has_ended, single_out
from buildandpush.core.run.planning import plan_next
from buildandpush.core.run.status import is_observed
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.spechash import hash_spec


def find_wish(world: World, run: RunStatus) -> Wish:
    """What has become of the user's wish for a run that is on its way."""
    spec = find_newer_spec(world, run)
    return Wish(
        is_cancelled=bool(run.cancelled) or world.resource.cancel.strip() == str(run.number),
        # Not where the newer spec would wait, queued or suspended, anyway.
        is_replaced=run.stopping_at is not None
        or (spec is not None and spec.on_change != "Queue" and not spec.suspend),
        is_outdated=spec is not None,
    )


def find_newer_spec(world: World, run: RunStatus) -> BuildAndPushACRSpec | None:
    """The spec, if it is new and asks for another image than the one on its way, or for other pods where no node takes
    those that there are.

    A spec whose generation was observed and accepted never does, whatever its hash: an operator of another version may
    hash differently, and an upgrade rebuilds nothing.
    """
    if is_observed(world):
        return None
    try:
        spec = parse_spec(world.resource.spec)
        plan_next(world, spec, run.number + 1)
    except SpecInvalidError:
        return None
    return spec if hash_spec(spec) != run.spec_hash or _is_way_out(world, run, spec) else None


def _is_way_out(world: World, run: RunStatus, spec: BuildAndPushACRSpec) -> bool:
    """Whether the run waits for a node and nothing else. Whoever edits the spec then means to help it, such as by lower
    limits, and a pod that there is cannot take them over."""
    pods = [world.pods.get(build.pod_name) for build in run.builds if not has_ended(build)]
    waits = any(pod is not None and pod.unschedulable for pod in pods)
    works = any(pod is not None and pod.node for pod in pods)
    return waits and not works and spec.on_change != "Queue" and not spec.suspend


def observe_generation(world: World, run: RunStatus) -> World:
    """The world with a status that has taken notice of the current generation, unless that wants its own run."""
    if is_observed(world) or find_newer_spec(world, run):
        return world
    try:
        spec = parse_spec(world.resource.spec)
        for build in run.builds:
            if not has_ended(build):
                alone = single_out(world, run, build)
                plan_run(alone, spec, run_of(alone))
    except SpecInvalidError as error:
        return with_status(world, acceptance.reject(world, error, stuck=False).status)
    return with_status(world, acceptance.accept(world).status)
