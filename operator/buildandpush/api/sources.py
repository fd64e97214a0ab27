"""Where the files of a build come from: the kinds of source."""

from typing import Annotated

from pydantic import Field

from buildandpush.api.base import ApiModel, Name, cel, rules

MAX_INLINE_FILES = 64
MAX_INLINE_BYTES = 128 * 1024


class GitSource(ApiModel):
    """A git repository."""

    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            description="Address of the repository, over https or http, without user name and password. "
            "Example: https://github.com/contoso/shop.git",
            json_schema_extra=rules(
                cel(
                    "self.matches('^https?://[^/]+')",
                    expression="""'source.git.url: "' + self + '" is no http(s) URL; write https://<host>/<path>'""",
                    message="source.git.url must begin with https:// or http://",
                ),
                cel(
                    "!self.matches('^[a-z]+://[^/]*@')",
                    message="source.git.url must not hold a user name or password",
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


class ConfigMapSource(ApiModel):
    """The keys of a ConfigMap as files."""

    name: Name = Field(description="Name of the ConfigMap in this namespace. Example: web-source")


class VolumeSource(ApiModel):
    """A folder of a volume that exists."""

    claim_name: Name = Field(description="Name of the PersistentVolumeClaim in this namespace. Example: workspace")
    path: str = Field("", max_length=1024, description="Folder in the volume. Default: its root. Example: checkout/web")


class ArchiveSource(ApiModel):
    """A tar archive from a web server."""

    url: str = Field(
        min_length=1,
        max_length=2048,
        description="Where the .tar.gz is, over https. Example: https://example.com/shop-1.4.2.tar.gz",
    )
    digest: str = Field(
        "", max_length=128, description="What the archive must hash to. Default: not checked. Example: sha256:0123…"
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
    config_map: ConfigMapSource | None = Field(None, description="The keys of a ConfigMap as files. Not supported yet.")
    persistent_volume_claim: VolumeSource | None = Field(None, description="A folder of a volume. Not supported yet.")
    archive: ArchiveSource | None = Field(None, description="A tar archive from a web server. Not supported yet.")
    oci: OciSource | None = Field(None, description="An OCI artifact. Not supported yet.")
    flux_source: FluxSource | None = Field(None, description="What a Flux object has fetched. Not supported yet.")

    def kinds(self) -> list[str]:
        """The kinds that are given, spelled as in the spec."""
        return sorted(self.to_dict())
