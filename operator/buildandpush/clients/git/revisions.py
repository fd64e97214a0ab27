"""What git servers say of revisions. An answer is looked up aside; until then a question has none.

Resources with the same repository, revision and login share an answer. A login is told from others by a keyed hash of
its content, with a key that only this process has.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Protocol

from buildandpush.api.reasons import Reason
from buildandpush.api.urls import find_server
from buildandpush.clients.azure.logins import Logins
from buildandpush.clients.errors import NotFoundError
from buildandpush.clients.git.lookups import Lookups, Subject
from buildandpush.clients.git.remote import GitLogin
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.recent import Recent
from buildandpush.core.build.questions import AskCommit, AskTouched
from buildandpush.core.facts import Commit, GitRevision, Owner, Trouble, Waiting
from buildandpush.source.report import SourceError

Place = tuple[str, str]
"""Namespace and name of a resource."""

_SEEN: Final = 16384
_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)


class Git(Protocol):
    """Asks a git server."""

    async def find_commit(self, at: GitRevision, login: GitLogin | None, *, details: bool) -> Commit:
        """The commit that a revision is at; raises SourceError."""

    async def is_touched(
        self, at: GitRevision, login: GitLogin | None, commits: tuple[str, str], paths: tuple[str, ...]
    ) -> bool:
        """Whether one of the paths differs between two commits; raises SourceError."""


class Revisions:
    """Answers of git servers."""

    def __init__(
        self, client: KubernetesClient, logins: Logins, git: Git, lookups: Lookups[Place, Commit | bool]
    ) -> None:
        """`lookups` wakes the resources that asked."""
        self._client = client
        self._logins = logins
        self._git = git
        self._lookups = lookups
        self._key = os.urandom(32)
        self._seen: Recent[tuple[str, str], str] = Recent(_SEEN)
        """What told the login of a namespace's question from others, the last time that its Secret was read."""

    async def find_commit(self, owner: Owner, asked: AskCommit) -> Commit | Trouble | None:
        """The commit that a revision is at, or None while that is looked up."""
        about = ("commit", asked.details)

        def look_up(login: GitLogin | None) -> Awaitable[Commit | bool]:
            return self._git.find_commit(asked.at, login, details=asked.details)

        found = await self._find(owner, asked.at, about, asked.since, look_up, begins=asked.begins)
        return found if isinstance(found, Commit | Trouble) else None

    async def find_touched(self, owner: Owner, asked: AskTouched) -> bool | Trouble | None:
        """Whether paths differ between two commits, or None while that is looked up. The answer holds for ever."""
        # The key is kept for long, and each new commit makes another.
        paths = hashlib.sha256("\0".join(asked.paths).encode()).hexdigest()
        about = ("paths", asked.old, asked.new, paths)

        def look_up(login: GitLogin | None) -> Awaitable[Commit | bool]:
            return self._git.is_touched(asked.at, login, (asked.old, asked.new), asked.paths)

        found = await self._find(owner, asked.at, about, _ANY_TIME, look_up)
        return found if isinstance(found, bool | Trouble) else None

    def forget(self, namespace: str, name: str) -> None:
        """A resource is gone. Nobody is asked any more what only this one wanted to know."""
        self._lookups.forget((namespace, name))

    async def _find(
        self,
        owner: Owner,
        at: GitRevision,
        about: tuple[Hashable, ...],
        since: datetime,
        look_up: Callable[[GitLogin | None], Awaitable[Commit | bool]],
        *,
        begins: bool = True,
    ) -> Commit | bool | Trouble | None:
        # Addresses and certificates are long, and the keys are kept for long.
        place = (owner.namespace, _digest(at))
        about = (*about, _digest(replace(at, secret="", connector="")))
        seen = self._seen.get(place)
        known = (*about, seen)
        found = self._lookups.find(known, since) if seen is not None else None
        if found is not None or not (begins or self._lookups.knows(known)):
            return found
        login = await self._read_login(owner.namespace, at)
        if isinstance(login, Trouble):
            return login
        told = self._seen.put(place, self._tell_apart(owner.namespace, at, login))
        key = (*about, told)
        found = self._lookups.find(key, since)
        if found is not None:
            return found

        async def work() -> Commit | bool:
            used = login if at.connector == "" else await self._log_in(owner.namespace, at.connector)
            return await look_up(used)

        return self._lookups.ask(key, Subject(find_server(at.url), told), (owner.namespace, owner.name), work)

    async def _read_login(self, namespace: str, at: GitRevision) -> GitLogin | Trouble | None:
        """The login of the Secret; None where there is none."""
        if not at.secret:
            return None
        try:
            body = await self._client.read_secret(namespace, at.secret)
        except NotFoundError:
            return Trouble(Reason.SECRET_MISSING, f"Secret {at.secret!r}")
        keys = {key: _decode(value) for key, value in (body.get("data") or {}).items()}
        return GitLogin(f"Secret {at.secret!r}", keys)

    async def _log_in(self, namespace: str, connector: str) -> GitLogin:
        """A token for the connector's identity; raises SourceError."""
        token = await self._logins.fetch_git_token(namespace, connector)
        if isinstance(token, Waiting):
            raise SourceError(token.reason, token.message)
        return GitLogin(f"AzureConnector {connector!r}", {"bearerToken": token})

    def _tell_apart(self, namespace: str, at: GitRevision, login: GitLogin | None) -> str:
        """What logins that may be the same have in common. It says nothing of their content."""
        if at.connector:
            return f"{namespace}/{at.connector}"
        if login is None:
            return ""
        return hmac.new(self._key, repr(sorted(login.keys.items())).encode(), hashlib.sha256).hexdigest()


def _digest(at: GitRevision) -> str:
    return hashlib.sha256(repr(at).encode()).hexdigest()


def _decode(value: str) -> str:
    try:
        return base64.b64decode(value or "").decode(errors="replace")
    except binascii.Error:
        return ""
