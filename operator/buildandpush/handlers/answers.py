"""Answers the questions of a decision: the only place where deciding meets the outside."""

from typing import Final

from buildandpush.clients.errors import KubernetesError, NotFoundError
from buildandpush.clients.kubernetes import KubernetesClient
from buildandpush.clients.logins import ensure_login, fetch_credentials, read_connector
from buildandpush.clients.registry import RegistryReader
from buildandpush.core.login import Credentials
from buildandpush.core.observation import PodObservation, observe_pod
from buildandpush.core.redact import redact
from buildandpush.core.world import (
    Answer,
    AskInputs,
    AskLivePod,
    AskLog,
    AskLogin,
    AskProof,
    AskReadBack,
    AskTags,
    Inputs,
    Question,
    ReadBack,
    Resource,
    Waiting,
)

_LOG_LINES: Final = 60
_LOG_BYTES: Final = 64 * 1024


async def answer_question(
    client: KubernetesClient, registry: RegistryReader, resource: Resource, question: Question
) -> Answer:
    """Look one fact up. UnavailableError rises: the queue asks again."""
    namespace = resource.owner.namespace
    if isinstance(question, AskLogin):
        return await ensure_login(client, namespace, question.connector_ref, question.registry)
    if isinstance(question, AskLivePod):
        return await _read_live_pod(client, namespace, question.name)
    if isinstance(question, AskLog):
        return await _read_log(client, resource, question)
    return await _ask_registry(client, registry, namespace, question)


async def _ask_registry(
    client: KubernetesClient,
    registry: RegistryReader,
    namespace: str,
    question: AskReadBack | AskProof | AskTags | AskInputs,
) -> Answer:
    """Questions that need the connector's credentials; without them the registry counts as not readable."""
    credentials = await _credentials(client, namespace, question.connector_ref)
    if isinstance(question, AskInputs):
        return Inputs() if isinstance(credentials, Waiting) else Inputs(credentials.inputs)
    if isinstance(credentials, Waiting):
        unreadable = ReadBack({}, digest_found=False, problem=credentials.message)
        return None if isinstance(question, AskProof) else unreadable
    if isinstance(question, AskReadBack):
        return await registry.read_back(question.repository, question.tags, question.digest, credentials)
    if isinstance(question, AskTags):
        return await registry.read_tags(question.repository, question.tags, credentials)
    return await registry.find_proof(question.repository, question.tags, question.run_label, credentials)


async def _read_live_pod(client: KubernetesClient, namespace: str, name: str) -> PodObservation | None:
    try:
        return observe_pod(await client.read_pod(namespace, name))
    except NotFoundError:
        return None


async def _read_log(client: KubernetesClient, resource: Resource, question: AskLog) -> str:
    """The redacted end of a log; empty where the kubelet has none any more."""
    namespace, run = resource.owner.namespace, resource.status.run
    try:
        text = await client.read_pod_log(
            namespace, question.pod, question.container, lines=_LOG_LINES, limit_bytes=_LOG_BYTES
        )
    except KubernetesError:
        return ""
    credentials = await _credentials(client, namespace, run.effective.connector) if run else None
    secrets = [credentials.password] if isinstance(credentials, Credentials) else []
    return redact(text, secrets)


async def _credentials(client: KubernetesClient, namespace: str, connector_ref: str) -> Credentials | Waiting:
    connector = await read_connector(client, namespace, connector_ref)
    return connector if isinstance(connector, Waiting) else await fetch_credentials(client, connector)
