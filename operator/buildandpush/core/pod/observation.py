"""The few facts of a pod object that decisions need."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from buildandpush.api import meta
from buildandpush.core.foreign import NOTHING, Admitted, admit
from buildandpush.core.jsonvalue import UnreadableError, parse_object
from buildandpush.core.pod.manifest import CAPABILITIES, KANIKO_CONTAINER, READ_BACK_CONTAINER, SOURCE_CONTAINER

_NEVER: Final = 1970
_COMING: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Why a container waits while nothing is wrong."""
_MAX_WARNINGS: Final = 5
_TEXTS: Final = {"revision": 256, "ref": 256, "commit": 64, "author": 256, "message": 256, "digest": 128}
"""The facts of a source's report, and how many characters of each the status holds."""
_NUMBERS: Final = {"files": "file_count", "size": "size_bytes"}
"""Its counts, and the names of the status's fields."""
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class ContainerObservation:
    """One container's state; `state` is waiting, running or terminated."""

    state: str = "waiting"
    reason: str = ""
    message: Admitted = NOTHING
    exit_code: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    name: str = ""

    @property
    def terminated(self) -> bool:
        return self.state == "terminated"

    @property
    def is_coming(self) -> bool:
        """Whether it waits, and nothing is wrong."""
        return self.state == "waiting" and self.reason in _COMING


@dataclass(frozen=True)
class PodObservation:
    """One build pod."""

    name: str
    uid: str
    owner_uid: str
    spec_hash_label: str
    run: int
    """Number of the run it was made for; 0 where its labels do not say."""
    attempt: int
    """Which of the run's pods it is; 0 where its labels do not say."""
    phase: str
    node: str
    created_at: datetime | None
    started_at: datetime | None
    """When a kubelet took the pod."""
    deleted_at: datetime | None
    """When the pod is gone at the latest, its grace period over; None if nobody deletes it."""
    changed_at: datetime | None
    """When one of the pod's conditions last changed; None if that is not told."""
    reason: str
    """The kubelet's or a controller's word for the whole pod: Evicted, DeadlineExceeded, NodeLost …"""
    message: Admitted
    unschedulable: Admitted
    """The scheduler's words while no node takes the pod, else empty."""
    gated: bool
    """Whether a scheduling gate keeps the scheduler from looking for a node."""
    disruption: str
    """Reason of the condition DisruptionTarget, which tells who ended the pod, else empty."""
    active_deadline_seconds: int | None
    source: ContainerObservation
    kaniko: ContainerObservation
    injected: ContainerObservation | None = None
    """An init container that something else put into the pod, and that failed, so that kaniko never started."""
    stranded: bool = False
    """Whether a container was made, and the pod's sandbox is gone, as after a reboot of its node. The kubelet makes no
    other sandbox for a pod that is never restarted: if nothing had failed by then, the pod stays Pending."""
    changes: tuple[str, ...] = ()
    """What a policy of the cluster changed of kaniko's container so that a build may fail in it."""
    reads_back: bool = False
    """Whether it is no build pod but one that reads a push back."""
    build: int = 0
    """Which of the run's builds it was made for."""
    read_back: ContainerObservation = ContainerObservation()
    """The container of such a pod."""

    @property
    def deleting(self) -> bool:
        """Whether it is being deleted."""
        return self.deleted_at is not None

    @property
    def finished_at(self) -> datetime | None:
        """When the last of its containers that matter ended."""
        injected = self.injected.finished_at if self.injected is not None else None
        return self.kaniko.finished_at or injected or self.source.finished_at

    @property
    def ended(self) -> bool:
        """True once nothing of the build can run any more.

        kaniko's own container decides, not the pod's phase: injected sidecars keep pods Running.
        """
        source_failed = self.source.terminated and self.source.exit_code != 0
        done = self.kaniko.terminated or self.read_back.terminated
        return done or source_failed or self.phase in ("Succeeded", "Failed")

    @property
    def says_nothing(self) -> bool:
        """Whether it lives, and nothing has happened to it but that a node was found and a kubelet has begun."""
        began = self.phase == "Running" or not (self.source.is_coming and self.kaniko.is_coming)
        return self.is_on_its_way and not began

    @property
    def is_on_its_way(self) -> bool:
        """Whether it lives, and has come as far as it has without any trouble: its source may be fetched, and kaniko
        may build. Nobody has to act on what it says."""
        if self.phase not in ("", "Pending", "Running") or self.ended or self.deleting or self.stranded:
            return False
        if self.injected or self.unschedulable or self.gated or self.reason or self.disruption:
            return False
        return all(item.is_coming or item.state != "waiting" for item in (self.source, self.kaniko))

    @property
    def never_started(self) -> bool:
        """Whether no container of the build has ever run."""
        return not any(item.started_at or item.state == "running" for item in (self.source, self.kaniko))

    @property
    def digest(self) -> str | None:
        """The digest that kaniko reported. It counts only with exit code 0, and once the registry confirms it."""
        if not self.kaniko.terminated or self.kaniko.exit_code != 0:
            return None
        text = self.kaniko.message.strip()
        return text if _DIGEST.fullmatch(text) else None


@dataclass(frozen=True)
class SourceReport:
    """What the init container reported: what it fetched, or why it failed."""

    facts: Mapping[str, str | int] = field(default_factory=dict)
    """By the names of the fields of SourceStatus."""
    reason: str | None = None
    message: Admitted | None = None
    warnings: tuple[Admitted, ...] | None = None
    """What kaniko makes of the Dockerfile in another way than Docker, a line for each kind; None if nothing looked."""


def observe_pod(pod: Mapping[str, Any]) -> PodObservation:
    """Reduce a pod object."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled", {})
    disruption = conditions.get("DisruptionTarget", {})
    labels: Mapping[str, str] = metadata.get("labels") or {}
    owners: list[Mapping[str, Any]] = metadata.get("ownerReferences") or []
    controller = next((ref for ref in owners if ref.get("controller")), {})
    source = _observe_container(status.get("initContainerStatuses"), SOURCE_CONTAINER)
    kaniko = _observe_container(status.get("containerStatuses"), KANIKO_CONTAINER)
    return PodObservation(
        changes=_find_changes(spec),
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        owner_uid=controller.get("uid", ""),
        spec_hash_label=labels.get(meta.LABEL_SPEC_HASH, ""),
        run=_number(labels.get(meta.LABEL_RUN)),
        build=_number(labels.get(meta.LABEL_BUILD)),
        attempt=_number(labels.get(meta.LABEL_ATTEMPT)),
        phase=status.get("phase") or "Pending",
        node=spec.get("nodeName") or "",
        created_at=parse_time(metadata.get("creationTimestamp")),
        started_at=parse_time(status.get("startTime")),
        deleted_at=parse_time(metadata.get("deletionTimestamp")),
        changed_at=max(
            filter(None, (parse_time(item.get("lastTransitionTime")) for item in conditions.values())), default=None
        ),
        reason=status.get("reason") or "",
        message=admit(status.get("message") or ""),
        unschedulable=admit(scheduled.get("message") or "") if scheduled.get("status") == "False" else NOTHING,
        gated=scheduled.get("status") == "False" and scheduled.get("reason") == "SchedulingGated",
        disruption=disruption.get("reason", "") if disruption.get("status") == "True" else "",
        active_deadline_seconds=spec.get("activeDeadlineSeconds"),
        source=source,
        kaniko=kaniko,
        stranded=_is_stranded(status, conditions.get("PodReadyToStartContainers", {})),
        injected=_find_injected(spec, status) if kaniko.state == "waiting" and not source.exit_code else None,
        reads_back=labels.get(meta.LABEL_COMPONENT) == meta.COMPONENT_READ_BACK,
        read_back=_observe_container(status.get("containerStatuses"), READ_BACK_CONTAINER),
    )


def _is_stranded(status: Mapping[str, Any], sandbox: Mapping[str, Any]) -> bool:
    statuses = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return sandbox.get("status") == "False" and any(item.get("containerID") for item in statuses)


def _find_changes(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The rights that kaniko's container has lost since the operator made the pod."""
    container = next((item for item in spec.get("containers") or () if item.get("name") == KANIKO_CONTAINER), None)
    if container is None:
        return ()
    security = container.get("securityContext") or {}
    added = (security.get("capabilities") or {}).get("add") or ()
    missing = [name for name in CAPABILITIES if name not in added]
    found = [f"capabilities {', '.join(missing)} are missing"] if missing and "ALL" not in added else []
    if security.get("readOnlyRootFilesystem"):
        found.insert(0, "readOnlyRootFilesystem is true")
    if security.get("runAsUser") is None:
        found.append("runAsUser is missing")
    return tuple(found)


def _find_injected(spec: Mapping[str, Any], status: Mapping[str, Any]) -> ContainerObservation | None:
    """An injected init container that failed. One that restarts by itself does not end the pod."""
    sidecars = {item["name"] for item in spec.get("initContainers") or () if item.get("restartPolicy") == "Always"}
    statuses = status.get("initContainerStatuses") or ()
    names = [item["name"] for item in statuses if item["name"] not in {SOURCE_CONTAINER, *sidecars}]
    found = (_observe_container(statuses, name) for name in names)
    return next((container for container in found if container.terminated and container.exit_code != 0), None)


def _observe_container(statuses: Sequence[Mapping[str, Any]] | None, name: str) -> ContainerObservation:
    status = next((item for item in statuses or () if item.get("name") == name), None)
    for state, detail in ((status or {}).get("state") or {}).items():
        if state not in ("waiting", "running", "terminated") or detail is None:
            continue
        return ContainerObservation(
            state=state,
            reason=detail.get("reason") or "",
            message=admit(detail.get("message") or ""),
            exit_code=detail.get("exitCode"),
            started_at=parse_time(detail.get("startedAt")),
            finished_at=parse_time(detail.get("finishedAt")),
            name=name,
        )
    return ContainerObservation(name=name)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0


def parse_time(text: str | None) -> datetime | None:
    """An RFC 3339 time of the API server, or None. A container that never started has a time of 1970, which is none.
    So is what no calendar has, such as the year 0, which the API server takes."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.year > _NEVER else None


def read_source_report(container: ContainerObservation) -> SourceReport:
    """The init container's JSON. A malformed one counts as empty, because a killed container writes none."""
    try:
        raw = parse_object(container.message)
    except UnreadableError:
        return SourceReport()
    reason, message = (admit(str(raw[key])) if raw.get(key) else None for key in ("reason", "message"))
    told = raw.get("warnings")
    warnings = tuple(admit(str(one)) for one in told[:_MAX_WARNINGS]) if isinstance(told, list) else None
    # An earlier release's pod may end after an upgrade. It has these two facts beside the others.
    facts = raw["facts"] if "facts" in raw else {name: raw.get(name) for name in ("revision", "commit")}
    return SourceReport(_read_facts(facts), reason, message, warnings)


def _read_facts(raw: Any) -> dict[str, str | int]:
    """The facts that have the form of a status. Whoever wrote the report, the API server takes them."""
    if not isinstance(raw, Mapping):
        return {}
    texts: dict[str, str | int] = {name: admit(str(raw[name]))[:size] for name, size in _TEXTS.items() if raw.get(name)}
    numbers = {target: raw[name] for name, target in _NUMBERS.items() if _is_count(raw.get(name))}
    return {**texts, **numbers}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
