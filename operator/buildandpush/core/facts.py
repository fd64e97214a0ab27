"""Plain values that several stages share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from buildandpush.api.reasons import Reason


@dataclass(frozen=True)
class Owner:
    """The resource that a pod belongs to."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class LoginSecretRef:
    """The docker config Secret of a build, and the hosts whose CA certificate it holds."""

    secret_name: str | None
    """None for a build that logs in nowhere."""
    ca_hosts: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    """The Secrets it was made from, each with a digest as in Inputs."""
    renew_at: datetime | None = None
    """When it is renewed; None where it does not end."""
    identity_hosts: tuple[str, ...] = ()
    """The hosts that it logs in to as an identity of Azure's, and not by a user name and password."""
    hosts: tuple[str, ...] = ()
    """The registries that it logs in to."""


@dataclass(frozen=True)
class Waiting:
    """Something a build needs is not there yet; it heals by itself."""

    reason: Reason
    message: str
    remedy: str = ""
    """What helps, where that is known better than by the reason."""


@dataclass(frozen=True)
class LoginNeed:
    """What a build needs from one connector."""

    connector: str
    hosts: tuple[str, ...] = ()
    """Hosts to log in to; empty for all that the connector's registries name."""
    push: tuple[str, ...] = ()
    """Repositories that are pushed to, host included."""
    cache: tuple[str, ...] = ()
    """Repositories that layers are cached in, host included. A build goes on without the right to push there."""
    pull: tuple[str, ...] = ()
    """Repositories that the source is pulled from, host included. Only hosts that are logged in to anyway count."""
    service: str = ""
    """Host that stands for the service that a token of Entra ID is for, such as dev.azure.com; empty for registries."""


@dataclass(frozen=True)
class ReadBack:
    """What the registry says about the pushed image."""

    tags: Mapping[str, str | None]
    """Digest per tag; None where the registry has no such tag."""
    digest_found: bool
    problem: str = ""
    """Why the registry could not be read, else empty."""
    passing: bool = False
    """Whether that may be over a moment later."""
    retry_after_seconds: int = 0
    """How long the registry wants to be left alone; 0 if it does not say."""
    size_bytes: int | None = None
    """Of the layers and the config, compressed."""
    media_type: str | None = None
    platform: str | None = None
    """Such as linux/amd64; None for an index."""


@dataclass(frozen=True)
class Proof:
    """Whether an image in the registry says of itself that a run made it."""

    digest: str | None
    """The image's digest; None where there is no such image, or the registry cannot be read."""
    problem: str = ""
    """Why the registry could not be read, else empty."""
    passing: bool = False
    """Whether that may be over a moment later."""
    retry_after_seconds: int = 0
    """How long the registry wants to be left alone; 0 if it does not say."""


@dataclass(frozen=True)
class Pushed:
    """What kaniko's log says was pushed to a repository."""

    digests: tuple[str, ...] = ()
    """Each digest once, in the order of the log. More than one says that somebody else wrote into the log too."""


@dataclass(frozen=True)
class Links:
    """What the resource manager and the portal say about the registry of the push."""

    reason: Reason
    message: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    """Tag and its address in the portal; empty unless the registry was found."""


@dataclass(frozen=True)
class GitRevision:
    """A revision of a git repository, and how its server is logged in to."""

    url: str
    revision: str = ""
    """Empty for the default branch."""
    secret: str = ""
    """Name of the Secret with the login; empty for none."""
    connector: str = ""
    """Name of the AzureConnector that logs in; empty for none."""
    ca_bundle: str = ""
    ignore_host_key: bool = False
    """Over ssh: whether every server is taken for the one of the URL."""


@dataclass(frozen=True)
class Trouble:
    """Why a git server could not be asked, or what it refused."""

    reason: Reason
    message: str
    passing: bool = False
    """Whether it may be over a moment later, through nobody's doing."""
    count: int = 1
    """How many times in a row it was asked in vain."""
    retry_at: datetime | None = None
    """When it is asked again."""


@dataclass(frozen=True)
class Commit:
    """What a revision is at."""

    commit: str
    """Id of the commit, 40 or 64 hexadecimal digits."""
    ref: str = ""
    """Full name of the branch or tag, such as refs/heads/main; empty for a commit's id."""
    author: str = ""
    message: str = ""
    """First line of its message. This and the author are empty where nobody asked for them."""


@dataclass(frozen=True)
class FluxArtifact:
    """What a source object of Flux has fetched, as an archive that source-controller serves."""

    url: str
    digest: str
    """Of the archive, such as sha256:9f86…"""
    revision: str
    """In Flux's own form, such as main@sha1:…"""


@dataclass(frozen=True)
class Inputs:
    """Secrets and ConfigMaps ("Kind/name"), each with a digest of the values that are used; empty where they cannot be
    read. A client's digests are plain; a decision sees them keyed, as they may stand in a status."""

    versions: tuple[tuple[str, str], ...] = ()
