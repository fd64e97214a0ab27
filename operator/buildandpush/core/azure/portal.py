"""Where the portal shows what was pushed."""

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from buildandpush.core.azure.cloud import Cloud
from buildandpush.core.settings import PortalSettings


def build_tag_urls(
    cloud: Cloud, registry_id: str, repository: str, tags: Iterable[str], settings: PortalSettings
) -> tuple[tuple[str, str], ...]:
    """Tag and its address in the portal. `registry_id` is the resource manager's id, `repository` is without host.

    The installer sets the form of the address, because Microsoft documents none.
    """
    template = settings.cloud_tag_urls.get(cloud.name, settings.tag_url)
    values = {"portal": cloud.portal or "", "registryId": _quote(registry_id), "repository": _quote(repository)}
    return tuple((tag, _fill(template, {**values, "tag": _quote(tag)})) for tag in tags)


def _fill(template: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        template = template.replace("{" + name + "}", value)
    return template


def _quote(text: str) -> str:
    return quote(text, safe="")
