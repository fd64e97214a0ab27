"""Secrets and ConfigMaps that a build reads: whether they exist, what they hold, and the values to hide."""

import base64
import binascii
from collections.abc import Iterable

from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import NotFoundError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.kubernetes.transport import Object
from buildandpush.core.facts import Inputs, Waiting
from buildandpush.core.fingerprint import digest_values
from buildandpush.core.spec.sources.keys import WHOLE

_MISSING = {"Secret": Reason.SECRET_MISSING, "ConfigMap": Reason.CONFIG_MAP_MISSING}


async def find_keys(client: KubernetesClient, namespace: str, keys: Iterable[tuple[str, str]]) -> Inputs | Waiting:
    """The objects ("Kind/name") of these keys, each with a digest of their values, or which of them is missing. `WHOLE`
    stands for all keys of an object, whichever they are."""
    objects: dict[str, Object | None] = {}
    used: dict[str, dict[str, str]] = {}
    for place, key in keys:
        kind, _, name = place.partition("/")
        if place not in objects:
            objects[place] = await _read(client, namespace, place)
        found = objects[place]
        if found is None:
            return Waiting(_MISSING[kind], f"{kind} {name!r}")
        data: dict[str, str] = {**(found.get("data") or {}), **(found.get("binaryData") or {})}
        if key not in (WHOLE, *data):
            return Waiting(_MISSING[kind], f"key {key!r} in {kind} {name!r}")
        used.setdefault(place, {}).update(data if key == WHOLE else {key: data[key]})
    return Inputs(tuple(sorted((place, digest_values(values)) for place, values in used.items())))


async def read_secret_values(
    client: KubernetesClient, namespace: str, keys: Iterable[tuple[str, str]], whole: Iterable[str] = ()
) -> list[str]:
    """The values of Secrets' keys that are there, and all values of the Secrets named in `whole` ("Secret/name"); each
    line of several on its own too."""
    wanted: dict[str, set[str] | None] = {}
    keys = tuple(keys)
    for place, key in keys:
        wanted[place] = (wanted.get(place) or set()) | {key}
    wanted |= dict.fromkeys([*whole, *(place for place, key in keys if key == WHOLE)], None)
    values: list[str] = []
    for place, chosen in wanted.items():
        found = await _read(client, namespace, place) if place.startswith("Secret/") else None
        data: dict[str, str] = (found or {}).get("data") or {}
        for raw in (value for key, value in sorted(data.items()) if chosen is None or key in chosen):
            values += _forms_of(raw)
    return [value for value in dict.fromkeys(values) if value]


def _forms_of(raw: str) -> list[str]:
    try:
        value = base64.b64decode(raw or "").decode()
    except (binascii.Error, UnicodeDecodeError):
        return []
    # Without the last line break, or what follows the value in a log would be drawn to the line before.
    return [value.strip(), *(line.strip() for line in value.splitlines())]


async def _read(client: KubernetesClient, namespace: str, place: str) -> Object | None:
    kind, _, name = place.partition("/")
    try:
        return await (client.read_secret if kind == "Secret" else client.read_config_map)(namespace, name)
    except NotFoundError:
        return None
