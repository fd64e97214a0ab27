"""Where the files of a build come from: the kinds of source."""

from typing import Annotated

from pydantic import ConfigDict, Field

from buildandpush.api.base import MAP_BY_KEY, ApiModel, Name, cel, pem_rules, rules
from buildandpush.api.urls import AZURE_REPOS_URL, SIGNED_URL, URL_WITH_USER

MAX_INLINE_FILES = 64
MAX_INLINE_BYTES = 128 * 1024
_HEADERS = "put it into a Secret and name it in source.archive.headersRef"
MAX_CA_BYTES = 32 * 1024
"""The certificates travel in an annotation of the pod."""


class SourceSecretReference(ApiModel):
    """A Secret of the same namespace with a login to the server of the source."""

    name: Name = Field(description="Name of the Secret. Example: git-login")


class GitSource(ApiModel):
    """A git repository."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.credentialsRef) || self.url.startsWith('https://')",
                message="source.git.credentialsRef needs an https:// url: over http anybody on the way reads the login",
            ),
            cel(
                "!has(self.connectorRef) || !has(self.credentialsRef)",
                message="source.git has credentialsRef and connectorRef; give one of them",
            ),
            cel(
                f"!has(self.connectorRef) || self.url.matches('{AZURE_REPOS_URL}')",
                message="source.git.connectorRef logs in to Azure Repos alone (https://dev.azure.com/… or "
                "https://<organization>.visualstudio.com/…); for other servers use credentialsRef",
            ),
        )
    )

    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            description="Address of the repository, over https or http, without a password. The user name that Azure "
            "Repos and Bitbucket put into their clone address may stay. "
            "Example: https://github.com/contoso/shop.git",
            json_schema_extra=rules(
                cel(
                    "self.matches('^https?://[^/]+')",
                    expression="""'source.git.url: "' + self + '" is no http(s) URL; write https://<host>/<path>'""",
                    message="source.git.url must begin with https:// or http://",
                ),
                cel(
                    f"!self.matches('^[a-z]+://[^/]*@') || self.matches('{URL_WITH_USER}')",
                    message="source.git.url must not hold a user name or password; put them into a Secret and name it "
                    "in source.git.credentialsRef",
                ),
            ),
        ),
    ]
    revision: str = Field(
        "",
        max_length=256,
        description="Branch, tag, full ref or full commit id. Default: the repository's default branch. "
        "Example: v1.4.2",
        json_schema_extra=rules(
            cel(
                "self == '' || self.matches('^[A-Za-z0-9_][A-Za-z0-9._/+@-]*$')",
                expression="""'source.git.revision: "' + self + '" is no branch, tag or commit'""",
                message="source.git.revision must be a branch, tag, ref or commit id",
            )
        ),
    )
    credentials_ref: SourceSecretReference | None = Field(
        None,
        description="Secret with the login to the git server, for https. Its keys: `username` and `password`, as in "
        "Secrets of type kubernetes.io/basic-auth. A token is the password; most servers take any user name with it, "
        "so `username` may be left out. Or `bearerToken`, which is sent as such. The login is sent to the host of url "
        "and to no other. Default: no login.",
    )
    connector_ref: Name | None = Field(
        None,
        description="AzureConnector whose identity reads the repository in Azure Repos. The operator gives the build a "
        "token of Entra ID that lives for about an hour. The identity has to be a user of the organization with read "
        "access to the repository. Example: acr",
    )
    ca_bundle: str | None = Field(
        None,
        max_length=MAX_CA_BYTES,
        description="Certificates in PEM form that the git server is trusted by, beside the usual ones.",
        json_schema_extra=pem_rules("source.git.caBundle"),
    )
    keep_git_dir: bool | None = Field(
        None,
        description="Keep the .git folder in the source. It differs at each fetch, so layers that copy it come from no "
        "cache. Default: false.",
    )


class InlineSource(ApiModel):
    """Files written out in the resource itself."""

    files: dict[str, Annotated[str, Field(max_length=MAX_INLINE_BYTES)]] = Field(
        description="File contents by path relative to the source's root, 128 KiB in all. "
        'Example: {"Dockerfile": "FROM scratch"}. Apply more than 40 KiB with kubectl apply --server-side: without it '
        "kubectl keeps a copy in an annotation, and the API server refuses one that is too long.",
        min_length=1,
        max_length=MAX_INLINE_FILES,
    )


class ConfigMapItem(ApiModel):
    """One key of a ConfigMap, and the path of its file."""

    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._-]+$")] = Field(
        description="Key of the ConfigMap. Example: app.py"
    )
    path: str = Field(
        min_length=1,
        max_length=1024,
        description="Path of the file, relative to the source's root. Example: web/app.py",
    )


class ConfigMapSource(ApiModel):
    """The keys of a ConfigMap as files."""

    name: Name = Field(description="Name of the ConfigMap in this namespace. Example: web-source")
    items: list[ConfigMapItem] | None = Field(
        None,
        min_length=1,
        max_length=MAX_INLINE_FILES,
        description="The keys to take, each with the path of its file. Default: every key is a file of that name in "
        "the source's root.",
        json_schema_extra=MAP_BY_KEY,
    )


class VolumeSource(ApiModel):
    """A folder of a volume that exists. The build pod mounts it read-only."""

    claim_name: Name = Field(description="Name of the PersistentVolumeClaim in this namespace. Example: workspace")
    path: str | None = Field(
        None, max_length=1024, description="Folder in the volume. Default: the volume's root. Example: checkout/web"
    )


class ArchiveSource(ApiModel):
    """A tar or zip archive from a web server."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "has(self.sha256) != (has(self.unverified) && self.unverified)",
                message="source.archive: give the archive's sha256, or unverified: true if its content may change",
            )
        )
    )

    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            description="Where the .tar, .tar.gz, .tar.bz2, .tar.xz or .zip is, over https. "
            "Example: https://example.com/shop-1.4.2.tar.gz",
            json_schema_extra=rules(
                cel("self.matches('^https://[^/]+')", message="source.archive.url must begin with https://"),
                cel(
                    "!self.matches('^[a-z]+://[^/]*@')", message=f"source.archive.url must not hold a login; {_HEADERS}"
                ),
                cel(
                    f"!self.matches('{SIGNED_URL}')",
                    message=f"source.archive.url must not hold a signature or token; {_HEADERS}",
                ),
            ),
        ),
    ]
    sha256: Annotated[str, Field(max_length=64, pattern="^[0-9a-f]{64}$")] | None = Field(
        None, description="What the archive must hash to, as sha256sum prints it. Example: 9f86d08…"
    )
    unverified: bool | None = Field(
        None,
        description="true: take the archive without a checksum. Whoever answers at the address decides what is built.",
    )
    strip_components: int | None = Field(
        None,
        ge=0,
        le=16,
        description="How many leading folders of each path are left out. Archives of GitHub and GitLab have one. "
        "Default: 0",
    )
    headers_ref: SourceSecretReference | None = Field(
        None,
        description="Secret whose keys are sent as headers, such as Authorization or PRIVATE-TOKEN. They go to the "
        "host of url and to no other. Default: none.",
    )
    ca_bundle: str | None = Field(
        None,
        max_length=MAX_CA_BYTES,
        description="Certificates in PEM form that the web server is trusted by, beside the usual ones.",
    )


class OciSource(ApiModel):
    """An OCI artifact with the files as a layer."""

    image: str = Field(
        min_length=1, max_length=512, description="The artifact. Example: contoso.azurecr.io/source/shop:v1"
    )


class FluxSource(ApiModel):
    """What a Flux source object has fetched."""

    kind: Annotated[str, Field(json_schema_extra={"enum": ["GitRepository", "OCIRepository", "Bucket"]})] = Field(
        description="Kind of the Flux object: GitRepository, OCIRepository or Bucket. Example: GitRepository"
    )
    name: Name = Field(description="Its name in this namespace. Example: shop")


class Source(ApiModel):
    """Where the files of the build come from: exactly one kind."""

    git: GitSource | None = Field(None, description="A git repository, fetched at one revision.")
    inline: InlineSource | None = Field(None, description="Files written out here; for small builds and first tries.")
    config_map: ConfigMapSource | None = Field(None, description="The keys of a ConfigMap as files; up to 1 MiB.")
    persistent_volume_claim: VolumeSource | None = Field(
        None,
        description="A folder of a volume, such as a pipeline's workspace. It is copied before the build, so that "
        "nothing changes while it runs; every user has to be able to read its files.",
    )
    archive: ArchiveSource | None = Field(None, description="A tar or zip archive from a web server.")
    oci: OciSource | None = Field(None, description="An OCI artifact. Not supported yet.")
    flux_source: FluxSource | None = Field(None, description="What a Flux object has fetched. Not supported yet.")

    def kinds(self) -> list[str]:
        """The kinds that are given, spelled as in the spec."""
        return sorted(self.to_dict())
