"""An API server in memory, as strict as the real one where the operator relies on it.

It stands where the HTTP connection would, behind the operator's own client. Requests that it does not know raise, so
that a new request of the operator's shows itself.
"""

import asyncio
import copy
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from buildandpush.api import meta
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.kubernetes.transport import Transport

Object = dict[str, Any]

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>status|log))?"
)
_KINDS = {meta.BUILD_PLURAL: meta.BUILD_KIND, meta.CONNECTOR_PLURAL: meta.CONNECTOR_KIND}
_KNOWN = frozenset({"pods", "secrets", "configmaps", "events", meta.BUILD_PLURAL, meta.CONNECTOR_PLURAL})


class CrashError(BaseException):
    """The operator is killed at this instant: no handler of errors may catch it."""


@dataclass(frozen=True)
class Write:
    """One request that would change something, in the order of arrival."""

    verb: str
    plural: str
    name: str
    body: Any = field(compare=False, default=None)

    def __str__(self) -> str:
        return f"{self.verb} {self.plural}/{self.name}"


@dataclass
class FakeAnswer:
    """An answer and, in one, the connection that it is read from."""

    status: int
    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def response(self) -> "FakeAnswer":
        return self

    @property
    def content(self) -> "FakeAnswer":
        return self

    async def __aenter__(self) -> "FakeAnswer":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self.data


@dataclass
class _RefusedError(Exception):
    status: int
    reason: str
    message: str


class FakeApi:
    """What a `Transport` sends by."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.logs: dict[str, str] = {}
        """Container log by pod name."""
        self.writes: list[Write] = []
        self.requests: list[str] = []
        self.refuse: Callable[[str, str, str], tuple[int, str] | None] = lambda verb, plural, name: None
        """Asked before each request; an answer is the status and message to refuse it with."""
        self.pruned: frozenset[str] = frozenset()
        """Fields of statuses, such as `run.rebuild`, that the installed CRD does not know."""
        self.maps_users = True
        """Whether it knows user namespaces. Where it does not, it leaves them out of a pod and says nothing."""
        self.change_pod: Callable[[Object], Object] = lambda made: made
        """What a policy makes of a new pod."""
        self.before_write: Callable[[Write], None] = lambda write: None
        self.after_write: Callable[[Write], None] = lambda write: None
        self._pages: dict[str, tuple[int, list[Object]]] = {}
        """What is still to come of lists, by token."""
        self._cache: tuple[int, dict[tuple[str, str, str], Object]] | None = None
        self._version = 100
        self._uid = 0

    # ---- what kubernetes.aio's ApiClient has

    async def param_serialize(
        self, method: str, path: str, *, header_params: Any = None, auth_settings: Any = None
    ) -> tuple[Any, ...]:
        return method, f"https://kubernetes{path}", header_params, None, []

    async def call_api(
        self, method: str, url: str, headers: Any, body: Any, post_params: Any, *, _request_timeout: Any = None
    ) -> FakeAnswer:
        assert _request_timeout, "a request without a timeout can hang for ever"
        await asyncio.sleep(0)
        parts = urlsplit(url)
        self.requests.append(f"{method} {parts.path}")
        match = _PATH.fullmatch(parts.path)
        if match is None or match["plural"] not in _KNOWN:
            raise AssertionError(f"unknown request: {method} {parts.path}")
        place = (match["plural"], unquote(match["namespace"] or ""), unquote(match["name"] or ""))
        try:
            sent = None if body is None else json.loads(json.dumps(body))
            return self._answer(method, place, match["sub"], parse_qs(parts.query), headers, sent)
        except _RefusedError as refused:
            answer = {"kind": "Status", "code": refused.status, "reason": refused.reason, "message": refused.message}
            return FakeAnswer(refused.status, json.dumps(answer).encode())

    async def close(self) -> None:
        pass

    # ---- what tests do

    def connect(self) -> KubernetesClient:
        """A client of it."""
        return KubernetesClient(Transport(self))

    def put(self, plural: str, body: Object) -> Object:
        """Have an object, as if somebody else had written it."""
        body = copy.deepcopy(body)
        metadata = body["metadata"]
        key = (plural, metadata["namespace"], metadata["name"])
        known = self.objects.get(key)
        metadata.setdefault("uid", known["metadata"]["uid"] if known else self._new_uid())
        metadata["resourceVersion"] = self._new_version()
        metadata.setdefault("generation", 1)
        if known and known.get("spec") != body.get("spec"):
            metadata["generation"] = known["metadata"]["generation"] + 1
        self.objects[key] = body
        return copy.deepcopy(body)

    def get(self, plural: str, namespace: str, name: str) -> Object:
        """A copy of an object."""
        return copy.deepcopy(self.objects[plural, namespace, name])

    def all(self, plural: str) -> list[Object]:
        """Copies of all objects of a kind."""
        return [copy.deepcopy(body) for (kind, _, _), body in self.objects.items() if kind == plural]

    def drop(self, plural: str, namespace: str, name: str) -> None:
        """An object is gone."""
        del self.objects[plural, namespace, name]

    def lag(self) -> None:
        """From now on lists that need not be exact come from a cache that has heard of nothing since."""
        self._cache = (self._version, copy.deepcopy(self.objects))

    def compact(self) -> None:
        """The states that lists began with are gone."""
        self._pages.clear()

    def snapshot(self) -> Callable[[], None]:
        """What etcd holds now; a call brings it back, versions and all."""
        version, objects = self._version, copy.deepcopy(self.objects)

        def restore() -> None:
            self._version, self.objects = version, copy.deepcopy(objects)

        return restore

    def written(self) -> list[str]:
        """All writes in words."""
        return [str(write) for write in self.writes]

    # ---- the API server

    def _answer(
        self, method: str, place: tuple[str, str, str], sub: str | None, query: Any, headers: Any, body: Any
    ) -> FakeAnswer:
        plural, namespace, name = place
        refused = self.refuse(method, "pods/log" if sub == "log" else plural, name)
        if refused is not None:
            raise _RefusedError(refused[0], "Refused", refused[1])
        if method == "GET":
            return self._read(place, sub, query, headers)
        if plural == "pods" and method == "POST" and not self.maps_users:
            body = {**body, "spec": {name: value for name, value in body["spec"].items() if name != "hostUsers"}}
        if plural == "pods" and method == "POST":
            body = self.change_pod(body)
        if query.get("dryRun") == ["All"]:
            return FakeAnswer(201, json.dumps(body).encode())
        write = Write(method, f"{plural}/{sub}" if sub else plural, name or body["metadata"]["name"], body)
        self.before_write(write)
        if method == "POST":
            answer = self._create(plural, namespace, body, query)
        elif method == "PUT":
            answer = self._replace(place, sub, body, query)
        elif method == "PATCH":
            answer = self._patch(place, sub, headers, body, query)
        elif method == "DELETE":
            answer = self._delete(place, body)
        else:
            raise AssertionError(f"unknown verb {method}")
        self.writes.append(write)
        self.after_write(write)
        return FakeAnswer(200, json.dumps(answer).encode())

    def _read(self, place: tuple[str, str, str], sub: str | None, query: Any, headers: Any) -> FakeAnswer:
        plural, _, name = place
        if sub == "log":
            self._find(place)
            if name not in self.logs:
                raise _RefusedError(400, "BadRequest", "container is waiting to start: PodInitializing")
            return FakeAnswer(200, _read_log(self.logs[name].encode(), query))
        if name:
            return FakeAnswer(200, json.dumps(self._find(place)).encode())
        version, items = self._select(place, query)
        kind = "List"
        if headers["Accept"].startswith("application/json;as=PartialObjectMetadataList;"):
            kind, items = "PartialObjectMetadataList", [{"metadata": body["metadata"]} for body in items]
        metadata = {"resourceVersion": str(version)}
        limit = int(query.get("limit", ["0"])[0])
        if limit and len(items) > limit:
            self._uid += 1
            metadata["continue"] = f"{plural}-{self._uid}"
            self._pages[metadata["continue"]] = (version, items[limit:])
            items = items[:limit]
        return FakeAnswer(200, json.dumps({"kind": kind, "metadata": metadata, "items": items}).encode())

    def _select(self, place: tuple[str, str, str], query: Any) -> tuple[int, list[Object]]:
        """The objects that a list asks for, and the version of the state that they are from."""
        plural, namespace, _ = place
        for token in query.get("continue", []):
            assert "resourceVersion" not in query, "the API server refuses a page of a version"
            if token not in self._pages:
                raise _RefusedError(410, "Expired", "The provided continue parameter is too old")
            return self._pages[token]
        version, objects = self._cache if self._cache and "resourceVersion" in query else (self._version, self.objects)
        items = [body for (kind, where, _), body in objects.items() if kind == plural and namespace in ("", where)]
        for selector in query.get("labelSelector", []):
            key, value = selector.split("=")
            items = [body for body in items if (body["metadata"].get("labels") or {}).get(key) == value]
        for selector in query.get("fieldSelector", []):
            path, value = selector.split("=")
            items = [body for body in items if _field(body, path) == value]
        return version, copy.deepcopy(items)

    def _create(self, plural: str, namespace: str, body: Object, query: Any) -> Object:
        assert query["fieldManager"] == [meta.COMPONENT]
        metadata = body["metadata"]
        assert metadata["namespace"] == namespace
        assert not {"uid", "resourceVersion"} & metadata.keys(), "the API server gives these"
        if (plural, namespace, metadata["name"]) in self.objects:
            raise _RefusedError(409, "AlreadyExists", f"{plural} {metadata['name']!r} already exists")
        if plural == "pods":
            body = {**body, "status": {"phase": "Pending"}}
        return self.put(plural, body)

    def _replace(self, place: tuple[str, str, str], sub: str | None, body: Object, query: Any) -> Object:
        """Of a whole object only its status is taken."""
        assert query["fieldManager"] == [meta.COMPONENT]
        assert sub == "status", "the operator never writes spec or metadata"
        assert (body["apiVersion"], body["kind"]) == (meta.API_VERSION, _KINDS[place[0]])
        assert (body["metadata"]["namespace"], body["metadata"]["name"]) == place[1:]
        known = self._find(place)
        self._check_metadata(known, body["metadata"])
        return self._keep_change(place, {**known, "status": _prune(body["status"], self.pruned)})

    def _keep_change(self, place: tuple[str, str, str], changed: Object) -> Object:
        if changed == self._find(place):
            return copy.deepcopy(changed)
        changed["metadata"] = {**changed["metadata"], "resourceVersion": self._new_version()}
        self.objects[place] = changed
        return copy.deepcopy(changed)

    def _patch(self, place: tuple[str, str, str], sub: str | None, headers: Any, body: Object, query: Any) -> Object:
        assert query["fieldManager"] == [meta.COMPONENT]
        assert headers["Content-Type"] == "application/merge-patch+json"
        known = self._find(place)
        self._check_metadata(known, body.get("metadata") or {})
        changed = _merge(known, body)
        if place[0] in (meta.BUILD_PLURAL, meta.CONNECTOR_PLURAL):
            raise AssertionError("the operator never writes spec or metadata")
        if place[0] == "pods":
            self._check_pod(known, changed)
        return self._keep_change(place, changed)

    def _delete(self, place: tuple[str, str, str], body: Object | None) -> Object:
        known = self._find(place)
        self._check_metadata(known, (body or {}).get("preconditions") or {})
        if place[0] == "pods" and known["spec"].get("nodeName"):
            known["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"  # the kubelet lets it end first
            known["metadata"]["resourceVersion"] = self._new_version()
        else:
            del self.objects[place]
        return {"kind": "Status", "status": "Success"}

    def _find(self, place: tuple[str, str, str]) -> Object:
        if place not in self.objects:
            raise _RefusedError(404, "NotFound", f"{place[0]} {place[2]!r} not found")
        return self.objects[place]

    @staticmethod
    def _check_metadata(known: Object, wanted: Object) -> None:
        for key in ("uid", "resourceVersion"):
            if wanted.get(key) not in (None, known["metadata"][key]):
                raise _RefusedError(409, "Conflict", f"{key} does not match: the object has been modified")

    @staticmethod
    def _check_pod(known: Object, changed: Object) -> None:
        before, after = known["spec"], changed["spec"]
        if {**before, "activeDeadlineSeconds": 0} != {**after, "activeDeadlineSeconds": 0}:
            raise _RefusedError(422, "Invalid", "pod updates may not change fields other than activeDeadlineSeconds")
        if after["activeDeadlineSeconds"] > before["activeDeadlineSeconds"]:
            raise _RefusedError(
                422, "Invalid", "spec.activeDeadlineSeconds: must be less than or equal to previous value"
            )

    def _new_version(self) -> str:
        self._version += 1
        return str(self._version)

    def _new_uid(self) -> str:
        self._uid += 1
        return f"00000000-0000-4000-8000-{self._uid:012}"


def _prune(value: Object, fields: frozenset[str]) -> Object:
    """As the API server does with what a schema does not know."""
    result = copy.deepcopy(value)
    for field_ in fields:
        *path, last = field_.split(".")
        parts: list[Any] = [result]
        for name in path:
            found = [part.get(name) or {} for part in parts]
            parts = [item for part in found for item in (part if isinstance(part, list) else [part])]
        for part in parts:
            part.pop(last, None)
    return result


def _field(body: Object, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name, {})
    return body


def _merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result


def _read_log(data: bytes, query: Any) -> bytes:
    """As a kubelet does: the last lines, and of these the first bytes.
    https://github.com/kubernetes/cri-client/blob/master/pkg/logs/logs.go"""
    for lines in query.get("tailLines", []):
        data = b"".join(data.splitlines(keepends=True)[-int(lines) :])
    for limit in query.get("limitBytes", []):
        data = data[: int(limit)]
    return data
