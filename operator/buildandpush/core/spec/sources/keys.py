"""Which Secrets and ConfigMaps the pod reads to fetch the source."""

from buildandpush.api.sources.source import Source

WHOLE = ""
"""In place of a key: all keys of the object."""
SAS = "sas"
"""Key of a Secret with a shared access signature."""


def source_keys(source: Source) -> tuple[tuple[str, str], ...]:
    """Object ("Kind/name") and key of what the pod reads to fetch the source."""
    if source.git is not None and source.git.credentials_ref:
        return ((f"Secret/{source.git.credentials_ref.name}", WHOLE),)
    if source.archive is not None and source.archive.headers_ref:
        return ((f"Secret/{source.archive.headers_ref.name}", WHOLE),)
    if source.archive is not None and source.archive.sas_secret_ref:
        return ((f"Secret/{source.archive.sas_secret_ref.name}", SAS),)
    if source.config_map is not None:
        place = f"ConfigMap/{source.config_map.name}"
        return tuple((place, item.key) for item in source.config_map.items or ()) or ((place, WHOLE),)
    return ()
