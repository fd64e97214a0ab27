"""The list of login Secrets. It is for the connectors' statuses, and limits the Secrets to what a status can list."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from buildandpush.api.connector import MAX_LOGINS, LoginStatus
from buildandpush.api.reasons import Reason
from buildandpush.core.azure.credential import Resolved
from buildandpush.core.azure.login import RegistryToken
from buildandpush.core.facts import Waiting


class LoginLedger:
    """The logins made since the start, by connector and name of their Secret."""

    def __init__(self, on_change: Callable[[str, str], None]) -> None:
        """`on_change` is called with namespace and name of a connector whose logins changed."""
        self._on_change = on_change
        self._made: dict[str, dict[str, LoginStatus]] = {}

    def note(self, name: str, opened: Mapping[str, Resolved], logins: Sequence[RegistryToken]) -> None:
        """A login is about to be made or renewed for these connectors, by uid."""
        ends = min((login.expires_at for login in logins if login.expires_at is not None), default=None)
        hosts = sorted(login.host for login in logins)
        status = LoginStatus(secret_name=name, registries=hosts, expires_at=ends)
        for uid, resolved in opened.items():
            made = self._made.setdefault(uid, {})
            if made.get(name) != status:
                made[name] = status
                self._on_change(resolved.connector.namespace, resolved.connector.name)

    def find_full(self, name: str, opened: Mapping[str, Resolved]) -> Waiting | None:
        """Whether a connector has as many login Secrets as its status can list. The operator would lose one more."""
        for uid, resolved in opened.items():
            known = resolved.connector.listed | set(self._made.get(uid, {}))
            if name not in known and len(known) >= MAX_LOGINS:
                detail = f"connector {resolved.connector.name!r} has {len(known)} login Secrets"
                return Waiting(Reason.TOO_MANY_LOGINS, detail)
        return None

    def of(self, uid: str) -> dict[str, LoginStatus]:
        """A connector's logins."""
        return dict(self._made.get(uid, {}))

    def lives(self, uid: str, name: str, now: datetime) -> bool:
        """Whether a login exists, or is just being made, that has not ended."""
        made = self._made.get(uid, {}).get(name)
        return made is not None and (made.expires_at is None or now < made.expires_at)

    def drop(self, uid: str, name: str) -> None:
        """A login is gone, or never existed."""
        self._made.get(uid, {}).pop(name, None)

    def forget(self, uid: str) -> None:
        """A connector is gone."""
        self._made.pop(uid, None)
