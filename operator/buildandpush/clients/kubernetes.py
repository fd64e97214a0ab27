"""The few requests the operator makes of the API server, over `kubernetes.aio`, as plain dicts.

The typed models of that client cost more time than the request itself, so only its transport and login are used.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes import aio

from buildandpush.api import meta
from buildandpush.clients.bounded import TooLongError, read_bounded
from buildandpush.clients.circuits import KUBELET_LIMITS, Circuits, RefusedError
from buildandpush.clients.errors import (
    BrokenAnswerError,
    ConflictError,
    DeniedError,
    KubernetesError,
    NotFoundError,
    ThrottledError,
    TroubleError,
    UnavailableError,
)
from buildandpush.clients.lists import (
    NAMES_ONLY,
    NAMES_PAGE_SIZE,
    WHOLE_PAGE_SIZE,
    Listing,
    parse_names,
    parse_page,
)
from buildandpush.clients.pauses import read_pause
from buildandpush.clients.watchstream import read_events
from buildandpush.core.foreign import admit
from buildandpush.core.jsonvalue import UnreadableError, parse_json, parse_object

Object = dict[str, Any]
OnAnswer = Callable[[str, int | None], None]

_TIMEOUT_SECONDS: Final = 40
"""The API server itself ends a write after 34 s, in its own words, and waits up to 30 s of them for a webhook."""
_WATCH_SECONDS: Final = 300
"""For how long the API server keeps a watch."""
_NODE_PAGE_SIZE: Final = 50
"""A node lists the images it holds, so it may be some ten KiB large."""
_EVENT_PAGE_SIZE: Final = 100
"""A kubelet joins Events of a kind, so a pod has few."""
_BUILD_PODS: Final = {"labelSelector": f"{meta.LABEL_MANAGED_BY}={meta.COMPONENT}"}
_KINDS: Final = {meta.BUILD_PLURAL: meta.BUILD_KIND, meta.CONNECTOR_PLURAL: meta.CONNECTOR_KIND}
_MERGE_PATCH: Final = "application/merge-patch+json"
_MAX_ANSWER: Final = 16 * 2**20
"""Bytes. An object has at most some 3 MiB, and a page that is longer is asked for in smaller ones."""
_FEWER: Final = 10
_GONE: Final = 410
_JSON: Final = "application/json"
# https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/webhook/errors/statuserror.go
_DENIED: Final = 'admission webhook "'
_CORE: Final = " /api/v1/"
"""In a request for what every API server knows. Of a group that is not installed it says 404 without a Status."""
_MAX_WORDS: Final = 256
"""Bytes that are shown of a refusal that is no Kubernetes Status."""


@dataclass(frozen=True)
class PodLog:
    """A part of a container's log."""

    text: str
    is_cut: bool
    """Whether the bytes that were asked for did not reach to the end."""


def _ignore(verb: str, status: int | None) -> None:
    """Nobody counts requests."""


class KubernetesClient:
    """Requests to one API server. Every method raises NotFoundError, ConflictError, KubernetesError or
    UnavailableError."""

    def __init__(
        self,
        api: Any,
        *,
        guard: Callable[[], None] = lambda: None,
        on_answer: OnAnswer = _ignore,
        kubelets: Circuits | None = None,
    ) -> None:
        """`guard` is called before every write, and raises where the operator may not act any more. `on_answer` is
        called with the verb of each request and the status of its answer, or with None if nobody answered. `kubelets`
        are those that logs come from."""
        self._api = api
        self._guard = guard
        self._on_answer = on_answer
        self._kubelets = kubelets or Circuits(KUBELET_LIMITS)
        self._whole_lists: set[str] = set()
        """Paths of lists that come with whole objects though names were asked for."""

    def guarded(self, guard: Callable[[], None]) -> Self:
        """The same connection, each write guarded."""
        return type(self)(self._api, guard=guard, on_answer=self._on_answer, kubelets=self._kubelets)

    @classmethod
    async def connect(cls, on_answer: OnAnswer = _ignore) -> Self:
        """Log in as the pod's service account, or by kubeconfig outside of a cluster."""
        configuration = aio.client.Configuration()
        try:
            aio.config.load_incluster_config(client_configuration=configuration)
        except aio.config.ConfigException:
            await aio.config.load_kube_config(client_configuration=configuration)
        return cls.of(configuration, on_answer)

    @classmethod
    def of(cls, configuration: Any, on_answer: OnAnswer = _ignore) -> Self:
        """The client of an API server that a configuration names and logs in at."""
        # The proxy of the environment is for hosts outside. Reading it costs time at each request.
        configuration.client_session_kwargs = {"trust_env": False}
        # 0: as many connections as there are requests, which the work queue bounds. A request of the lease does not
        # wait behind others that hang.
        configuration.connection_pool_maxsize = 0
        return cls(aio.client.ApiClient(configuration), on_answer=on_answer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()

    async def read_pod(self, namespace: str, name: str) -> Object:
        """Read one pod."""
        return await self._request("GET", _core_path(namespace, "pods", name))

    async def create_pod(self, manifest: Object) -> Object:
        """Create a pod. Returns the object that the API server made of it."""
        return await self._request("POST", _core_path(manifest["metadata"]["namespace"], "pods"), body=manifest)

    async def try_pod(self, manifest: Object) -> None:
        """Ask the API server whether it would create a pod; it stores nothing.
        https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run"""
        path = _core_path(manifest["metadata"]["namespace"], "pods")
        await self._request("POST", path, body=manifest, query={"dryRun": "All"})

    async def patch_pod_deadline(self, namespace: str, name: str, uid: str, seconds: int) -> Object:
        """Lower a pod's activeDeadlineSeconds, if it is still the pod of this uid."""
        body = {"metadata": {"uid": uid}, "spec": {"activeDeadlineSeconds": seconds}}
        return await self._request("PATCH", _core_path(namespace, "pods", name), body=body)

    async def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        """Delete a pod, if it is still the pod of this uid."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        await self._request("DELETE", _core_path(namespace, "pods", name), body=body)

    async def read_pod_log(
        self, namespace: str, name: str, container: str, *, lines: int, limit_bytes: int, node: str = ""
    ) -> PodLog:
        """The last lines of a container's log, and of these the first `limit_bytes`: the kubelet keeps the beginning.

        The API server gets them from the kubelet of `node`. Raises UnavailableError at once while that gives no answer.
        The kubelet counts a line of more than 16 KiB as several, since the runtime writes it so.
        """
        query: dict[str, Any] = {"container": container, "tailLines": lines, "limitBytes": limit_bytes}
        path = _core_path(namespace, "pods", name, "log")
        try:
            async with self._kubelets.ask(f"the kubelet of node {node or 'unknown'}"):
                data = await self._send("GET", path, query=query, limit=limit_bytes, cut=True)
        except RefusedError as error:
            raise UnavailableError(str(error), retry_after_seconds=error.retry_after_seconds) from None
        return PodLog(data.decode(errors="replace"), is_cut=len(data) >= limit_bytes)

    async def read_secret(self, namespace: str, name: str) -> Object:
        """One Secret."""
        return await self._request("GET", _core_path(namespace, "secrets", name))

    async def read_config_map(self, namespace: str, name: str) -> Object:
        """One ConfigMap."""
        return await self._request("GET", _core_path(namespace, "configmaps", name))

    async def create_secret(self, manifest: Object) -> Object:
        """Create a Secret."""
        return await self._request("POST", _core_path(manifest["metadata"]["namespace"], "secrets"), body=manifest)

    async def patch_secret(self, namespace: str, name: str, body: Object) -> Object:
        """Merge-patch a Secret; with a resourceVersion in the body it fails if the Secret changed meanwhile."""
        return await self._request("PATCH", _core_path(namespace, "secrets", name), body=body)

    async def delete_secret(self, namespace: str, name: str, *, uid: str, version: str) -> None:
        """Delete a Secret, if it is still the one of this uid and version."""
        conditions = {"uid": uid, "resourceVersion": version}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions}
        await self._request("DELETE", _core_path(namespace, "secrets", name), body=body)

    async def create_service_account_token(self, namespace: str, name: str, *, audience: str) -> str:
        """A token of a service account for this audience, good for ten minutes, the least that is given.
        https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/"""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": 600},
        }
        answer = await self._request("POST", _core_path(namespace, "serviceaccounts", name, "token"), body=body)
        return str(answer["status"]["token"])

    async def read_lease(self, namespace: str, name: str) -> Object:
        """One Lease."""
        return await self._request("GET", _lease_path(namespace, name))

    async def create_lease(self, namespace: str, name: str, spec: Object) -> Object:
        """Create a Lease."""
        metadata = {"name": name, "namespace": namespace}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        return await self._request("POST", _lease_path(namespace), body=body)

    async def patch_lease(self, namespace: str, name: str, version: str, spec: Object) -> Object:
        """Merge-patch a Lease; ConflictError if it is not at this resourceVersion any more."""
        body = {"metadata": {"resourceVersion": version}, "spec": spec}
        return await self._request("PATCH", _lease_path(namespace, name), body=body)

    async def create_event(self, manifest: Object) -> None:
        """Write an Event. An existing Event of the same name counts as success."""
        try:
            await self._request("POST", _core_path(manifest["metadata"]["namespace"], "events"), body=manifest)
        except ConflictError:
            return

    async def list_pod_events(self, namespace: str, pod_uid: str) -> list[Object]:
        """Events about one pod, at most a hundred, in any order."""
        query = {"fieldSelector": f"involvedObject.uid={pod_uid}", "limit": _EVENT_PAGE_SIZE}
        answer = await self._request("GET", _core_path(namespace, "events"), query=query)
        return answer.get("items") or []

    async def read_custom(self, plural: str, namespace: str, name: str) -> Object:
        """One object of our own group."""
        return await self._request("GET", _custom_path(namespace, plural, name))

    async def replace_custom_status(
        self, plural: str, namespace: str, name: str, version: str, status: Object
    ) -> Object:
        """Replace the whole status; ConflictError if the object is not at this resourceVersion any more.

        The API server leaves all else as it is. For a merge patch it takes a third more processor time.
        """
        metadata = {"namespace": namespace, "name": name, "resourceVersion": version}
        body = {"apiVersion": meta.API_VERSION, "kind": _KINDS[plural], "metadata": metadata, "status": status}
        return await self._request("PUT", f"{_custom_path(namespace, plural, name)}/status", body=body)

    async def list_pods(self, namespace: str | None, token: str = "", *, names_only: bool = False) -> Listing:
        """A page of the build pods, of one namespace or of all. See `list_custom`."""
        return await self._list_page(_pods_path(namespace), {**_BUILD_PODS}, token, names_only=names_only)

    def watch_pods(self, namespace: str | None, version: str) -> AsyncIterator[Object]:
        """The changes of the build pods after a version, of one namespace or of all. See `watch_path`. A BOOKMARK has
        no pod, only the version that everything has been told up to.
        https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks"""
        return self._watch(_pods_path(namespace), version, _BUILD_PODS, bookmarks=True)

    async def list_custom(
        self, plural: str, namespace: str | None, token: str = "", *, names_only: bool = False
    ) -> Listing:
        """A page of the objects of one of our kinds, of one namespace or of all: the first, or the one of a token.

        No version is asked for. So the list holds everything that was written before its first page was asked for, and
        it comes in pages: asked for version 0, an API server answers with all objects at once, from a cache that may be
        behind. A list that takes some minutes can end with an UnavailableError, since its state is gone by then.
        https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list
        """
        path = _custom_path(namespace, plural) if namespace else f"/apis/{meta.API_VERSION}/{plural}"
        return await self._list_page(path, {}, token, names_only=names_only)

    async def read_crd(self, name: str) -> Object:
        """One CustomResourceDefinition."""
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{quote(name, safe='')}"
        return await self._request("GET", path)

    async def read_nodes(self, token: str = "") -> tuple[list[Object], str]:
        """One page of the nodes, and the token of the next page; empty at the end. All nodes may be too many."""
        query = {"limit": _NODE_PAGE_SIZE, **({"continue": token} if token else {})}
        answer = await self._request("GET", "/api/v1/nodes", query=query)
        return answer.get("items") or [], (answer.get("metadata") or {}).get("continue") or ""

    async def get(self, path: str) -> Object:
        """One object of any group, or what discovery says of a group, by its path."""
        return await self._request("GET", path)

    async def list_path(self, path: str) -> Listing:
        """All objects that a path of any group stands for."""
        items: list[Object] = []
        token, version = "", ""
        while True:
            page = await self._list_page(path, {}, token)
            items += page.items
            token, version = page.token, version or page.resource_version
            if not token:
                return Listing(items, version)

    def watch_path(self, path: str, version: str) -> AsyncIterator[Object]:
        """The changes of these objects after a version, until the API server ends the watch. See `read_events`."""
        return self._watch(path, version, {})

    async def _watch(
        self, path: str, version: str, selector: Mapping[str, str], *, bookmarks: bool = False
    ) -> AsyncIterator[Object]:
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": _WATCH_SECONDS, **selector}
        query |= {"allowWatchBookmarks": "true"} if bookmarks else {}
        try:
            response = await self._open("GET", path, query=query, seconds=_WATCH_SECONDS + _TIMEOUT_SECONDS)
            async with response.response as stream:
                if response.status >= 400:
                    raise _refusal(response.status, await read_bounded(stream.content, _MAX_ANSWER), f"GET {path}")
                async for event in read_events(stream.content.iter_any(), bookmarks=bookmarks):
                    yield event
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"GET {path}: {error or type(error).__name__}") from error

    async def _list_page(self, path: str, query: Mapping[str, Any], token: str, *, names_only: bool = False) -> Listing:
        """One page of a list. Objects that are too long together come in a smaller page. So do those of a server that
        sends whole objects where names were asked for."""
        limit = WHOLE_PAGE_SIZE if not names_only or path in self._whole_lists else NAMES_PAGE_SIZE
        accept = NAMES_ONLY if names_only else _JSON
        while True:
            page = {**query, "limit": limit, **({"continue": token} if token else {})}
            try:
                data = await self._send("GET", path, query=page, accept=accept)
                if not names_only:
                    return parse_page(data, most_values=_MAX_ANSWER)
                return self._note_form(path, parse_names(data))
            except _LongAnswerError:
                if limit < _FEWER:
                    raise
                limit //= _FEWER
            except UnreadableError as error:
                raise UnavailableError(f"GET {path}: {error}") from error
            except KubernetesError as error:
                if error.status == _GONE and token:
                    raise UnavailableError(f"GET {path}: {error}") from error
                raise

    def _note_form(self, path: str, page: Listing) -> Listing:
        """Remember whether the server sends whole objects in this list."""
        if page.is_whole:
            self._whole_lists.add(path)
        else:
            self._whole_lists.discard(path)
        return page

    async def _request(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Object | None = None
    ) -> Object:
        data = await self._send(method, path, query=query, body=body)
        try:
            return parse_object(data, most_values=_MAX_ANSWER)
        except UnreadableError as error:
            raise BrokenAnswerError(f"{method} {path}: {error}") from error

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Object | None = None,
        limit: int = _MAX_ANSWER,
        cut: bool = False,
        accept: str = _JSON,
    ) -> bytes:
        """The answer's body, of at most `limit` bytes. Of a longer one its beginning with `cut`, else an error."""
        if method != "GET":
            self._guard()
        try:
            response = await self._open(method, path, query=query, body=body, accept=accept)
            data = await _read_answer(response.response, limit, cut=cut)
        except TooLongError as error:
            raise _LongAnswerError(f"{method} {path}: {error}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"{method} {path}: {error or type(error).__name__}") from error
        if response.status >= 400:
            refused = _refusal(response.status, data, f"{method} {path}")
            if isinstance(refused, UnavailableError):
                refused.retry_after_seconds = read_pause(response.status, response.response.headers)
            raise refused
        return data

    async def _open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None,
        body: Object | None = None,
        seconds: int | None = None,
        accept: str = _JSON,
    ) -> Any:
        """The answer, its body not read yet. It has to come within so many seconds, its body too; 40 by default."""
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = _MERGE_PATCH if method == "PATCH" else _JSON
        full_query = {**(query or {})}
        if method in ("POST", "PUT", "PATCH"):
            full_query["fieldManager"] = meta.COMPONENT
        # Without the body: it would be copied value by value, and it is plain JSON already.
        prepared = await self._api.param_serialize(method, path, header_params=headers, auth_settings=["BearerToken"])
        url = f"{prepared[1]}?{urlencode(full_query)}" if full_query else prepared[1]
        status: int | None = None
        try:
            response = await self._api.call_api(
                prepared[0], url, prepared[2], body, prepared[4], _request_timeout=seconds or _TIMEOUT_SECONDS
            )
            status = response.status
            return response
        finally:
            self._on_answer("WATCH" if full_query.get("watch") else method, status)


class _LongAnswerError(BrokenAnswerError):
    """The answer is longer than any that is one."""


async def _read_answer(response: aiohttp.ClientResponse, limit: int, *, cut: bool) -> bytes:
    async with response:
        return await read_bounded(response.content, limit, cut=cut)


def _refusal(status: int, data: bytes, request: str) -> Exception:
    """The error that an answer stands for. Its message may be a webhook's or a kubelet's, so it is foreign text."""
    try:
        answer = parse_json(data)
        is_status = answer.get("kind") == "Status"
        reason, message = str(answer.get("reason") or ""), admit(str(answer.get("message") or ""))
    except (UnreadableError, AttributeError):
        is_status, reason = False, ""
        message = admit(data[:_MAX_WORDS].decode(errors="replace"), cut_behind=len(data) > _MAX_WORDS)
    if message.startswith(_DENIED) and status < 500:
        return DeniedError(status, reason, message)
    if status == 404 and not is_status and _CORE in request:
        # Some proxy's, which has lost its way. A pod would count as lost, and be made a second time.
        return BrokenAnswerError(f"{request}: {status}, though not in the API server's words: {message}")
    if status == 404:
        return NotFoundError(status, reason, message)
    if status == 409:
        return ConflictError(status, reason, message)
    # A server that is starting or has too much to do is nobody's news; a webhook that it cannot reach may last.
    if not request.startswith("GET ") and (status == 500 or (status > 500 and "webhook" in message)):
        return TroubleError(status, message, request)
    if status == 429:
        return ThrottledError(f"{request}: {status} {message}")
    if status == 500:
        return BrokenAnswerError(f"{request}: {status} {message}")
    if status > 500:
        return UnavailableError(f"{request}: {status} {message}")
    return KubernetesError(status, reason, message)


def _core_path(namespace: str | None, *parts: str) -> str:
    return f"/api/v1/namespaces/{namespace}/" + "/".join(quote(part, safe="") for part in parts)


def _pods_path(namespace: str | None) -> str:
    return _core_path(namespace, "pods") if namespace else "/api/v1/pods"


def _lease_path(namespace: str, *name: str) -> str:
    return "/".join([f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases", *name])


def _custom_path(namespace: str | None, *parts: str) -> str:
    return f"/apis/{meta.API_VERSION}/namespaces/{namespace}/" + "/".join(quote(part, safe="") for part in parts)
