"""Secrets that pipelines name: each becomes a Secret of the namespace, and two scopes can become the same one."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

from buildandpush.core.spec.buildsecrets import EXPRESSION_KEY
from buildandpush.pipelines.expressions import SECRET
from buildandpush.pipelines.find import FoundStep
from buildandpush.pipelines.names import name_connector
from buildandpush.pipelines.notes import Notes, join_names, shown
from buildandpush.pipelines.values import as_map

_FIELDS: Final = ("buildArgs", "envDockerSecrets", "fileDockerSecrets")
_PLACE: Final = re.compile(r"/harness/.+|[a-z0-9][a-z0-9.-]*/[A-Za-z0-9._-]+", re.DOTALL)
"""A file of the source, or Secret and key."""
_NO_KEY: Final = re.compile(r"^\.+|[^A-Za-z0-9._-]")
"""What is in no key of a Secret: https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data"""


def tell_secret(field: str, secret: str, key: str, notes: Notes, whole: str = "") -> None:
    """Say which Secret somebody has to make. Only its first key creates it; the others are added to it."""
    keys = notes.secrets.setdefault(secret, [])
    if key in keys:
        notes.todo(f"{field} is the same secret: the key {key} of the Secret {secret}{whole}")
        return
    if keys:
        data = json.dumps({"stringData": {key: "VALUE"}}, separators=(",", ":"))
        command = f"add it with: kubectl patch secret {secret} -p '{data}'"
    else:
        command = f"make it with: kubectl create secret generic {secret} --from-literal={key}=VALUE"
    keys.append(key)
    notes.todo(f"{field} is a secret; {command}{whole}")


def key_of(name: str, otherwise: str) -> str:
    """The key of a Secret for a name; `otherwise` if nothing of it can be in a key."""
    return _NO_KEY.sub("_", name) or otherwise


def plan_docker_secrets(field: str, places: Mapping[str, str], notes: Notes, *, resource: str) -> dict[str, str]:
    """The places of secrets. Where the secret itself stands, it gets a place and is not repeated."""
    planned: dict[str, str] = {}
    for name, text in places.items():
        match = SECRET.fullmatch(text.strip())
        secret, key = f"{resource}-secrets", key_of(name, "secret")
        if match:
            secret, key = name_connector(match[1]), EXPRESSION_KEY
        stays = match or "<+" in text or _PLACE.fullmatch(text.strip())
        if match or not stays:
            tell_secret(f"{field}.{shown(name)}", secret, key, notes)
        planned[name] = text if stays else f"{secret}/{key}"
    return planned


def tell_shared(steps: Iterable[FoundStep], notes: Mapping[str, Notes]) -> None:
    """Tell of different secrets that become the same Secret, in each file that has one of them."""
    named: dict[str, dict[str, set[str]]] = {}
    for found in steps:
        settings = as_map(found.step.get("spec"))
        for text in (text for field in _FIELDS for text in as_map(settings.get(field)).values()):
            match = SECRET.fullmatch(text.strip()) if isinstance(text, str) else None
            name = name_connector(match[1]) if match else ""
            if match and name:
                named.setdefault(name, {}).setdefault(match[1], set()).add(found.file)
    for name, references in named.items():
        if len(references) > 1:
            for file in sorted(set.union(*references.values())):
                notes[file].todo(
                    f"{join_names(sorted(references))} become the one Secret {name}; if their values differ, name "
                    "another Secret"
                )
