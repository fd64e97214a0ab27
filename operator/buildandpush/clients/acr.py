"""An ACR's own logins: an Entra token exchanged for a refresh token, and that for a token to some repositories.

Protocol: https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md. No client of Azure's gives out the refresh
token, which is what build pods log in with.
"""

import json
import ssl
from typing import Any, Final

import aiohttp

from buildandpush.clients.outside import Outside
from buildandpush.core.azure_error import LoginError, classify_exchange, unreachable

_MAX_BYTES: Final = 64 * 1024


class AcrClient:
    """Requests to the token services of registries. Nothing goes to any other host: no redirect is followed."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def exchange(self, host: str, tenant: str | None, token: str, *, ca_bundle: str = "") -> str:
        """The registry's refresh token for an Entra token; raises LoginError."""
        form = {"grant_type": "access_token", "service": host, "access_token": token}
        if tenant:
            form["tenant"] = tenant
        answer = await self._post(host, "exchange", form, ca_bundle)
        return _read(host, answer, "refresh_token")

    async def fetch_access_token(self, host: str, refresh_token: str, scopes: list[str], *, ca_bundle: str = "") -> str:
        """A token for these scopes, or for what of them the identity is allowed; raises LoginError."""
        form = [("grant_type", "refresh_token"), ("service", host), ("refresh_token", refresh_token)]
        answer = await self._post(host, "token", [*form, *(("scope", scope) for scope in scopes)], ca_bundle)
        return _read(host, answer, "access_token")

    async def _post(
        self, host: str, path: str, form: dict[str, str] | list[tuple[str, str]], ca_bundle: str
    ) -> dict[str, Any]:
        url = f"https://{host}/oauth2/{path}"
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            session = self._outside.session(ca_bundle)
            async with session.post(url, data=form, headers=headers, allow_redirects=False) as response:
                body = (await response.content.read(_MAX_BYTES)).decode(errors="replace")
                status = response.status
        except (TimeoutError, aiohttp.ClientError, ssl.SSLError, OSError) as error:
            raise LoginError(unreachable(host, str(error) or type(error).__name__)) from None
        if status != 200:
            raise LoginError(classify_exchange(host, status, _words(body)))
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise LoginError(unreachable(host, f"the answer is not a registry's: {body[:80]}"))
        return answer


def _words(body: str) -> str:
    """The message in a registry's error, or the body as it is."""
    try:
        first = json.loads(body)["errors"][0]
        return f"{first.get('code', '')} {first.get('message', '')}"
    except (ValueError, LookupError, TypeError, AttributeError):
        return body


def _read(host: str, answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise LoginError(unreachable(host, f"the answer holds no {name}"))
    return value
