"""A registry's logins: the exchange, its tokens, and what a request needs.

Protocol: https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md and
https://distribution.github.io/distribution/spec/auth/token/
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from devcluster.azure.answers import DENIED, registry_error
from devcluster.azure.entra import MANAGER_AUDIENCES, REGISTRY_AUDIENCE
from devcluster.azure.model import EVERYTHING, Registry, World, actions_of, token_actions
from devcluster.azure.tokens import Tokens

NULL_GUID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Need:
    """What a request needs of its token."""

    kind: str
    name: str
    actions: tuple[str, ...]

    @property
    def scope(self) -> str:
        """As a challenge asks for it."""
        return f"{self.kind}:{self.name}:{','.join(self.actions)}"


@dataclass(frozen=True)
class Caller:
    """Who a caller is to a registry: an identity, one of the registry's own users, or nobody."""

    kind: str
    name: str


ANYBODY = Caller("anonymous", "")


class Access:
    """The token services of all registries."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self._world = world
        self._tokens = tokens

    def exchange(self, registry: Registry, form: Mapping[str, Any]) -> tuple[web.Response, str]:
        """A refresh token for an Entra token, and whose it is."""
        if form.get("grant_type") != "access_token":
            raise registry_error(400, "UNSUPPORTED", f"grant_type {form.get('grant_type')!r} is not supported")
        if form.get("service") != registry.host:
            raise registry_error(400, "UNSUPPORTED", f"service {form.get('service')!r} is not this registry")
        audiences = [REGISTRY_AUDIENCE, *(MANAGER_AUDIENCES if registry.arm_audience else ())]
        claims = self._tokens.read(str(form.get("access_token", "")), audiences)
        if claims is None or "appid" not in claims:
            raise registry_error(401, "UNAUTHORIZED", DENIED)
        named = form.get("tenant")
        if claims["tid"] != registry.tenant or (named and self._world.tenant(str(named)) is None):
            raise registry_error(401, "UNAUTHORIZED", DENIED)
        token = self._tokens.make(
            registry.refresh_token_seconds,
            sub=claims["appid"],
            aud=registry.host,
            iss="Azure Container Registry",
            version="1.0",
            grant_type="refresh_token",
            tenant=claims["tid"],
            permissions={"actions": ["read", "write", "metadata/read"]},
            roles=[],
            **({"aad_identity": claims["appid"]} if registry.abac else {}),
        )
        return web.json_response({"refresh_token": token}), claims["appid"]

    def give_token(
        self, registry: Registry, method: str, authorization: str, form: Mapping[str, Any], scopes: Iterable[str]
    ) -> tuple[web.Response, str]:
        """An access token for what of the scopes the caller may do, and whose it is.

        A token comes back with fewer actions where some are left; where none is left of any scope, 401, as the
        registry answers `docker pull` by an identity without a role.
        """
        caller = self._caller_of_token_request(registry, method, authorization, form)
        if form.get("service") != registry.host:
            raise registry_error(400, "UNSUPPORTED", f"service {form.get('service')!r} is not this registry")
        asked = [_parse_scope(scope) for scope in scopes]
        if registry.abac and any(need.kind == "repository" and "*" in need.name for need in asked):
            # Whatever else is asked for: https://github.com/Azure/acr-cli/issues/501
            raise registry_error(401, "UNAUTHORIZED", DENIED, [{"Type": n.kind, "Name": n.name} for n in asked])
        access = [self._grant(registry, caller, need) for need in asked]
        if (asked and not any(entry["actions"] for entry in access)) or (caller == ANYBODY and not asked):
            raise registry_error(401, "UNAUTHORIZED", DENIED, [{"Type": n.kind, "Name": n.name} for n in asked])
        token = self._tokens.make(
            registry.access_token_seconds,
            sub=caller.name,
            kind=caller.kind,
            aud=registry.host,
            iss="Azure Container Registry",
            version="1.0",
            grant_type="access_token",
            access=[entry for entry in access if entry["actions"]],
            roles=[],
        )
        return web.json_response({"access_token": token}), caller.name

    def authorize(self, registry: Registry, authorization: str, need: Need | None, realm_host: str) -> str:
        """Return whose request it is, or raise the challenge. The challenge names the host that the client used."""
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer":
            claims = self._tokens.read(value, registry.host)
            valid = claims is not None and claims.get("grant_type") == "access_token"
            if claims is not None and valid and (need is None or _covers(claims["access"], need)):
                return str(claims["sub"])
        elif scheme.lower() == "basic":
            caller = self._basic(registry, value)
            if caller is not None and caller.kind != "identity":
                allowed = need is None or set(need.actions) <= self._actions(registry, caller, need)
                if allowed:
                    return caller.name
        raise self._challenge(registry, need, realm_host, rejected=bool(authorization))

    def _challenge(self, registry: Registry, need: Need | None, realm_host: str, *, rejected: bool) -> Exception:
        parts = [f'Bearer realm="https://{realm_host}/oauth2/token"', f'service="{registry.host}"']
        if need is not None:
            parts.append(f'scope="{need.scope}"')
        if rejected:
            parts.append('error="invalid_token"')
        detail = [{"Type": need.kind, "Name": need.name, "Action": ",".join(need.actions)}] if need else None
        # Azure's own client wants no blank behind the commas.
        return registry_error(401, "UNAUTHORIZED", DENIED, detail, {"WWW-Authenticate": ",".join(parts)})

    def _caller_of_token_request(
        self, registry: Registry, method: str, authorization: str, form: Mapping[str, Any]
    ) -> Caller:
        caller: Caller | None = None
        grant = form.get("grant_type")
        if method == "POST" and grant == "refresh_token":
            caller = self._identity(registry, str(form.get("refresh_token", "")))
        elif method == "POST" and grant == "password":
            user = str(form.get("username") or "")
            caller = self._user(registry, user, str(form.get("password", ""))) if user else self._anonymous(registry)
        elif method == "GET" and authorization.lower().startswith("basic "):
            caller = self._basic(registry, authorization.partition(" ")[2])
        elif method == "GET" and not authorization:
            caller = self._anonymous(registry)
        elif method == "POST":
            raise registry_error(400, "UNSUPPORTED", f"grant_type {grant!r} is not supported")
        if caller is None:
            raise registry_error(401, "UNAUTHORIZED", DENIED)
        return caller

    def _anonymous(self, registry: Registry) -> Caller | None:
        return ANYBODY if registry.anonymous_pull else None

    def _basic(self, registry: Registry, value: str) -> Caller | None:
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self._user(registry, user, password)

    def _user(self, registry: Registry, user: str, password: str) -> Caller | None:
        if user == NULL_GUID:
            return self._identity(registry, password)
        if registry.admin and user in (registry.admin_name, registry.name) and _same(registry.admin, password):
            return Caller("admin", user)
        known = next((token for token in registry.tokens if token.name == user), None)
        return Caller("token", user) if known is not None and _same(known.password, password) else None

    def _identity(self, registry: Registry, refresh_token: str) -> Caller | None:
        claims = self._tokens.read(refresh_token, registry.host)
        if claims is None or claims.get("grant_type") != "refresh_token":
            return None
        return Caller("identity", str(claims["sub"]))

    def _grant(self, registry: Registry, caller: Caller, need: Need) -> dict[str, Any]:
        allowed = self._actions(registry, caller, need)
        actions = sorted(set(need.actions) & allowed) if "*" not in need.actions else sorted(allowed)
        return {"type": need.kind, "name": need.name, "actions": actions}

    def _actions(self, registry: Registry, caller: Caller, need: Need) -> frozenset[str]:
        if need.kind == "registry":
            return frozenset({"*"}) if caller.kind == "admin" and need.name == "catalog" else frozenset()
        if need.kind != "repository":
            return frozenset()
        if caller.kind == "admin":
            return EVERYTHING
        if caller.kind == "token":
            token = next(item for item in registry.tokens if item.name == caller.name)
            return token_actions(token, need.name)
        if caller.kind == "identity":
            principal = self._world.principal(caller.name, registry.tenant)
            return actions_of(principal, registry, need.name) if principal is not None else frozenset()
        return frozenset({"pull", "metadata_read"})


def find_need(method: str, path: str) -> Need | None:
    """What a request needs; None for the bare /v2/, which asks only whether the caller is known."""
    if path in ("/v2", "/v2/"):
        return None
    if path in ("/v2/_catalog", "/acr/v1/_catalog"):
        return Need("registry", "catalog", ("*",))
    metadata = re.fullmatch(r"/acr/v1/(.+?)(?:/_(?:tags|manifests)(?:/.*)?)?", path)
    if metadata:
        action = {"GET": "metadata_read", "PATCH": "metadata_write", "DELETE": "delete"}.get(method, "metadata_read")
        return Need("repository", metadata[1], (action,))
    content = re.fullmatch(r"/v2/(.+?)/(manifests|blobs|tags|referrers)/(uploads/)?.*", path)
    if content is None:
        raise registry_error(404, "NAME_UNKNOWN", f"there is nothing at {path}")
    if content[2] == "tags":
        return Need("repository", content[1], ("metadata_read",))
    if method == "DELETE" and not content[3]:
        return Need("repository", content[1], ("delete",))
    reading = method in ("GET", "HEAD") and not content[3]
    return Need("repository", content[1], ("pull",) if reading else ("pull", "push"))


def _parse_scope(scope: str) -> Need:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    if not kind or not name or not actions:
        raise registry_error(400, "UNSUPPORTED", f"scope {scope!r} is none")
    return Need(kind, name, tuple(actions.split(",")))


def _covers(access: Iterable[Mapping[str, Any]], need: Need) -> bool:
    entries = [entry for entry in access if entry["type"] == need.kind and entry["name"] in (need.name, "*")]
    have = {action for entry in entries for action in entry["actions"]}
    return "*" in have or set(need.actions) <= have


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
