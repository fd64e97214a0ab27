"""The login to a git server, from the Secret that the pod mounts.

It reaches git as a header in git's environment. So it stands in no argument, no URL and no file of the repository, and
git sends it to the one host that its setting names.
"""

import base64
from pathlib import Path
from typing import Final

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError

MOUNT: Final = Path(meta.GIT_LOGIN_MOUNT)
_ANY_USER: Final = "git"
"""Goes with a token where neither the Secret nor the URL names a user. GitHub, GitLab and Azure Repos take any name."""


def read_header(folder: Path, origin: str, url_user: str = "") -> str:
    """The Authorization header; raises SourceError where there is no login."""
    bearer = _read(folder, "bearerToken")
    if bearer:
        return f"Authorization: Bearer {_plain(bearer, origin, 'bearerToken')}"
    password = _read(folder, "password")
    if not password:
        raise SourceError(
            Reason.SOURCE_DENIED,
            f"{origin} holds no login; give it the keys username and password, or bearerToken",
        )
    user = _read(folder, "username") or url_user or _ANY_USER
    if ":" in user:
        raise SourceError(
            Reason.SOURCE_DENIED, f"the username in {origin} holds a colon, which no login can; correct it"
        )
    login = f"{_plain(user, origin, 'username')}:{_plain(password, origin, 'password')}"
    return f"Authorization: Basic {base64.b64encode(login.encode()).decode()}"


def _read(folder: Path, key: str) -> str:
    """A key's value, without the line break that a file usually ends with. Empty where the key is missing."""
    try:
        return (folder / key).read_text(errors="replace").strip()
    except FileNotFoundError:
        return ""


def _plain(value: str, origin: str, key: str) -> str:
    """The value, which a header can carry. Never names the value itself."""
    if not value.isprintable():
        raise SourceError(
            Reason.SOURCE_DENIED, f"the {key} in {origin} holds a character that is not printable; correct it"
        )
    return value
