"""An ACR's own logins: an Entra token exchanged for a refresh token, and that for a token to some repositories.

Protocol: https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md. No client of Azure's gives out the refresh
token, which is what build pods log in with.
"""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

import aiohttp
import structlog

from buildandpush.clients.bounded import read_bounded
from buildandpush.clients.outside import Outside
from buildandpush.clients.traffic.circuits import find_distrust
from buildandpush.clients.traffic.pauses import Pauses, read_pause, read_pause_of
from buildandpush.core.azure.errors import (
    UNTOLD,
    LoginError,
    LoginProblem,
    classify_access,
    classify_exchange,
    distrusts_registry,
    unreachable,
)
from buildandpush.core.azure.token import is_token
from buildandpush.core.foreign import Admitted, admit
from buildandpush.core.jsonvalue import UnreadableError, parse_json, parse_object

_log = structlog.get_logger(__name__)

_MAX_BYTES: Final = 64 * 1024
_Form = dict[str, str] | list[tuple[str, str]]
_Classify = Callable[[str, int, Admitted], LoginProblem]


class AcrClient:
    """Requests to the token services of registries. No redirect is followed, so nothing goes to any other host."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._pauses: Pauses[tuple[str, str, str], LoginProblem] = Pauses()
        """By host, path and a hash of the token that is sent."""

    async def exchange(self, host: str, tenant: str | None, token: str, *, ca_bundle: str = "") -> str:
        """Exchange an Entra token for the registry's refresh token; raises LoginError."""
        form = {"grant_type": "access_token", "service": host, "access_token": token}
        if tenant:
            form["tenant"] = tenant
        answer = await self._post(host, "exchange", form, ca_bundle, token, classify_exchange)
        return await self._read(host, answer, "refresh_token")

    async def fetch_access_token(self, host: str, refresh_token: str, scopes: list[str], *, ca_bundle: str = "") -> str:
        """A token for those of the scopes that the identity may use; raises LoginError."""
        form = [("grant_type", "refresh_token"), ("service", host), ("refresh_token", refresh_token)]
        scoped = [*form, *(("scope", scope) for scope in scopes)]
        answer = await self._post(host, "token", scoped, ca_bundle, refresh_token, classify_access)
        return await self._read(host, answer, "access_token")

    async def _post(
        self, host: str, path: str, form: _Form, ca_bundle: str, hidden: str, classify: _Classify
    ) -> dict[str, Any]:
        """The answer's JSON object. An error holds `hidden` in no form, though a proxy may send back what it got."""
        key = (host, path, sha256(hidden.encode()).hexdigest())
        paused = self._pauses.find(key)
        if paused is not None:
            raise LoginError(replace(paused[0], retry_after_seconds=paused[1]))
        url = f"https://{host}/oauth2/{path}"
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            session = await self._outside.session(ca_bundle)
            async with session.post(url, data=form, headers=headers, allow_redirects=False) as response:
                body = (await read_bounded(response.content, _MAX_BYTES, cut=True)).decode(errors="replace")
                status, pause = response.status, read_pause(response.status, response.headers)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: an invalid host name. OpenSSL's errors are OSErrors.
            distrust, trouble = find_distrust(error), admit(str(error) or type(error).__name__, [hidden])
            problem = distrusts_registry(host, distrust) if distrust else unreachable(host, trouble)
            problem = await self._tell(problem, host)
            raise LoginError(replace(problem, retry_after_seconds=read_pause_of(error))) from None
        if status != 200:
            words = _find_words(body)
            told = admit(body if words is None else words, [hidden], cut_behind=len(body) >= _MAX_BYTES)
            problem = classify(host, status, told)
            problem = await self._tell(problem, host) if words is None else problem
            self._pauses.note(key, pause, problem)
            raise LoginError(replace(problem, retry_after_seconds=pause))
        try:
            return parse_object(body)
        except UnreadableError as error:
            detail = f"the answer is not a registry's ({error}): {admit(body, [hidden])[:80]}"
            raise LoginError(await self._tell(unreachable(host, detail), host)) from None

    async def _read(self, host: str, answer: dict[str, Any], name: str) -> str:
        value = answer.get(name)
        if not isinstance(value, str) or not is_token(value):
            raise LoginError(await self._tell(unreachable(host, f"the answer holds no {name}"), host))
        return value

    async def _tell(self, problem: LoginProblem, host: str) -> LoginProblem:
        """What users are told of a host that did not answer as a registry does."""
        if await self._outside.may_tell(host):
            return problem
        _log.warning("registry.unreachable", host=host, error=problem.detail)
        return unreachable(host, UNTOLD)


def _find_words(body: str) -> str | None:
    """The message in a registry's error; None for an answer of another form."""
    try:
        first = parse_json(body)["errors"][0]
        return f"{first.get('code', '')} {first.get('message', '')}"
    except (UnreadableError, LookupError, TypeError, AttributeError):
        return None
