"""The login to a git server, from the Secret that the pod mounts.

It reaches git as a header in git's environment. So it stands in no argument, no URL and no file of the repository, and
git sends it to the one host that its setting names.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.source.git import githubapp, sshkey
from buildandpush.source.report import SourceError

MOUNT: Final = Path(meta.GIT_LOGIN_MOUNT)
_KEYS: Final = ("username", "password", "bearerToken", *githubapp.KEYS, *sshkey.KEYS, sshkey.KNOWN_HOSTS)
_ANY_USER: Final = "git"
"""Goes with a token where neither the Secret nor the URL names a user. GitHub, GitLab and Azure Repos take any name."""


def read_keys(folder: Path) -> dict[str, str]:
    """The keys of the Secret that are files in the folder."""
    return {key: (folder / key).read_text(errors="replace") for key in _KEYS if (folder / key).exists()}


def make_header(keys: Mapping[str, str], origin: str, url_user: str = "") -> str:
    """The Authorization header from a Secret's keys; raises SourceError where they hold no login. Line breaks that a
    file usually ends with do not count."""
    values = {key: value.strip() for key, value in keys.items()}
    if values.get("bearerToken"):
        return f"Authorization: Bearer {_plain(values['bearerToken'], origin, 'bearerToken')}"
    password = values.get("password")
    if not password:
        keys_of_https = "give it the keys username and password, or bearerToken"
        if any(values.get(name) for name in sshkey.KEYS):
            raise SourceError(
                Reason.SOURCE_DENIED,
                f"{origin} holds an ssh key, which is no login for https; write the url as ssh://git@<host>/<path>, or "
                f"{keys_of_https}",
            )
        raise SourceError(Reason.SOURCE_DENIED, f"{origin} holds no login; {keys_of_https}")
    user = values.get("username") or url_user or _ANY_USER
    if ":" in user:
        raise SourceError(
            Reason.SOURCE_DENIED, f"the username in {origin} holds a colon, which no login can; correct it"
        )
    login = f"{_plain(user, origin, 'username')}:{_plain(password, origin, 'password')}"
    return f"Authorization: Basic {base64.b64encode(login.encode()).decode()}"


def _plain(value: str, origin: str, key: str) -> str:
    """The value, which a header can carry. Never names the value itself."""
    if not value.isprintable():
        raise SourceError(
            Reason.SOURCE_DENIED, f"the {key} in {origin} holds a character that is not printable; correct it"
        )
    return value
