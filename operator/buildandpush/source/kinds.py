"""The kinds of source: one function for each, which brings the files into an empty root.

Each gets the part of the request that has the kind's name and the installer's limits, and raises SourceError. It is
called again, with an empty root, after a failure that another try may help.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.source.facts import SourceFacts

Kind = Callable[[dict[str, Any], Path, SourceLimits], SourceFacts]

KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "git": ("git.fetch", "fetch_git"),
    "archive": ("archive.fetch", "fetch_archive"),
    "oci": ("oci.fetch", "fetch_oci"),
    "fluxSource": ("flux", "fetch_flux"),
    "configMap": ("copied", "fetch_config_map"),
    "persistentVolumeClaim": ("copied", "fetch_volume"),
    "inline": ("inline", "write_files"),
    "upload": ("upload.wait", "fetch_upload"),
}
"""The module of each, and the function."""


def load_kind(name: str) -> Kind:
    """Load the function of one of KINDS. A build waits for its imports, so those of the other kinds are left out."""
    module, function = KINDS[name]
    return cast("Kind", getattr(import_module(f"buildandpush.source.{module}"), function))
