"""Runs at known points of their way, and what the conditions then say."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from buildandpush.api.meta import ConditionType
from buildandpush.api.status import ReadBackStatus
from buildandpush.core.backoff import late_seconds
from buildandpush.core.build.questions import Answer, AskLog, AskLogin, AskProof, AskReadBack, Question
from buildandpush.core.build.world import Decision, Resource
from buildandpush.core.facts import LoginSecretRef, ReadBack
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import DIGEST, NOW, ended_pod, pod_name, resource, run_label, running_pod, spec, world

READ_BACK = AskReadBack("contoso.azurecr.io/shop/web", ("latest",), DIGEST, "acr")
PROOF = AskProof("contoso.azurecr.io/shop/web", ("latest",), run_label(), "acr")
OWN = AskProof("contoso.azurecr.io/shop/web", (DIGEST,), run_label(), "acr")
VERIFIED = ReadBack({"latest": DIGEST}, digest_found=True)
PUSH_LOG = AskLog(pod_name(), "kaniko")
PUSHED = f"INFO[0007] Pushed contoso.azurecr.io/shop/web@{DIGEST}"
NO_LOGIN = {AskLogin((), renewal): LoginSecretRef(None) for renewal in (False, True)}
NO_PUSH = spec(envVariables={"PLUGIN_NO_PUSH": True}, connectorRef=None, tags=None)
PUSH_ONLY = spec(
    envVariables={"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "x.tar"},
    workspace={"persistentVolumeClaim": {"claimName": "builds"}},
)


def conditions(decision: Decision) -> dict[str, str]:
    """Condition values by type."""
    return {item.type: item.status for item in decision.status.conditions}


def reason_of(decision: Decision, kind: ConditionType = ConditionType.READY) -> str:
    """The reason of one condition."""
    return next(item.reason for item in decision.status.conditions if item.type == kind)


def after(decision: Decision, of: Resource, **changes: Any) -> Resource:
    """The resource as it is once the decision's status was written."""
    return replace(of, status=decision.status, **changes)


def started(raw: dict[str, Any] | None = None) -> Resource:
    """A resource whose first run was accepted."""
    fresh = resource(raw)
    return after(decide(world(fresh)), fresh)


def asked_for_long(of: Resource) -> Resource:
    """The resource whose registry was asked for a while, and should have the image by now."""
    assert of.status.run is not None
    asked = ReadBackStatus(since=NOW - timedelta(seconds=late_seconds()))
    builds = [build.model_copy(update={"read_back": asked}) for build in of.status.run.builds]
    run = of.status.run.model_copy(update={"builds": builds})
    return replace(of, status=of.status.model_copy(update={"run": run}))


def seen(raw: dict[str, Any] | None = None) -> Resource:
    """A resource whose pod was seen running."""
    first = started(raw)
    return after(decide(world(first, pods=(running_pod(),))), first)


def seen_without_login(raw: dict[str, Any]) -> Resource:
    """A resource whose run needs no login and whose pod was seen running."""
    fresh = resource(raw)
    accepted = after(decide(world(fresh, answers=NO_LOGIN)), fresh)
    return after(decide(world(accepted, pods=(running_pod(),), answers=NO_LOGIN)), accepted)


def succeeded() -> Resource:
    """A resource whose first run ended well."""
    first = seen()
    return after(decide(world(first, pods=(ended_pod(0, DIGEST),), answers={READ_BACK: VERIFIED})), first)


def failed(log: str = "error building image: it broke", answers: Mapping[Question, Answer] | None = None) -> Resource:
    """A resource whose first run failed."""
    first = seen()
    ended = ended_pod(1)
    return after(
        decide(world(first, pods=(ended,), answers={AskLog(pod_name(), "kaniko"): log, **(answers or {})})), first
    )


def failing(*strategies: dict[str, Any], of: Resource | None = None) -> Resource:
    """A resource with these rules whose RUN line has failed."""
    fresh = of or resource(spec(failureStrategies=list(strategies)))
    started = after(decide(world(fresh)), fresh)
    assert started.status.run is not None
    build = started.status.run.builds[0]
    ended = replace(ended_pod(7), name=build.pod_name)
    answers = {AskLog(build.pod_name, "kaniko"): 'error building image: "RUN false": exit status 7'}
    return after(decide(world(started, pods=(ended,), answers=answers)), started)
