"""Paths that flags name: files and folders on the one volume that outlives the build."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from buildandpush.api.flagtable import FLAGS, Treatment
from buildandpush.api.pod import Workspace
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.flags import PUSH_ONLY, SOURCE_TAR, TAR, PluginFlags, field_name

MOUNT: Final = "/workspace/volume"
"""Where the volume is mounted in kaniko's container."""

_PIPELINE_ROOT: Final = "/harness"
_NAME_FILE: Final = "PLUGIN_IMAGE_NAME_WITH_DIGEST_FILE"
_NAME_TAG_FILE: Final = "PLUGIN_IMAGE_NAME_TAG_WITH_DIGEST_FILE"


@dataclass(frozen=True)
class WorkspacePlan:
    """The volume and the paths on it, absolute as kaniko sees them, by flag."""

    claim: str = ""
    """Name of the PersistentVolumeClaim, empty where no path needs one."""
    paths: Mapping[str, str] = field(default_factory=dict)

    @property
    def wants_names(self) -> bool:
        """Whether kaniko writes names of the image into files, for which it needs them even where it pushes nothing."""
        return any(name in self.paths for name in (TAR, _NAME_FILE, _NAME_TAG_FILE))


def plan_workspace(workspace: Workspace | None, flags: PluginFlags) -> WorkspacePlan:
    """Raises SpecInvalidError for a path that is not on the volume, and for any path where there is no volume."""
    volume = workspace.persistent_volume_claim if workspace else None
    paths = {}
    for name in flags.values:
        if FLAGS[name].treatment is not Treatment.PATH:
            continue
        if volume is None:
            raise SpecInvalidError(
                flags.field_of(name),
                "the build pod's own files go with it; name a volume in workspace, or remove the flag",
            )
        paths[name] = _resolve(flags.field_of(name), flags.text(name))
    return WorkspacePlan(volume.claim_name if volume and paths else "", paths)


def path_arguments(plan: WorkspacePlan) -> list[str]:
    """The executor's arguments for the paths it writes to and reads from while it builds."""
    arguments = [f"--{FLAGS[name].executor}={path}" for name, path in sorted(plan.paths.items()) if name != SOURCE_TAR]
    folder = posixpath.dirname(plan.paths.get(TAR, ""))
    if folder not in ("", MOUNT) and _NAME_FILE not in plan.paths:
        # kaniko makes folders for the file of names, which it writes first, but none for the image file.
        arguments.append(f"--{FLAGS[_NAME_FILE].executor}={plan.paths[TAR]}.digest")
    return arguments


def source_image(flags: PluginFlags, plan: WorkspacePlan) -> str:
    """The image file that is pushed without a build, empty where one is built; raises SpecInvalidError."""
    if not flags.is_on(PUSH_ONLY):
        return ""
    if SOURCE_TAR not in plan.paths:
        raise SpecInvalidError(
            field_name(PUSH_ONLY), f"nothing is built, so name the image file to push in {SOURCE_TAR}"
        )
    return plan.paths[SOURCE_TAR]


def _resolve(field: str, path: str) -> str:
    if path.startswith(f"{_PIPELINE_ROOT}/"):
        path = path.removeprefix(_PIPELINE_ROOT).lstrip("/")
    if "://" in path or path.startswith("/"):
        raise SpecInvalidError(
            field, f"{path[:200]!r} is not on the workspace's volume; give a path relative to its root"
        )
    if ".." in path.split("/") or not path.isprintable():
        raise SpecInvalidError(field, f"{path[:200]!r} leaves the workspace's volume; give a path inside it")
    normal = posixpath.normpath(path)
    if normal == ".":
        raise SpecInvalidError(field, f"{path[:200]!r} is the volume's root; give a path below it")
    return f"{MOUNT}/{normal}"
