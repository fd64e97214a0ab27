"""By which of the executor's switches an image comes out as BuildKit would make it: one table.

Names and meanings: https://github.com/osscontainertools/kaniko#feature-flags
"""

from dataclasses import dataclass
from typing import Final, Literal

Compatibility = Literal["BuildKit", "Kaniko"]

BUILDKIT: Final = "BuildKit"
KANIKO: Final = "Kaniko"


@dataclass(frozen=True)
class Switch:
    """One variable of the executor's environment that is set to true."""

    name: str
    meaning: str
    """What an image is like with it; a sentence without a full stop."""


COPY_AS_ROOT: Final = "FF_KANIKO_COPY_AS_ROOT"

SWITCHES: Final = (
    # The executor's own profile "BuildKit compatibility".
    Switch("FF_KANIKO_CHOWN_ON_IMPLICIT_DIRS", "Each folder that WORKDIR makes belongs to USER, not only the last one"),
    Switch(COPY_AS_ROOT, "What COPY and ADD take from the context belongs to root, also after USER"),
    Switch("FF_KANIKO_COPY_CHMOD_ON_IMPLICIT_DIRS", "COPY --chmod holds for the folders that it makes as well"),
    Switch("FF_KANIKO_EXPAND_HEREDOC", "Variables in here-documents of COPY and ADD are expanded"),
    Switch("FF_KANIKO_RUN_HONOR_GROUP", "RUN has the group of USER user:group"),
    Switch("FF_KANIKO_UNTAR_SKIP_ROOT", "An archive that ADD unpacks leaves mode and owner of the target folder alone"),
    # What else keeps an image from being another one than its Dockerfile says.
    Switch("FF_KANIKO_HASH_DIR_FRAMING", "Different folders never share a cached layer"),
    Switch("FF_KANIKO_RELATIVE_LINK_TARGETS", "Hard links are written in the way that newer versions of Docker read"),
    Switch(
        "FF_KANIKO_RESOLVE_CACHE_KEY", "A cached COPY, ADD or WORKDIR is not used for other values of its variables"
    ),
    Switch("FF_KANIKO_ROLLING_CACHE_KEY", "Different instructions never share a cached layer"),
    Switch(
        "FF_KANIKO_SCOPED_DOCKERIGNORE", "A changed file of another stage is seen although .dockerignore matches it"
    ),
    Switch("FF_KANIKO_SKIP_WRITE_WHITEOUTS", "What a cached layer deletes is not deleted again by COPY --from"),
)

ARGUMENTS: Final = ("--ignore-var-run=false",)
"""Arguments that belong to it: what lies below /var/run is in the image."""
