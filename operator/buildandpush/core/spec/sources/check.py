"""What is refused in a source."""

from buildandpush.api.sources.source import Source
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.paths import resolve_path
from buildandpush.core.spec.sources.archive import check_archive
from buildandpush.core.spec.sources.files import check_config_map, check_inline
from buildandpush.core.spec.sources.git import check_git
from buildandpush.core.spec.sources.oci import read_artifact_name


def check_source(source: Source, room: int, git_hosts: tuple[str, ...] = ()) -> None:
    """Raise SpecInvalidError for a source that cannot be used. `room` is how many bytes of the pod's annotations it may
    take, and `git_hosts` are the hosts of git servers that the installer allows; empty for all."""
    if len(source.kinds()) != 1:
        given = " and ".join(source.kinds()) or "nothing"
        raise SpecInvalidError("source", f"{given} is given; give exactly one kind, such as git or inline")
    if source.git is not None:
        check_git(source.git, git_hosts)
    if source.inline is not None:
        check_inline(source.inline, room)
    if source.archive is not None:
        check_archive(source.archive)
    if source.oci is not None:
        read_artifact_name(source.oci)
    if source.config_map is not None:
        check_config_map(source.config_map)
    if source.persistent_volume_claim is not None:
        resolve_path("source.persistentVolumeClaim.path", source.persistent_volume_claim.path or ".")
