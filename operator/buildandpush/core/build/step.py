"""The next step of one build: create its pod, watch it, give it up, stop it, or take its end."""

from buildandpush.core.build import podended
from buildandpush.core.build.create import create
from buildandpush.core.build.podended import find_live_pod, is_made_for
from buildandpush.core.build.status import build_of, run_of
from buildandpush.core.build.watch import stop, watch
from buildandpush.core.build.world import Decision, World


def step(world: World) -> Decision:
    """The next step in the world of one build, whose run has this build alone.

    The decision's status speaks of that build. Where its run has an end, the build's way has ended. Raises AskedError
    for a fact that is not among the answers, HeldError for one that the API server refuses, RejectedError, and
    RenumberedError.
    """
    run = run_of(world)
    build = build_of(run)
    pod = world.pods.get(build.pod_name)
    if pod is not None and not is_made_for(run, build, pod):
        pod = None
    if pod is None and (build.pod_uid is not None or build.pod_name in world.made):
        # The cache may lag or have lost it; only the API server's own word counts for a loss.
        pod = find_live_pod(world, build)
        if pod is None:
            return podended.lose(world, run)
    if pod is not None and pod.ended:
        return podended.end(world, run, pod)
    if world.wish.is_cancelled or world.wish.is_replaced:
        return stop(world, run, pod)
    return create(world, run, build) if pod is None else watch(world, run, pod)
