"""Logins that several builds ask for at the same time. The API server, and whoever else, is asked once for all."""

from functools import partial
from typing import Any

from buildandpush.clients.azure.logins import Logins
from buildandpush.clients.shared import Shared
from buildandpush.core.azure.login import Credentials
from buildandpush.core.facts import LoginNeed, LoginSecretRef, Waiting


class SharedLogins(Logins):
    """Logins, each asked for once by all who need it. No answer is older than its question."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asked: Shared[tuple[str, tuple[LoginNeed, ...]], LoginSecretRef | Waiting] = Shared()
        self._asked_credentials: Shared[tuple[str, str, str], Credentials | Waiting] = Shared()

    async def ensure_login(
        self, namespace: str, needs: tuple[LoginNeed, ...], *, renewal: bool = False
    ) -> LoginSecretRef | Waiting:
        """A login Secret that build pods can mount. Renewals are nearly always answered from memory."""
        find = partial(super().ensure_login, namespace, needs, renewal=renewal)
        return await (find() if renewal else self._asked.ask((namespace, needs), find))

    async def find_credentials(self, namespace: str, connector_ref: str, host: str) -> Credentials | Waiting:
        """The credentials that the operator itself uses for a host."""
        find = partial(super().find_credentials, namespace, connector_ref, host)
        return await self._asked_credentials.ask((namespace, connector_ref, host), find)
