"""The login to a registry in the docker config that the pod mounts.

https://github.com/docker/cli/blob/master/cli/config/types/authconfig.go
"""

import base64
import binascii
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_NULL_GUID: Final = "00000000-0000-0000-0000-000000000000"
_BY_TOKEN: Final = frozenset({_NULL_GUID, "<token>"})
"""User names that say that the password is a refresh token: ACR's, and that of docker's credential helpers."""


@dataclass(frozen=True)
class Login:
    """One of the three is set; none for nobody in particular."""

    basic: str = field(default="", repr=False)
    """User name and password in base64."""
    refresh_token: str = field(default="", repr=False)
    """Is exchanged for a token to one repository."""
    bearer: str = field(default="", repr=False)
    """A token that the registry itself takes."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may hold."""
        return tuple(text for text in (self.basic, self.refresh_token, self.bearer) if text)


NOBODY: Final = Login()


def read_login(file: Path, host: str) -> Login:
    """The login to a host; NOBODY if the file is missing or holds none that can be read."""
    try:
        return _read_entry(json.loads(file.read_text())["auths"][host])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return NOBODY


def _read_entry(entry: dict[str, Any]) -> Login:
    token, identity, auth = (str(entry.get(name) or "") for name in ("registrytoken", "identitytoken", "auth"))
    if token:
        return Login(bearer=token)
    if identity:
        return Login(refresh_token=identity)
    try:
        user, _, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return NOBODY
    return Login(refresh_token=password) if user in _BY_TOKEN else Login(basic=auth)
