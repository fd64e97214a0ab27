"""Where layers are cached: one repository, with its registry in front exactly once."""

import re
from typing import Final

from buildandpush.api.repository import REPOSITORY_PATTERN
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.redact import show_value
from buildandpush.core.spec.flags import PluginFlags, field_name
from buildandpush.core.spec.repository import check_length

ENABLE: Final = "PLUGIN_ENABLE_CACHE"
REPOSITORY: Final = "PLUGIN_CACHE_REPO"

TUNING: Final = (
    "PLUGIN_CACHE_TTL", "PLUGIN_CACHE_COPY_LAYERS", "PLUGIN_CACHE_RUN_LAYERS", "PLUGIN_COMPRESSED_CACHING",
    "PLUGIN_CACHE_DIR",
)  # fmt: skip
"""Flags that say something only while layers are cached."""

_INFERRED: Final = "cache"
"""The repository that kaniko infers is the image's own with this name below it."""


def plan_cache_repository(spec: BuildAndPushACRSpec, flags: PluginFlags) -> str:
    """The repository that layers are cached in, with its registry; empty where nothing is cached.

    Raises SpecInvalidError for a name that no registry takes, and for another registry without a connector for it.
    """
    registry = spec.repository.split("/", 1)[0]
    field, name = _find_name(spec, flags, registry)
    if is_switched_off(flags):
        return ""
    if not name:
        return _infer_name(spec, flags) if spec.caching or flags.is_on(ENABLE) else ""
    repository = normalise_repository(field, name, registry)
    check_length(field, repository)
    if not repository.startswith(f"{registry}/") and not spec.base_image_connector_refs:
        host = repository.split("/", 1)[0]
        raise SpecInvalidError(
            field,
            f"{host} is another registry than {registry}; name a connector for it in baseImageConnectorRefs",
        )
    return repository


def is_switched_off(flags: PluginFlags) -> bool:
    """Whether the flag switches caching off. The flag goes before the fields, as it does in the plugin."""
    return flags.values.get(ENABLE) is False


def _infer_name(spec: BuildAndPushACRSpec, flags: PluginFlags) -> str:
    repository = f"{spec.repository}/{_INFERRED}"
    field = "caching" if spec.caching else flags.field_of(ENABLE)
    check_length(field, repository, "name a shorter repository in remoteCacheImage")
    return repository


def _find_name(spec: BuildAndPushACRSpec, flags: PluginFlags, registry: str) -> tuple[str, str]:
    name = (spec.remote_cache_image or "").strip()
    given = flags.text(REPOSITORY)
    if name and given and _with_registry(name, registry) != _with_registry(given, registry):
        raise SpecInvalidError(field_name(REPOSITORY), "it says another thing than remoteCacheImage; give one of them")
    return ("remoteCacheImage", name) if name else (field_name(REPOSITORY), given)


def normalise_repository(field: str, name: str, registry: str) -> str:
    """The name with a registry before it, the given one only where it has none; raises SpecInvalidError.

    >>> normalise_repository("remoteCacheImage", "shop/cache", "contoso.azurecr.io")
    'contoso.azurecr.io/shop/cache'
    >>> normalise_repository("remoteCacheImage", "contoso.azurecr.io/shop/cache", "contoso.azurecr.io")
    'contoso.azurecr.io/shop/cache'
    """
    full = _with_registry(name, registry)
    if not re.fullmatch(REPOSITORY_PATTERN, full):
        raise SpecInvalidError(
            field, f"{show_value(name)} is no repository; write <registry>.azurecr.io/<image> without a tag"
        )
    return full


def _with_registry(name: str, registry: str) -> str:
    first, slash, _ = name.partition("/")
    has_registry = slash and ("." in first or ":" in first or first == "localhost")
    return name if has_registry else f"{registry}/{name.lstrip('/')}"


def cache_arguments(repository: str) -> list[str]:
    """The executor's arguments that turn its cache on; none without a repository."""
    return ["--cache=true", f"--cache-repo={repository}"] if repository else []
