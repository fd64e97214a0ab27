"""Resources, pods, nodes and worlds for tests of the core, with the least that makes them real."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from buildandpush.api import meta
from buildandpush.api.status import BuildAndPushACRStatus
from buildandpush.core import naming
from buildandpush.core.build.questions import Answer, AskLivePod, AskLog, AskLogin, AskProof, AskPushed, Question
from buildandpush.core.build.world import Refusal, Resource, World
from buildandpush.core.facts import LoginNeed, LoginSecretRef, Owner, Proof, Pushed
from buildandpush.core.pod.kanikolog import find_pushed_digests
from buildandpush.core.pod.observation import PodObservation, observe_pod
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.spechash import hash_spec

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
OWNER = Owner("shop", "web", "11111111-2222-3333-4444-555555555555")
SETTINGS = BuildSettings(executor_image="kaniko:v1.28.3", source_image="operator:0.1.0")
DIGEST = "sha256:" + "a" * 64
LOGIN = LoginSecretRef("buildandpush-login-0123456789ab")

REPOSITORY = "contoso.azurecr.io/shop/web"
SPEC: dict[str, Any] = {
    "connectorRef": "acr",
    "repository": REPOSITORY,
    "tags": ["latest"],
    "source": {"inline": {"files": {"Dockerfile": "FROM scratch\n"}}},
}


def spec(**changes: Any) -> dict[str, Any]:
    """The smallest spec, with these fields changed; None takes a field out."""
    return {name: value for name, value in {**SPEC, **changes}.items() if value is not None}


def run_label(of: dict[str, Any] | None = None, *, run: int = 1) -> str:
    """The label of the image of a run's first build; `of` is its spec."""
    return naming.run_label(OWNER.uid, run=run, build=0, spec_hash=hash_spec(parse_spec(of or spec())))


def resource(
    raw: Mapping[str, Any] | None = None, *, status: BuildAndPushACRStatus | None = None, generation: int = 1
) -> Resource:
    """A resource as the API server would hold it."""
    return Resource(
        owner=OWNER,
        generation=generation,
        resource_version="1",
        deleting=False,
        spec=raw or SPEC,
        status=status or BuildAndPushACRStatus(),
    )


def login_question(connector: str = "acr", repository: str = REPOSITORY, *, renewal: bool = False) -> AskLogin:
    """What a run asks before its pod is made, or, for a renewal, while it runs."""
    host = repository.split("/", 1)[0]
    return AskLogin((LoginNeed(connector, (host,), (repository,)),), renewal)


def world(
    of: Resource,
    *,
    pods: tuple[PodObservation, ...] = (),
    answers: Mapping[Question, Answer] | None = None,
    now: datetime = NOW,
    refusal: Refusal | None = None,
    **changes: Any,
) -> World:
    """A world in which the usual login is there, the pods are as the cache has them, what was pushed is told by the
    log, and former attempts have pushed nothing, unless the answers say otherwise. A proof may be given as the digest
    that it names. `refusal` is that of the first run's pod and of the pod that reads its push back."""
    answers = {
        question: Proof(value)
        if isinstance(question, AskProof) and (value is None or isinstance(value, str))
        else value
        for question, value in (answers or {}).items()
    }
    usual: dict[Question, Answer] = {login_question(renewal=renewal): LOGIN for renewal in (False, True)}
    usual |= {AskLivePod(pod.name): pod for pod in pods}
    usual |= dict.fromkeys(_ask_former_pushes(of), Proof(None))
    refused = (pod_name(), naming.read_back_pod_name(pod_name())) if refusal is not None else ()
    for question, text in answers.items():
        if isinstance(question, AskLog):
            usual[AskPushed(question.pod, REPOSITORY)] = Pushed(find_pushed_digests(str(text), REPOSITORY))
    return World(
        resource=of,
        now=now,
        settings=SETTINGS,
        pods={pod.name: pod for pod in pods},
        answers={**usual, **answers},
        refusals={name: refusal for name in refused if refusal is not None},
        **changes,
    )


def _ask_former_pushes(of: Resource) -> list[AskProof]:
    """What is asked before the pods of further attempts."""
    run = of.status.run
    if run is None:
        return []
    repository, connector = run.effective.repository, run.effective.connector or ""
    return [
        AskProof(
            repository,
            tuple(build.tags),
            naming.run_label(of.owner.uid, run=run.number, build=int(build.key), spec_hash=run.spec_hash),
            connector,
        )
        for build in run.builds
        if build.attempt > 1
    ]


def pod_name(run: int = 1, attempt: int = 1) -> str:
    """The name of the first build's pod."""
    return naming.build_pod_name(OWNER.name, OWNER.uid, run=run, build=0, attempt=attempt)


def pod(run: int = 1, *, spec_changes: Mapping[str, Any] | None = None, **status: Any) -> PodObservation:
    """A pod of the resource with this status."""
    return observe_pod(
        {
            "metadata": {
                "name": pod_name(run),
                "uid": f"pod-{run}",
                "labels": {meta.LABEL_RUN: str(run), meta.LABEL_ATTEMPT: "1"},
                "ownerReferences": [{"controller": True, "uid": OWNER.uid}],
                **({"deletionTimestamp": "2026-11-24T12:00:00Z"} if status.pop("deleting", False) else {}),
            },
            "spec": {"nodeName": "node1", "activeDeadlineSeconds": 3600, **(spec_changes or {})},
            "status": {"phase": "Running", **status},
        }
    )


def container(name: str, **state: Any) -> dict[str, Any]:
    """One container status; give exactly one of waiting, running and terminated."""
    return {"name": name, "state": state}


def terminated(code: int, reason: str = "", message: str = "") -> dict[str, Any]:
    """A terminated state."""
    return {
        "exitCode": code,
        "reason": reason or ("Completed" if code == 0 else "Error"),
        "message": message,
        "startedAt": "2026-11-24T12:00:01Z",
        "finishedAt": "2026-11-24T12:00:31Z",
    }


_FETCHED = json.dumps({"facts": {"commit": "c" * 40, "revision": "main"}})
SOURCE_OK = container("source", terminated=terminated(0, message=_FETCHED))


def running_pod(run: int = 1) -> PodObservation:
    """kaniko is at work."""
    return pod(
        run,
        initContainerStatuses=[SOURCE_OK],
        containerStatuses=[container("kaniko", running={"startedAt": "2026-11-24T12:00:01Z"})],
    )


def ended_pod(
    code: int, message: str = "", *, run: int = 1, reason: str = "", reason_of_pod: str = "", **status: Any
) -> PodObservation:
    """kaniko has ended with this exit code and termination message."""
    return pod(
        run,
        **{
            "reason": reason_of_pod,
            "phase": "Succeeded" if code == 0 else "Failed",
            "initContainerStatuses": [SOURCE_OK],
            "containerStatuses": [container("kaniko", terminated=terminated(code, reason, message))],
            **status,
        },
    )


def rule(action: str, *errors: str, **settings: Any) -> dict[str, Any]:
    """One rule as pipelines spell it."""
    what = {"type": action, **({"spec": settings} if settings else {})}
    return {"onFailure": {"errors": list(errors or ("AllErrors",)), "action": what}}


def node(
    kubelet: str | None = "v1.34.4", kernel: str | None = "6.8.0-45-generic", handlers: Any = ({"name": ""},)
) -> dict[str, Any]:
    """A node whose handlers can, unless they say otherwise."""
    features = {"features": {"userNamespaces": True}}
    info = {"kubeletVersion": kubelet, "kernelVersion": kernel, "operatingSystem": "linux"}
    able = None if handlers is None else [{**features, **handler} for handler in handlers]
    labels = {"kubernetes.io/os": "linux"}
    return {"metadata": {"labels": labels}, "status": {"nodeInfo": info, "runtimeHandlers": able}}


def reader_pod(message: str | None = None, *, number: int = 1, run: int = 1, **status: Any) -> PodObservation:
    """The pod that reads a push back: not begun, or ended with this report."""
    done = [container("read-back", terminated=terminated(0, message=message))] if message is not None else []
    return observe_pod(
        {
            "metadata": {
                "name": naming.read_back_pod_name(pod_name(run)),
                "uid": f"reader-{number}",
                "labels": {
                    meta.LABEL_RUN: str(run),
                    meta.LABEL_ATTEMPT: "1",
                    meta.LABEL_COMPONENT: meta.COMPONENT_READ_BACK,
                },
                "ownerReferences": [{"controller": True, "uid": OWNER.uid}],
            },
            "spec": {"nodeName": "node1"},
            "status": {"phase": "Pending" if message is None else "Succeeded", "containerStatuses": done, **status},
        }
    )
