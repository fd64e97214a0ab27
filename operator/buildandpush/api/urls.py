"""Forms of addresses, hosts and revisions: what holds a login, what is Azure's, what DNS and git allow."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

_USER: Final = "[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"
_HOST: Final = "[A-Za-z0-9][A-Za-z0-9._-]{0,252}"
SSH_URL: Final = f"^ssh://({_USER})@({_HOST})(?::([0-9]{{1,5}}))?(/.+)$"
"""A repository over ssh: user, host, port and path."""
SCP_URL: Final = f"^({_USER})@({_HOST}):([^-].*)$"
"""The short form of the same: user, host and path. https://git-scm.com/docs/git-clone#_git_urls"""
URL_WITH_USER: Final = r"^https://[A-Za-z0-9._%-]{1,64}@(dev[.]azure[.]com|bitbucket[.]org)/"
"""Clone addresses of these git services name a user. On other hosts a token often stands in that place."""
SIGNED_URL: Final = r"(?i)[?&;]([a-z_-]*[_-])?(sig|signature|token|password|secret|api[_-]?key)="
"""A query that holds a signature or a login, such as Azure's sig=, GitLab's private_token= and X-Goog-Signature=."""
AZURE_SSH_HOST: Final = r"(?i)ssh[.]dev[.]azure[.]com|vs-ssh[.]visualstudio[.]com"
"""Azure Repos over ssh: https://learn.microsoft.com/azure/devops/repos/git/use-ssh-keys-to-authenticate"""
AZURE_REPOS: Final = "dev.azure.com"
"""Stands for Azure Repos wherever a login needs the name of a host. One token serves all of its addresses."""
AZURE_REPOS_URL: Final = (
    r"^https://([A-Za-z0-9._%-]{1,64}@)?(dev[.]azure[.]com|[A-Za-z0-9-]{1,63}[.]visualstudio[.]com)/"
)
"""https://learn.microsoft.com/azure/devops/organizations/security/allow-list-ip-url"""
NO_REVISION: Final = r"^[-+/]|[/.]$|//|[.][.]|@[{]|(^|/)[.]|[.]lock(/|$)|[\x00-\x20\x7f~^:?*\[\\]|^@$"
"""What no name of a branch or tag has: https://git-scm.com/docs/git-check-ref-format. A leading plus is allowed there,
but asks git to overwrite a ref. A leading dash would be an option."""
AZURE_STORAGE: Final = "blob.core.windows.net"
"""Stands for Azure Storage wherever a login needs the name of a host. One token serves all accounts, in every cloud."""
AZURE_BLOB_URL: Final = (
    r"^https://[a-z0-9-]{3,63}[.]blob[.]core[.](windows[.]net|usgovcloudapi[.]net|chinacloudapi[.]cn)/"
    r"[^/?#]+/[^?#]+([?][^#]*)?$"
)
"""An account, a container and a blob. Sources: https://learn.microsoft.com/azure/storage/common/storage-account-overview
and https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure"""
HOST_GRAMMAR: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?([.][a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*(:[0-9]{1,5})?"
"""A host as DNS knows it, in lower case, with or without a port. No client can ask for a name with an empty label or
one of more than 63 characters."""


def is_among(host: str, allowed: Iterable[str]) -> bool:
    """Whether a host, in lower case, is one of those that the installer allows, as names or as *.example.com."""
    host = host.rstrip(".")
    return any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in allowed)


def find_server(url: str) -> str:
    """The host and port of a git URL in any form, in lower case and without the user. Empty where it names no server.
    Examples: github.com, git.example.com:2222"""
    short = re.match(SCP_URL, url.strip())
    if short:
        return short[2].lower()
    try:
        return urlsplit(url.strip()).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
