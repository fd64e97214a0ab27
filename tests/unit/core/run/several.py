"""Runs of several builds for tests: their resource, their pods, and steps through the decisions."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from buildandpush.api import meta
from buildandpush.api.status import BuildStatus, RunStatus
from buildandpush.core import naming
from buildandpush.core.build.questions import Answer, AskLinks, AskLog, AskReadBack, Question
from buildandpush.core.build.world import Announce, CreatePod, Decision, Refusal, Resource
from buildandpush.core.facts import ReadBack
from buildandpush.core.pod.observation import PodObservation, observe_pod
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import NOW, OWNER, SOURCE_OK, container, resource, spec, terminated, world

TWO_BY_TWO: dict[str, Any] = {"matrix": {"os": ["alpine", "debian"], "python": ["3.12", "3.13"]}}
TAGS = ["<+matrix.os>-<+matrix.python>"]


def matrix(strategy: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A spec with two by two builds, or with this strategy."""
    return spec(**{"strategy": dict(strategy or TWO_BY_TWO), "tags": TAGS, **changes})


def digest_of(key: int) -> str:
    """The digest that a build pushes."""
    return f"sha256:{key:064x}"


def name_of(key: int, *, run: int = 1, attempt: int = 1) -> str:
    """The name of a build's pod."""
    return naming.build_pod_name(OWNER.name, OWNER.uid, run=run, build=key, attempt=attempt)


def pod_of(key: int, *, run: int = 1, attempt: int = 1, **status: Any) -> PodObservation:
    """A build's pod, which runs unless the status says otherwise."""
    running = {"containerStatuses": [container("kaniko", running={"startedAt": "2026-11-24T12:00:01Z"})]}
    labels = {meta.LABEL_RUN: str(run), meta.LABEL_BUILD: str(key), meta.LABEL_ATTEMPT: str(attempt)}
    return observe_pod(
        {
            "metadata": {
                "name": name_of(key, run=run, attempt=attempt),
                "uid": f"pod-{run}-{key}-{attempt}",
                "labels": labels,
                "ownerReferences": [{"controller": True, "uid": OWNER.uid}],
            },
            "spec": {"nodeName": "node1", "activeDeadlineSeconds": 3600},
            "status": {"phase": "Running", "initContainerStatuses": [SOURCE_OK], **running, **status},
        }
    )


def pushed(key: int, **place: int) -> PodObservation:
    """The pod of a build that has pushed its image."""
    done = [container("kaniko", terminated=terminated(0, message=digest_of(key)))]
    return pod_of(key, phase="Succeeded", containerStatuses=done, **place)


def broken(key: int, **place: int) -> PodObservation:
    """The pod of a build whose RUN line has failed."""
    return pod_of(key, phase="Failed", containerStatuses=[container("kaniko", terminated=terminated(7))], **place)


class Scene:
    """One resource, whose status is written after each decision."""

    def __init__(self, raw: Mapping[str, Any] | None = None, *, now: datetime = NOW) -> None:
        self.of: Resource = resource(raw or matrix())
        self.now = now
        self.pods: dict[str, PodObservation] = {}
        self.told: list[Announce] = []
        self.answers: dict[Question, Answer] = {}

    def see(self, *pods: PodObservation) -> "Scene":
        """These pods are in the cache from now on."""
        self.pods |= {pod.name: pod for pod in pods}
        return self

    def step(self, *, refusals: Mapping[str, Refusal] | None = None) -> Decision:
        """One decision, with the answers that a healthy registry and kubelet give."""
        while True:
            decision = decide(
                replace(
                    world(self.of, pods=tuple(self.pods.values()), answers=self.answers, now=self.now),
                    refusals=refusals or {},
                )
            )
            unknown = {question: self._answer(question) for question in decision.questions}
            if not unknown:
                break
            self.answers |= unknown
        self.of = replace(self.of, status=decision.status)
        self.told += [action for action in decision.actions if isinstance(action, Announce)]
        return decision

    def settle(self) -> Decision:
        """Decisions until nothing changes; the last one."""
        for _ in range(12):
            before = self.of.status
            decision = self.step()
            if decision.status == before:
                return decision
        raise AssertionError("the decisions do not settle")

    def _answer(self, question: Question) -> Answer:
        if isinstance(question, AskReadBack):
            return ReadBack(dict.fromkeys(question.tags, question.digest), digest_found=True)
        if isinstance(question, AskLog):
            return 'error building image: "RUN false": exit status 7'
        if isinstance(question, AskLinks):
            raise AssertionError("the test gives no answer about links")
        return None

    @property
    def run(self) -> RunStatus:
        """The run in the status."""
        run = self.of.status.run
        assert run is not None
        return run

    def build(self, key: int) -> BuildStatus:
        """A build in the status."""
        return next(build for build in self.run.builds if build.key == str(key))

    def phases(self) -> list[str]:
        """The phases of the builds, in the order of their keys."""
        return [build.phase for build in self.run.builds]

    def condition(self, kind: str) -> tuple[str, str, str]:
        """Value, reason and message of a condition; empty words where it is not there."""
        found = [item for item in self.of.status.conditions if item.type == kind]
        return (found[0].status, found[0].reason, found[0].message) if found else ("", "", "")


def created(decision: Decision) -> list[str]:
    """The names of the pods that a decision has made."""
    return [action.name for action in decision.actions if isinstance(action, CreatePod)]


def size_of(scene: Scene) -> int:
    """Bytes of the status as it is stored."""
    return len(json.dumps(scene.of.status.to_dict()).encode())


def all_names(keys: Iterable[int], **place: int) -> list[str]:
    """The names of the pods of these builds."""
    return [name_of(key, **place) for key in keys]
