"""What others know about a failed attempt: the kubelet about a pod that never started, the registry about tags."""

from dataclasses import replace

from buildandpush.api.reasons import Reason
from buildandpush.core.explain import describe
from buildandpush.core.pod.failure import FailureVerdict
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.pod.standstill import find_standstill
from buildandpush.core.run.questions import AskPodEvents
from buildandpush.core.run.world import World, answer


def explain_start(world: World, verdict: FailureVerdict, pod: PodObservation) -> FailureVerdict:
    """The time of a pod ran out before any of its containers ran. This is not the spec's fault."""
    if verdict.reason is not Reason.TIMED_OUT or not pod.never_started:
        return verdict
    standstill = find_standstill(pod, answer(world, AskPodEvents(pod.name, pod.uid)))
    detail = standstill.detail if standstill is not None else "it did not say why"
    message = describe(Reason.POD_NOT_STARTED, detail)
    return replace(verdict, reason=Reason.POD_NOT_STARTED, message=message, infrastructure=True)
