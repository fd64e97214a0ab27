"""Answers the questions of a decision. Decisions reach the outside only through this module."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from buildandpush.api.reasons import Reason
from buildandpush.clients.azure.logins import Logins
from buildandpush.clients.azure.resource_manager import ResourceManager
from buildandpush.clients.clusterfacts import ClusterFacts
from buildandpush.clients.errors import ConflictError, KubernetesError, NotFoundError, TroubleError, UnavailableError
from buildandpush.clients.flux import FluxClient
from buildandpush.clients.inputs import find_keys, read_secret_values
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.registry import RegistryReader
from buildandpush.core.azure.credential import secrets_of
from buildandpush.core.build.questions import (
    Answer,
    AskAdmission,
    AskAllTags,
    AskCacheTrouble,
    AskCommit,
    AskFluxArtifact,
    AskInputs,
    AskLinks,
    AskLivePod,
    AskLog,
    AskLogin,
    AskObjects,
    AskPodEvents,
    AskProof,
    AskPushed,
    AskReadBack,
    AskTags,
    AskTouched,
    Question,
    RemoteQuestion,
)
from buildandpush.core.build.status import derive_needs
from buildandpush.core.build.world import Resource
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.facts import Commit, Inputs, Links, Owner, Proof, Pushed, ReadBack, Trouble, Waiting
from buildandpush.core.fingerprint import fingerprint
from buildandpush.core.foreign import NOTHING, Admitted, admit, admit_end
from buildandpush.core.pod.kanikolog import find_cache_trouble, find_pushed_digests, select_end
from buildandpush.core.pod.manifest import KANIKO_CONTAINER
from buildandpush.core.pod.standstill import observe_events
from buildandpush.core.spec.buildsecrets import input_keys, plan_arg_sources, plan_secret_files
from buildandpush.core.spec.plan import parse_spec
from buildandpush.handlers.actions import refusal_of
from buildandpush.handlers.podlogs import LINES, TAIL_LINES, LogEnd, read_live_pod, read_log_end
from buildandpush.handlers.refusals import explain_refusal, knows_no_dry_run


class RevisionReader(Protocol):
    """Asks git servers. It answers at once, with None until the server has answered."""

    async def find_commit(self, owner: Owner, asked: AskCommit) -> Commit | Trouble | None:
        """The commit that a revision is at."""

    async def find_touched(self, owner: Owner, asked: AskTouched) -> bool | Trouble | None:
        """Whether paths differ between two commits."""

    def forget(self, namespace: str, name: str) -> None:
        """A resource is gone."""


@dataclass(frozen=True)
class Sources:
    """The clients that answer questions."""

    kubernetes: KubernetesClient
    logins: Logins
    registry: RegistryReader
    links: ResourceManager
    revisions: RevisionReader
    flux: FluxClient
    find_node: Callable[[str, str], str] = lambda namespace, pod: ""
    """The node of a pod by namespace and name; empty where it is not known."""
    cluster: ClusterFacts | None = None
    """What the installer lets the operator read of namespaces and priority classes; None for nothing."""

    def is_at_hand(self, namespace: str, question: Question) -> bool:
        """Whether the answer comes quickly: from memory, or from the API server."""
        if isinstance(question, AskLogin):
            return self.logins.is_at_hand(namespace, question.needs)
        return not isinstance(question, AskTags | AskAllTags)  # of the questions that come before a run's end

    async def forget_connector(self, namespace: str, name: str, uid: str) -> None:
        """Drop everything that the clients keep for a connector that is gone."""
        await self.logins.forget(namespace, name, uid)
        self.links.forget(uid)


async def answer_question(sources: Sources, resource: Resource, question: RemoteQuestion, now: datetime) -> Answer:
    """Look up one fact. Returns Waiting if the API server refuses. Raises UnavailableError; the queue tries again."""
    try:
        return await _look_up(sources, resource, question, now)
    except (KubernetesError, TroubleError) as error:
        return _go_without(question, explain_refusal(error))


def _go_without(question: RemoteQuestion, refused: Waiting) -> Answer:
    """The answer for a fact that the API server refuses. Decisions do not wait for some facts."""
    if isinstance(question, AskInputs):
        return Inputs()
    if isinstance(question, AskPodEvents):
        return ()
    if isinstance(question, AskLinks):
        return Links(Reason.LINKS_UNAVAILABLE, refused.message)
    return refused


async def _look_up(sources: Sources, resource: Resource, question: RemoteQuestion, now: datetime) -> Answer:
    namespace = resource.owner.namespace
    if isinstance(question, AskLogin):
        login = await sources.logins.ensure_login(namespace, question.needs, renewal=question.renewal)
        return login if isinstance(login, Waiting) else replace(login, inputs=_key(login.inputs, resource))
    if isinstance(question, AskLivePod):
        return await read_live_pod(sources.kubernetes, namespace, question.name)
    if isinstance(question, AskLog | AskCacheTrouble | AskPushed):
        return await _search_log(sources, resource, question, now)
    if isinstance(question, AskInputs | AskObjects):
        return await _find_inputs(sources, resource, question)
    if isinstance(question, AskPodEvents):
        return observe_events(await sources.kubernetes.list_pod_events(namespace, question.uid))
    if isinstance(question, AskAdmission):
        return await _is_taken(sources.kubernetes, question)
    if isinstance(question, AskLinks):
        return await _find_links(sources, namespace, question)
    if isinstance(question, AskFluxArtifact):
        return await sources.flux.find_artifact(namespace, question.kind, question.name)
    if isinstance(question, AskCommit | AskTouched):
        return await _ask_git(sources.revisions, resource.owner, question)
    return await _ask_registry(sources, namespace, question)


async def _search_log(
    sources: Sources, resource: Resource, question: AskLog | AskCacheTrouble | AskPushed, now: datetime
) -> Answer:
    if isinstance(question, AskLog):
        return await _read_log(sources, resource, question, now)
    if isinstance(question, AskCacheTrouble):
        return await _find_cache_trouble(sources, resource, question, now)
    return await _find_pushed(sources, resource.owner.namespace, question, now)


async def _ask_git(revisions: RevisionReader, owner: Owner, question: AskCommit | AskTouched) -> Answer:
    if isinstance(question, AskCommit):
        return await revisions.find_commit(owner, question)
    return await revisions.find_touched(owner, question)


async def _ask_registry(
    sources: Sources, namespace: str, question: AskReadBack | AskProof | AskTags | AskAllTags
) -> Answer:
    """Questions that need the connector's credentials. Without them a pushed image waits."""
    host = question.repository.split("/", 1)[0]
    credentials = await sources.logins.find_credentials(namespace, question.connector_ref, host)
    if isinstance(credentials, Waiting):
        return _without_login(question, credentials)
    registry = sources.registry
    if isinstance(question, AskReadBack):
        return await registry.read_back(question.repository, question.tags, question.digest, credentials)
    if isinstance(question, AskTags):
        return await registry.read_tags(question.repository, question.tags, credentials)
    if isinstance(question, AskAllTags):
        return await registry.list_tags(question.repository, credentials)
    return await registry.find_proof(question.repository, question.tags, question.run_label, credentials)


def _without_login(question: AskReadBack | AskProof | AskTags | AskAllTags, waiting: Waiting) -> Answer:
    if isinstance(question, AskProof):
        return Proof(None, waiting.message)
    if isinstance(question, AskAllTags):
        return None
    return waiting if isinstance(question, AskReadBack) else ReadBack({}, digest_found=False, problem=waiting.message)


async def _find_pushed(sources: Sources, namespace: str, question: AskPushed, now: datetime) -> Pushed:
    """What the log names, as far back as it is searched, and at its very end, where kaniko itself writes last."""
    ends = [
        await _read_end(sources, namespace, question.pod, KANIKO_CONTAINER, now, most=lines)
        for lines in (LINES[0], TAIL_LINES)
    ]
    return Pushed(find_pushed_digests("\n".join(end.text for end in ends), question.repository))


async def _find_inputs(sources: Sources, resource: Resource, question: AskInputs | AskObjects) -> Inputs | Waiting:
    """The present contents. A build waits for objects that are missing. A failed run does not: what cannot be read is
    no change that helps it."""
    objects = await find_keys(sources.kubernetes, resource.owner.namespace, question.keys)
    if isinstance(question, AskObjects):
        return objects if isinstance(objects, Waiting) else Inputs(_key(objects.versions, resource))
    if isinstance(objects, Waiting):
        return Inputs()
    logins = await sources.logins.find_inputs(resource.owner.namespace, question.connector_refs)
    if question.connector_refs and not logins.versions:
        return Inputs()
    return Inputs(_key(tuple(sorted({**dict(logins.versions), **dict(objects.versions)}.items())), resource))


def _key(digests: tuple[tuple[str, str], ...], resource: Resource) -> tuple[tuple[str, str], ...]:
    """Digests as a status may hold them."""
    return tuple((place, fingerprint(digest, resource.owner.uid)) for place, digest in digests)


async def _is_taken(client: KubernetesClient, question: AskAdmission) -> bool:
    """Whether the API server would take a pod. It also takes one that it would only have wait, and one of a name that
    is taken. Where an admission webhook knows no dry run, only a real try tells."""
    try:
        await client.try_pod(question.manifest)
    except ConflictError:
        return True
    except (NotFoundError, UnavailableError):
        return False
    except KubernetesError as error:
        return knows_no_dry_run(error) or not refusal_of(error).final
    return True


async def _find_links(sources: Sources, namespace: str, question: AskLinks) -> Links:
    resolved = await sources.logins.resolve(namespace, question.connector_ref)
    if isinstance(resolved, Waiting):
        return Links(Reason.LINKS_UNAVAILABLE, resolved.message)
    return await sources.links.find_links(resolved, question)


async def _read_end(
    sources: Sources, namespace: str, pod: str, container: str, now: datetime, *, most: int = LINES[0]
) -> LogEnd:
    """The raw end of a log, from the kubelet of the pod's node."""
    node = sources.find_node(namespace, pod)
    return await read_log_end(sources.kubernetes, namespace, pod, container, now, most=most, node=node)


async def _read_log(sources: Sources, resource: Resource, question: AskLog, now: datetime) -> Admitted:
    """The end of a log, through the door for foreign text."""
    end = await _read_end(sources, resource.owner.namespace, question.pod, question.container, now)
    if not end.text:
        return NOTHING
    selected, is_begin = select_end(end.text, TAIL_LINES)
    secrets = await _secrets_of_run(sources, resource)
    return admit_end(selected, secrets, cut_before=is_begin and end.cut_before, cut_behind=end.cut_behind)


async def _find_cache_trouble(
    sources: Sources, resource: Resource, question: AskCacheTrouble, now: datetime
) -> Admitted | None:
    """Finds the line in the raw log, so that only this line is searched for secrets."""
    namespace = resource.owner.namespace
    end = await _read_end(sources, namespace, question.pod, KANIKO_CONTAINER, now)
    trouble = find_cache_trouble(end.text)
    if trouble is None:
        return None
    return admit(trouble, await _secrets_of_run(sources, resource), cut_behind=end.cut_behind)


async def _secrets_of_run(sources: Sources, resource: Resource) -> list[str]:
    """The secrets of the run's connectors, and those that its build could read. Tokens are recognised by their form."""
    secrets: list[str] = []
    known: set[str] = set()
    run = resource.status.run
    for need in derive_needs(run.effective) if run else ():
        resolved = await sources.logins.resolve(resource.owner.namespace, need.connector)
        if not isinstance(resolved, Waiting):
            secrets += secrets_of(resolved.credential)
            known.update(place for place, _ in resolved.inputs)
    try:
        spec = parse_spec(resource.spec)
        keys = input_keys(plan_secret_files(spec), plan_arg_sources(spec), spec.source)
    except SpecInvalidError:
        keys = ()
    # The Secrets that the run was made with, besides the connectors'. The spec may name others now.
    others = {place for place in ((run.inputs if run else None) or ()) if place.startswith("Secret/")} - known
    return secrets + await read_secret_values(sources.kubernetes, resource.owner.namespace, keys, others)
