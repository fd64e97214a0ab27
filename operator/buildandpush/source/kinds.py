"""The kinds of source: one function for each, which brings the files into an empty root.

Each gets the part of the request that has the kind's name and the installer's limits, and raises SourceError. It is
called again, with an empty root, after a failure that another try may help.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.source.archive.fetch import fetch_archive
from buildandpush.source.copied import fetch_config_map, fetch_volume
from buildandpush.source.facts import SourceFacts
from buildandpush.source.flux import fetch_flux
from buildandpush.source.git.fetch import fetch_git
from buildandpush.source.inline import write_files
from buildandpush.source.oci.fetch import fetch_oci
from buildandpush.source.upload.wait import fetch_upload

Kind = Callable[[dict[str, Any], Path, SourceLimits], SourceFacts]

KINDS: Final[Mapping[str, Kind]] = {
    "git": fetch_git,
    "archive": fetch_archive,
    "oci": fetch_oci,
    "fluxSource": fetch_flux,
    "configMap": fetch_config_map,
    "persistentVolumeClaim": fetch_volume,
    "inline": write_files,
    "upload": fetch_upload,
}
