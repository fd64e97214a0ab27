"""Paths in plugin flags: files and folders on the volume of the workspace."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from buildandpush.api.flagtable import FLAGS, Treatment
from buildandpush.api.meta import PIPELINE_ROOT
from buildandpush.api.pod import Workspace
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.flags import PUSH_ONLY, SOURCE_TAR, TAR, PluginFlags, field_name

MOUNT: Final = "/kaniko/volume"
"""Where the volume is mounted in kaniko's container."""

_NAME_FILE: Final = "PLUGIN_IMAGE_NAME_WITH_DIGEST_FILE"
_NAME_TAG_FILE: Final = "PLUGIN_IMAGE_NAME_TAG_WITH_DIGEST_FILE"
_LAYOUT: Final = "PLUGIN_OCI_LAYOUT_PATH"

_FILES: Final = (TAR, _NAME_FILE, _NAME_TAG_FILE)
_BEFORE_TAR: Final = (_NAME_FILE, _NAME_TAG_FILE, _LAYOUT)
"""What kaniko writes before the image file, making the folders that are missing; for the image file it makes none."""


@dataclass(frozen=True)
class WorkspacePlan:
    """The volume and the paths on it, absolute as kaniko sees them, by flag."""

    claim: str = ""
    """Name of the PersistentVolumeClaim, empty where no path needs one."""
    paths: Mapping[str, str] = field(default_factory=dict)
    folder_maker: str = ""
    """The flag whose file is written beside the image file only so that its folder is made; empty where none is."""

    @property
    def wants_names(self) -> bool:
        """Whether kaniko writes names of the image into files, for which it needs them even where it pushes nothing."""
        return any(name in self.paths for name in _FILES)


def plan_workspace(workspace: Workspace | None, flags: PluginFlags) -> WorkspacePlan:
    """Raises SpecInvalidError for a path that is not on the volume or cannot be written, and for any where there is no
    volume."""
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
    claim = volume.claim_name if volume and paths else ""
    if flags.is_on(PUSH_ONLY):
        return WorkspacePlan(claim, paths)
    _check_apart(flags, paths)
    return WorkspacePlan(claim, paths, _find_folder_maker(flags, paths))


def _check_apart(flags: PluginFlags, paths: Mapping[str, str]) -> None:
    """Raise SpecInvalidError for two paths of which one is inside the other."""
    for one in _FILES:
        for other in (TAR, *_BEFORE_TAR):
            if one != other and one in paths and other in paths and _is_within(paths[other], paths[one]):
                raise SpecInvalidError(
                    flags.field_of(other), f"a file is there, which {flags.name_of(one)} names; give another path"
                )


def _find_folder_maker(flags: PluginFlags, paths: Mapping[str, str]) -> str:
    folder = posixpath.dirname(paths.get(TAR, ""))
    if folder in ("", MOUNT) or any(_is_within(paths[name], folder) for name in _BEFORE_TAR if name in paths):
        return ""
    for name in (_NAME_FILE, _NAME_TAG_FILE):
        if name not in paths:
            return name
    raise SpecInvalidError(
        flags.field_of(TAR),
        f"kaniko does not make its folder; put the file of {_NAME_FILE} or {_NAME_TAG_FILE} into that folder, or the "
        "image file into the volume's root",
    )


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def path_arguments(plan: WorkspacePlan) -> list[str]:
    """The executor's arguments for the paths it writes to and reads from while it builds."""
    arguments = [f"--{FLAGS[name].executor}={path}" for name, path in sorted(plan.paths.items()) if name != SOURCE_TAR]
    if plan.folder_maker:
        arguments.append(f"--{FLAGS[plan.folder_maker].executor}={plan.paths[TAR]}.digest")
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
    if path.startswith(f"{PIPELINE_ROOT}/"):
        path = path.removeprefix(PIPELINE_ROOT).lstrip("/")
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
