"""One repository of a registry: its manifests and blobs, and the token that it wants for them.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md and
https://distribution.github.io/distribution/spec/auth/token/
"""

import hashlib
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import parse_http_list, parse_keqv_list

from buildandpush.api.imagename import ImageName
from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.source.hidden import hide
from buildandpush.source.network.ask import Answer, Request, ask
from buildandpush.source.network.connection import PLAIN, VERIFIED, host_of
from buildandpush.source.network.download import Access, download, reason_of
from buildandpush.source.oci.login import NOBODY, Login
from buildandpush.source.report import SourceError

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_ACCEPT: Final = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        *INDEXES,
    )
)
_DOCKER_HUB: Final = "docker.io"
_MAX_MANIFEST: Final = 4 * 1024**2
"""Bytes. The specification asks registries to take as many."""
_MAX_WORDS: Final = 300
_MAX_TEXT: Final = 2048
_REALM: Final = "the address of the registry's token service"


@dataclass(frozen=True)
class Way:
    """How the registry is reached."""

    login: Login
    trust: Path | None = None
    """File of certificates; None for the usual ones."""
    tls: str = VERIFIED


class Repository:
    """One repository, read with one login."""

    def __init__(self, name: ImageName, way: Way) -> None:
        self._name = name
        self._way = way
        host = "registry-1.docker.io" if name.host == _DOCKER_HUB else name.host
        self._base = f"{'http' if way.tls == PLAIN else 'https'}://{host}"
        self._authorization = f"Bearer {way.login.bearer}" if way.login.bearer else ""
        self._stranger = ""
        """The host of the token service, if it is another one, so that no login goes there."""

    def fetch_manifest(self, reference: str) -> tuple[dict[str, Any], str]:
        """The manifest that a tag or digest names, and its digest; raises SourceError."""
        answer = self._get(f"manifests/{reference}", {"Accept": _ACCEPT})
        digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        announced = answer.headers.get("Docker-Content-Digest", digest)
        wanted = reference if ":" in reference else announced
        if wanted != digest and wanted.startswith("sha256:"):
            raise SourceError(
                Reason.SOURCE_CHECKSUM, f"the manifest of {reference} has the digest {digest} and not {wanted[:80]}"
            )
        return answer.read_object(), digest

    def fetch_blob(self, digest: str, size: int, target: Path, limits: SourceLimits) -> None:
        """Write a blob to the target. Raises SourceError, also if it has another digest or size."""
        headers = {"Authorization": self._authorization} if self._authorization else {}
        url = f"{self._base}/v2/{self._name.path}/blobs/{digest}"
        try:
            found = download(url, target, Access(headers, self._way.trust, self._way.tls), limits)
        except SourceError as error:
            raise SourceError(error.reason, self._hide(str(error))) from None
        got = target.stat().st_size
        if f"sha256:{found}" != digest or got != size:
            message = f"layer {digest} of {size} bytes has the digest sha256:{found} and {got} bytes"
            raise SourceError(Reason.SOURCE_CHECKSUM, message)

    def _get(self, path: str, headers: dict[str, str]) -> Answer:
        answer = self._ask(path, headers)
        if answer.status == 401 and not self._way.login.bearer:
            self._log_in(answer.headers)
            answer = self._ask(path, headers)
        if answer.status != 200:
            raise self._explain(answer)
        return answer

    def _ask(self, path: str, headers: dict[str, str]) -> Answer:
        sent = {**headers, "Authorization": self._authorization} if self._authorization else headers
        return self._send(Request("GET", f"{self._base}/v2/{self._name.path}/{path}", "the registry's address", sent))

    def _send(self, request: Request, tls: str = "") -> Answer:
        try:
            return ask(request, self._way.trust, _MAX_MANIFEST, tls or self._way.tls)
        except SourceError as error:
            raise SourceError(error.reason, self._hide(str(error))) from None

    # ---- the login

    def _log_in(self, headers: HTTPMessage) -> None:
        """Get what the registry's challenge asks for. The login goes to the registry's own host and no other."""
        challenge = find_challenge(headers.get_all("WWW-Authenticate") or [])
        if challenge is None:
            raise SourceError(Reason.SOURCE_DENIED, f"{self._name.host} wants a login in a way that is not known here")
        scheme, values = challenge
        if scheme == "basic":
            self._authorization = f"Basic {self._way.login.basic}" if self._way.login.basic else ""
            return
        answer = self._send(*self._token_request(values))
        if answer.status != 200:
            raise self._explain(answer)
        found = answer.read_object()
        token = found.get("access_token") or found.get("token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise SourceError(Reason.SOURCE_INVALID, f"{self._name.host} gives no token that can be used")
        self._authorization = f"Bearer {token}"

    def _token_request(self, values: dict[str, str]) -> tuple[Request, str]:
        """The request for a token to pull from this repository, and how its host is spoken to."""
        realm, what = values.get("realm", ""), _REALM
        login, tls = self._way.login, self._way.tls
        if not self._is_own(realm):
            tls = VERIFIED
            host, _ = host_of(realm, what, tls)
            self._stranger = host if login.secrets else ""
            login = NOBODY
        scope = {"scope": f"repository:{self._name.path}:pull"}
        query = {**({"service": values["service"]} if "service" in values else {}), **scope}
        if login.refresh_token:
            form = {"grant_type": "refresh_token", **query, "refresh_token": login.refresh_token}
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return Request("POST", realm, what, kind, urlencode(form).encode()), tls
        headers = {"Authorization": f"Basic {login.basic}"} if login.basic else {}
        return Request("GET", f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}", what, headers), tls

    def _is_own(self, realm: str) -> bool:
        """Whether an address is the registry's own, which may be written with its port or without."""
        scheme, what, tls = self._base.partition("//")[0], _REALM, self._way.tls
        return realm.startswith(f"{scheme}//") and host_of(realm, what, tls) == host_of(self._base, what, tls)

    # ---- what goes wrong

    def _explain(self, answer: Answer) -> SourceError:
        """What an answer that is no success means, with the registry's own words and what to do."""
        host, path = self._name.host, self._name.path
        words = self._hide(find_words(answer.read_object()), most=_MAX_WORDS)
        told = f"{answer.status}{f' {words}' if words else ''}"
        if answer.status == 404:
            name = f"{path}{'@' if self._name.digest else ':'}{self._name.reference}"
            return SourceError(Reason.REVISION_NOT_FOUND, f"{host} has no {name}: {told}")
        reason = reason_of(answer.status)
        if reason is not Reason.SOURCE_DENIED:
            pause = answer.headers.get("Retry-After", "")
            seconds = int(pause) if pause.isascii() and pause.isdigit() and len(pause) < 6 else 0
            return SourceError(reason, f"{host} answers {told}", retry_after_seconds=seconds)
        return SourceError(reason, f"{host} refuses {path}: {told}; {self._remedy()}")

    def _remedy(self) -> str:
        host = self._name.host
        if self._stranger:
            return f"its token service is {self._stranger}, and a connector's login goes to {host} alone"
        if self._way.login.secrets:
            return (
                "give the connector's identity the role AcrPull, or Container Registry Repository Reader if the "
                "registry has permissions for repositories"
            )
        return f"no connector of this build logs in to {host}: add the host to the registries of its connector"

    def _hide(self, text: str, most: int = _MAX_TEXT) -> str:
        return hide(text, [*self._way.login.secrets, *filter(None, (self._authorization,))], most=most)


def find_challenge(headers: list[str]) -> tuple[str, dict[str, str]] | None:
    """The first Bearer challenge with its values, or else a Basic one; None if there is neither."""
    basic = None
    for header in headers:
        scheme, _, rest = header.partition(" ")
        if scheme.lower() == "basic":
            basic = ("basic", {"": ""})
        if scheme.lower() == "bearer":
            try:
                values = parse_keqv_list(parse_http_list(rest))
            except (ValueError, IndexError):  # both from what is no list of names and values
                continue
            return "bearer", {name: str(value) for name, value in values.items()}
    return basic


def find_words(answer: dict[str, Any]) -> str:
    """Code and message of a registry's error, of any length; empty for an answer of another form."""
    try:
        first = answer["errors"][0]
        text = f"{first.get('code') or ''} {first.get('message') or ''}"
    except (LookupError, TypeError, AttributeError):
        return ""
    return " ".join(text.split())
