"""A build whose pod lives: its state is reported, and the pod is given up or stopped."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import RunStatus
from buildandpush.core.build import failed, podended, progress, succeeded
from buildandpush.core.build.limits import GivingUp, find_limit, find_trouble
from buildandpush.core.build.podended import find_live_pod
from buildandpush.core.build.questions import AskLogin, AskPodEvents
from buildandpush.core.build.status import build_of, derive_needs, run_of
from buildandpush.core.build.waiting import WAIT
from buildandpush.core.build.world import Action, CancelPod, Decision, DeletePod, World, answer
from buildandpush.core.explain import describe
from buildandpush.core.facts import Waiting
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.pod.standstill import STANDS_STILL, Standstill, find_standstill, stands_since

RENEWAL_WAIT: Final = timedelta(seconds=30)
"""How long until a login that could not be renewed is tried again."""
SETTLES: Final = timedelta(seconds=2)
"""How long a new pod may take until it runs, before its status says that it was created. Times have a grain of 1 s."""
STOP_PATIENCE: Final = timedelta(seconds=120)
"""How long a kubelet may take to end a pod whose deadline was lowered."""

_SILENT: Final = frozenset({Reason.NODE_LOST, Reason.TIMED_OUT})
"""Reasons to give up a pod of which its kubelet does not tell how it stands."""
_STOP_DEADLINE_SECONDS: Final = 1


def watch(world: World, run: RunStatus, pod: PodObservation) -> Decision:
    """The pod lives. Report its state, and give it up if it cannot end by itself."""
    standstill = _find_standstill(world, pod)
    limit = find_limit(pod, run, world.settings, world.now, standstill)
    if limit is not None and limit[0] <= world.now:
        # A cache that lags behind may have it stand where it stood before it ended, or went on.
        live = find_live_pod(world, build_of(run))
        if live is None:
            return podended.lose(world, run)
        if live.ended:
            return podended.end(world, run, live)
        pod, limit = live, find_limit(live, run, world.settings, world.now, standstill)
    if limit is not None and limit[0] <= world.now:
        return _give_up(world, run, limit[1], pod)
    phase, reason, message = progress.describe_live_pod(
        pod, world.resource.owner.namespace, standstill, is_sent=bool(run.effective.upload)
    )
    settles_at = _settles_at(world, pod) if reason is Reason.POD_CREATED else None
    if settles_at is not None:
        return Decision(world.resource.status, wake_at=settles_at)
    decision = progress.progress(world, phase, reason, message, pod=pod)
    # The pod reads its login at the start and again before the push, which may be hours later. A login that cannot be
    # renewed now is no reason to end the build: its pod has a copy, and the next look tries again.
    renewal = AskLogin(derive_needs(run.effective), renewal=True)
    if renewal not in world.answers:
        return replace(decision, questions=frozenset({renewal}))
    login = answer(world, renewal)
    renew_at = world.now + RENEWAL_WAIT if isinstance(login, Waiting) else login.renew_at
    times = (limit and limit[0], renew_at, _next_look(world, pod))
    return replace(decision, wake_at=min((at for at in times if at is not None), default=None))


def _settles_at(world: World, pod: PodObservation) -> datetime | None:
    """When a pod that was created only just now is told of, if nothing has happened to it by then; None for any other.

    Most pods are on their way a moment later, and the status then says both at once: a status is the most expensive
    write of a build. Until then the pod itself is the record of it. A time in the future is another clock's.
    """
    if build_of(run_of(world)).pod_uid is not None or pod.created_at is None:
        return None
    is_new = pod.created_at - SETTLES <= world.now < pod.created_at + SETTLES
    return pod.created_at + SETTLES if is_new else None


def _find_standstill(world: World, pod: PodObservation) -> Standstill | None:
    """What keeps a pod from starting that has stood still for a while, where the pod itself does not say it."""
    since = stands_since(pod)
    if since is None or world.now < since + STANDS_STILL or find_trouble(pod) is not None:
        return None
    return find_standstill(pod, answer(world, AskPodEvents(pod.name, pod.uid)))


def _next_look(world: World, pod: PodObservation) -> datetime | None:
    """When the Events of a pod that stands still are read, for the first time or again."""
    since = stands_since(pod)
    if since is None or find_trouble(pod) is not None:
        return None
    first = since + STANDS_STILL
    return first if world.now < first else world.now + STANDS_STILL


def _give_up(world: World, run: RunStatus, giving_up: GivingUp, pod: PodObservation) -> Decision:
    """The pod has lived for too long. Where its kubelet is silent, the build may have ended well: the image says so."""
    pushed = podended.find_pushed_image(world, run) if giving_up.reason in _SILENT else None
    decision = failed.give_up(world, giving_up, pod) if pushed is None else succeeded.succeed_without_pod(world, pushed)
    removal = () if pod.deleting else (DeletePod(pod.name, pod.uid),)
    return replace(decision, actions=(*decision.actions, *removal))


def stop(world: World, run: RunStatus, pod: PodObservation | None) -> Decision:
    """End what is on its way, keeping its log where a kubelet can; the end of the pod ends the run."""
    cancelled = world.wish.is_cancelled
    pod = pod or find_live_pod(world, build_of(run))
    if pod is None:
        return podended.end_stopped(world)
    if pod.ended:
        return podended.end(world, run, pod)
    since = run.stopping_at or world.now
    overdue = world.now >= since + STOP_PATIENCE
    actions: tuple[Action, ...] = ()
    if not pod.deleting and (not pod.node or overdue):
        actions = (DeletePod(pod.name, pod.uid),)  # no kubelet is there to enforce a deadline
    elif not pod.deleting and pod.active_deadline_seconds != _STOP_DEADLINE_SECONDS:
        actions = (CancelPod(pod.name, pod.uid),)
    elif pod.deleting:
        limit = find_limit(pod, run, world.settings, world.now)
        if limit is not None and limit[0] <= world.now:
            live = find_live_pod(world, build_of(run))
            if live is not None and live.ended:
                return podended.end(world, run, live)
            return podended.end_stopped(world)
    reason, detail = Reason.CANCELLING if cancelled else Reason.SUPERSEDING, ""
    if world.obstacle is not None and actions:
        reason, detail = world.obstacle.reason, world.obstacle.message
    stopping = progress.note_stopping(world, since=since, cancelled=cancelled)
    decision = progress.progress(stopping, Phase.RUNNING, reason, describe(reason, detail), pod=pod)
    return replace(decision, actions=actions, wake_at=world.now + WAIT)
