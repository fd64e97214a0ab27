"""Answers the questions of a decision: the only place where deciding meets the outside."""

from buildandpush.clients.errors import KubernetesError, NotFoundError
from buildandpush.clients.kubernetes import KubernetesClient
from buildandpush.clients.logins import ensure_login, fetch_credentials, read_connector
from buildandpush.clients.registry import read_back
from buildandpush.core.login import Credentials
from buildandpush.core.observation import PodObservation, observe_pod
from buildandpush.core.redact import redact
from buildandpush.core.world import (
    Answer,
    AskLivePod,
    AskLog,
    AskLogin,
    AskReadBack,
    Question,
    ReadBack,
    Resource,
    Waiting,
)

_LOG_LINES = 60
_LOG_BYTES = 64 * 1024


async def answer_question(client: KubernetesClient, resource: Resource, question: Question) -> Answer:
    """Look one fact up. UnavailableError rises: the queue asks again."""
    namespace = resource.owner.namespace
    if isinstance(question, AskLogin):
        return await ensure_login(client, namespace, question.connector_ref, question.registry)
    if isinstance(question, AskLivePod):
        return await _read_live_pod(client, namespace, question.name)
    if isinstance(question, AskLog):
        return await _read_log(client, resource, question)
    return await _read_back(client, namespace, question)


async def _read_live_pod(client: KubernetesClient, namespace: str, name: str) -> PodObservation | None:
    try:
        return observe_pod(await client.read_pod(namespace, name))
    except NotFoundError:
        return None


async def _read_log(client: KubernetesClient, resource: Resource, question: AskLog) -> str:
    """The redacted end of a log; empty where the kubelet has none any more."""
    try:
        text = await client.read_pod_log(
            resource.owner.namespace, question.pod, question.container, lines=_LOG_LINES, limit_bytes=_LOG_BYTES
        )
    except KubernetesError:
        return ""
    run = resource.status.run
    credentials = await _credentials(client, resource.owner.namespace, run.effective.connector if run else "")
    secrets = [credentials.password] if isinstance(credentials, Credentials) else []
    return redact(text, secrets)


async def _read_back(client: KubernetesClient, namespace: str, question: AskReadBack) -> ReadBack:
    credentials = await _credentials(client, namespace, question.connector_ref)
    if isinstance(credentials, Waiting):
        return ReadBack({}, digest_found=False, problem=credentials.message)
    return await read_back(question.repository, question.tags, question.digest, credentials)


async def _credentials(client: KubernetesClient, namespace: str, connector_ref: str) -> Credentials | Waiting:
    connector = await read_connector(client, namespace, connector_ref)
    return connector if isinstance(connector, Waiting) else await fetch_credentials(client, connector)
