"""The login in a docker config file, as the header that a registry takes.

https://github.com/docker/cli/blob/master/cli/config/types/authconfig.go
"""

from pathlib import Path
from typing import Any

from buildandpush.core.jsonvalue import parse_object


def read_authorization(path: Path, host: str) -> str:
    """The value of the header Authorization for a host.

    Raises OSError for a file that cannot be read, and ValueError for one without a login for the host.
    """
    try:
        auths: Any = parse_object(path.read_text())["auths"]
        entry: Any = auths[host]
        token, auth = entry.get("registrytoken"), entry.get("auth")
    except (KeyError, TypeError, AttributeError, ValueError):
        token = auth = None
    if isinstance(token, str) and token:
        return f"Bearer {token}"
    if isinstance(auth, str) and auth:
        return f"Basic {auth}"
    raise ValueError(f"the login Secret has no login for {host}")
