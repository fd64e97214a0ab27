"""The platform of an image, and the nodes that can build for it."""

import re
from collections.abc import Mapping
from typing import Final

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.flags import PluginFlags

PLATFORM: Final = "PLUGIN_CUSTOM_PLATFORM"
ARCH_LABEL: Final = "kubernetes.io/arch"
"""https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-arch"""

_PLATFORM: Final = re.compile(r"linux/([a-z0-9]{1,16})(/[a-z0-9.]{1,16})?")
# RUN lines run on the node's own processor. A node of another architecture builds programs that the label belies.
_SEPARATORS: Final = re.compile(r"[,; ]")


def plan_platform(flags: PluginFlags, chosen: Mapping[str, str], default: str) -> str:
    """The image's platform, such as linux/arm64; empty where neither spec nor installer names one.

    `chosen` is the pod's node selector; an architecture in it decides where the flag says nothing. `default` is the
    installer's platform. Raises SpecInvalidError.
    """
    asked, arch = flags.text(PLATFORM).strip(), chosen.get(ARCH_LABEL, "")
    if not asked:
        return f"linux/{arch}" if arch else default
    field = flags.field_of(PLATFORM)
    if _SEPARATORS.search(asked):
        raise SpecInvalidError(
            field,
            f"{asked[:200]!r} names more than one platform, and a build makes an image for one; write one resource for "
            "each platform, with tags of its own",
        )
    if not _PLATFORM.fullmatch(asked):
        raise SpecInvalidError(field, f"{asked[:200]!r} is no platform; write linux/amd64 or linux/arm64")
    if arch and arch != arch_of(asked):
        raise SpecInvalidError(
            field, f"{asked!r} contradicts {ARCH_LABEL}: {arch} in podTemplate.nodeSelector; remove one of them"
        )
    return asked


def parse_platform(field: str, text: str) -> str:
    """The installer's platform, or empty; raises SpecInvalidError."""
    if text and not _PLATFORM.fullmatch(text):
        raise SpecInvalidError(field, f"{text[:200]!r} is no platform; write linux/amd64, linux/arm64 or nothing")
    return text


def arch_of(platform: str) -> str:
    """The architecture in a platform, as nodes are labelled with it; empty for no platform."""
    return platform.split("/")[1] if platform else ""
