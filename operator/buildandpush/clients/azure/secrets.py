"""The Secrets that build pods mount. The operator writes and removes only its own Secrets."""

from collections.abc import Callable
from datetime import datetime

from buildandpush.clients.errors import ConflictError, NotFoundError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.kubernetes.transport import Object
from buildandpush.core.azure.credential import Connector
from buildandpush.core.azure.login import is_ours, owners_of, read_login_secret


class LoginSecrets:
    """Login Secrets at the API server."""

    def __init__(self, client: KubernetesClient, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock

    async def read(self, shape: Object) -> Object | None:
        """The Secret of this name; None where there is none."""
        try:
            return await self._client.read_secret(shape["metadata"]["namespace"], shape["metadata"]["name"])
        except NotFoundError:
            return None

    async def write(self, wanted: Object, existing: Object | None) -> Object:
        """Create the Secret, or update our own. A Secret of somebody else is returned as it is."""
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        if existing is None:
            try:
                return await self._client.create_secret(wanted)
            except ConflictError as error:
                if error.reason != "AlreadyExists":
                    raise
                existing = await self._client.read_secret(namespace, name)
        if not is_ours(existing, owners_of(wanted)) or existing.get("data") == wanted["data"]:
            return existing
        version = existing["metadata"]["resourceVersion"]
        # null removes old keys, which a merge patch would keep.
        gone = dict.fromkeys(set(existing.get("data") or {}) - set(wanted["data"]))
        body = {"metadata": {"resourceVersion": version}, "data": {**gone, **wanted["data"]}}
        return await self._client.patch_secret(namespace, name, body)

    async def remove(self, connector: Connector, name: str) -> bool:
        """Delete one of our login Secrets if all its logins have ended. Returns whether it is gone."""
        try:
            secret = await self._client.read_secret(connector.namespace, name)
        except NotFoundError:
            return True
        metadata = secret["metadata"]
        now = self._clock()
        alive = any(login.expires_at is None or now < login.expires_at for login in read_login_secret(secret).values())
        if alive or not is_ours(secret, {connector.uid}):
            return False
        try:
            await self._client.delete_secret(
                connector.namespace, name, uid=metadata["uid"], version=metadata["resourceVersion"]
            )
        except NotFoundError:
            return True
        except ConflictError:
            return False  # renewed meanwhile
        return True
