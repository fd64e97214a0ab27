"""What is refused in an artifact of a registry, and how it is reached."""

from buildandpush.api.imagename import ImageName, parse_image_name
from buildandpush.api.sources.oci import OciSource
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.redact import show_value


def read_artifact_name(oci: OciSource) -> ImageName:
    """The parts of the name. Raises SpecInvalidError for what is none."""
    try:
        name = parse_image_name(oci.image)
    except ValueError as error:
        raise SpecInvalidError(
            "source.oci.image",
            f"{show_value(oci.image)} is no name of an artifact with a tag or digest; write <registry>/<path>:<tag> or "
            "<registry>/<path>@sha256:<64 digits>",
        ) from error
    if "." not in name.host and ":" not in name.host:
        raise SpecInvalidError(
            "source.oci.image", f"{show_value(oci.image)} names no registry; write <registry>.azurecr.io/<path>:<tag>"
        )
    return name
