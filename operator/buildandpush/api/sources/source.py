"""Where the files of a build come from: exactly one kind."""

from pydantic import Field

from buildandpush.api.base import ApiModel
from buildandpush.api.sources.archive import ArchiveSource
from buildandpush.api.sources.files import ConfigMapSource, InlineSource, VolumeSource
from buildandpush.api.sources.flux import FluxSource
from buildandpush.api.sources.git import GitSource
from buildandpush.api.sources.oci import OciSource
from buildandpush.api.sources.upload import UploadSource


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
    upload: UploadSource | None = Field(
        None,
        description="Files that somebody sends into the build pod, which waits for them: one tar, plain or compressed "
        "with gzip or zstd. The status has the command. An upload counts for one run and one attempt.",
    )
    oci: OciSource | None = Field(
        None, description="An artifact of a registry, as flux push artifact and oras push make it."
    )
    flux_source: FluxSource | None = Field(
        None,
        description="What a source object of Flux in this namespace has fetched, such as a GitRepository. The build "
        "waits until it is there. Each new artifact starts a run.",
    )

    def kinds(self) -> list[str]:
        """The kinds that are given, spelled as in the spec."""
        return sorted(self.to_dict())
