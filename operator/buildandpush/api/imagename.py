"""Names of images and artifacts in a registry, as a source writes them: with a tag, a digest, or both."""

import re
from dataclasses import dataclass
from typing import Final

from buildandpush.api.urls import HOST_GRAMMAR

_PATH: Final = r"[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*"
IMAGE_PATTERN: Final = (
    rf"^{HOST_GRAMMAR}(/{_PATH})+"
    r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})$"
)
"""https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests"""
HOLDS_LOGIN: Final = "self.replace('@sha256:', '').contains('@')"
"""In CEL: a login may stand in what should be an image's name. Such a value is never repeated."""


@dataclass(frozen=True)
class ImageName:
    """A name in its parts."""

    host: str
    """With its port, if there is one."""
    path: str
    """The repository without its host."""
    tag: str = ""
    digest: str = ""
    """Counts before the tag. Example: sha256:9f86…"""

    @property
    def reference(self) -> str:
        """What the registry is asked for."""
        return self.digest or self.tag


def parse_image_name(text: str) -> ImageName:
    """The parts of a name; raises ValueError for what is none."""
    if not re.fullmatch(IMAGE_PATTERN, text):
        raise ValueError(f"{text[:200]!r} is no name of an artifact with a tag or digest")
    named, _, digest = text.partition("@")
    host, _, rest = named.partition("/")
    path, _, tag = rest.partition(":")
    return ImageName(host, path, tag, digest)
