"""Files that the cluster holds already: in the resource, in a ConfigMap, on a volume."""

from typing import Annotated

from pydantic import Field

from buildandpush.api.base import MAP_BY_KEY, ApiModel, Name

MAX_INLINE_FILES = 64
MAX_INLINE_BYTES = 128 * 1024


class InlineSource(ApiModel):
    """Files written out in the resource itself."""

    files: dict[str, Annotated[str, Field(max_length=MAX_INLINE_BYTES)]] = Field(
        description="File contents by path relative to the source's root, 128 KiB in all. "
        'Example: {"Dockerfile": "FROM scratch"}. Apply more than 40 KiB with kubectl apply --server-side: without it '
        "kubectl keeps a copy in an annotation, and the API server refuses one that is too long.",
        min_length=1,
        max_length=MAX_INLINE_FILES,
    )


class ConfigMapItem(ApiModel):
    """One key of a ConfigMap, and the path of its file."""

    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._-]+$")] = Field(
        description="Key of the ConfigMap. Example: app.py"
    )
    path: str = Field(
        min_length=1,
        max_length=1024,
        description="Path of the file, relative to the source's root. Example: web/app.py",
    )


class ConfigMapSource(ApiModel):
    """The keys of a ConfigMap as files."""

    name: Name = Field(description="Name of the ConfigMap in this namespace. Example: web-source")
    items: list[ConfigMapItem] | None = Field(
        None,
        min_length=1,
        max_length=MAX_INLINE_FILES,
        description="The keys to take, each with the path of its file. Default: every key is a file of that name in "
        "the source's root.",
        json_schema_extra=MAP_BY_KEY,
    )


class VolumeSource(ApiModel):
    """A folder of a volume that exists. The build pod mounts it read-only."""

    claim_name: Name = Field(description="Name of the PersistentVolumeClaim in this namespace. Example: workspace")
    path: str | None = Field(
        None, max_length=1024, description="Folder in the volume. Default: the volume's root. Example: checkout/web"
    )
