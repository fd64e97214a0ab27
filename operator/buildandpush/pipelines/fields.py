"""The settings of the step itself: from the step's `spec` to the fields of the resource."""

import re
from difflib import get_close_matches
from typing import Any, Final

from buildandpush.pipelines.arguments import plan_arguments
from buildandpush.pipelines.find import DOCKER_STEP
from buildandpush.pipelines.names import name_connector
from buildandpush.pipelines.notes import Notes, join_names, shown
from buildandpush.pipelines.reading import read_bool, read_integer, read_list, read_map, read_part, read_text
from buildandpush.pipelines.secrets import plan_docker_secrets
from buildandpush.pipelines.values import Map, Value

STAND_IN_REPOSITORY: Final = "registry.invalid/image"
"""No server ever has this name, so nothing can be pushed there: https://www.rfc-editor.org/rfc/rfc6761#section-6.4"""
STAND_IN_CONNECTOR: Final = "acr"
STAND_IN_TAG: Final = "latest"

_TEXTS: Final = ("subscriptionId", "dockerfile", "context", "target", "remoteCacheImage", "cacheTo")
_BOOLEANS: Final = ("caching", "optimize")
_SECRET_MAPS: Final = ("envDockerSecrets", "fileDockerSecrets")
_ELSEWHERE: Final = (
    "connectorRef", "repository", "tags", "labels", "buildArgs", "baseImageConnectorRefs", "cacheFrom", "envVariables",
    "runAsUser", "resources", "retry",
)  # fmt: skip
KNOWN: Final = (*_TEXTS, *_BOOLEANS, *_SECRET_MAPS, *_ELSEWHERE)

# The step for any Docker registry spells two fields in another way.
_SPELLINGS: Final = {"repo": "repository", "remoteCacheRepo": "remoteCacheImage"}
# What people write in place of a setting, and what stands beside `spec` in a step.
_MEANT: Final = {
    "repo": "repository", "registry": "repository", "image": "repository", "imageName": "repository", "tag": "tags",
    "connector": "connectorRef", "args": "buildArgs", "file": "dockerfile",
}  # fmt: skip
_BESIDE: Final = ("timeout", "when", "strategy", "failureStrategies")
_AMOUNTS: Final = ("memory", "cpu", "ephemeral-storage")
_LONGEST_WORD: Final = 64
_HOLDS_COMMAS: Final = re.compile(r"[()\[\]\"']")


def respell(kind: str, spec: Map) -> Map:
    """The settings under the names that the step for ACR has for them."""
    if kind != DOCKER_STEP:
        return spec
    return {_SPELLINGS.get(name, name): value for name, value in spec.items()}


def plan_fields(spec: Map, notes: Notes, *, resource: str, pushes: bool) -> dict[str, Any]:
    """The fields of the resource that the step's settings make. `resource` is the resource's name."""
    fields: dict[str, Any] = {name: read_text(name, spec.get(name), notes) for name in _TEXTS}
    fields |= {name: read_bool(name, spec.get(name), notes) for name in _BOOLEANS}
    for name in _SECRET_MAPS:
        fields[name] = plan_docker_secrets(name, read_map(name, spec.get(name), notes), notes, resource=resource)
    fields["connectorRef"] = _plan_connector(spec.get("connectorRef"), notes, needed=pushes)
    fields["repository"] = _plan_repository(spec.get("repository"), notes)
    fields["tags"] = _plan_tags(spec.get("tags"), notes)
    fields["labels"] = _plan_labels(spec.get("labels"), notes)
    fields |= plan_arguments(read_map("buildArgs", spec.get("buildArgs"), notes), notes, resource=resource)
    references = read_list("baseImageConnectorRefs", spec.get("baseImageConnectorRefs"), notes)
    fields["baseImageConnectorRefs"] = _name_connectors(references, notes)
    fields["cacheFrom"] = read_list("cacheFrom", spec.get("cacheFrom"), notes)
    fields["runAsUser"] = read_text("runAsUser", spec.get("runAsUser"), notes)
    fields["retry"] = read_integer("retry", spec.get("retry"), notes)
    fields["resources"] = _plan_resources(spec.get("resources"), notes)
    _tell_unknown("", spec, KNOWN, notes)
    return fields


def _plan_connector(value: Value | None, notes: Notes, *, needed: bool) -> str:
    reference = read_text("connectorRef", value, notes)
    name = name_connector(reference or "")
    if not reference and not needed:
        return ""
    if not name:
        about = f"is {shown(reference)}, which is no name" if reference else "is not given"
        notes.stand_in(f"connectorRef {about}; {STAND_IN_CONNECTOR} stands in for the AzureConnector, so name yours")
    return name or STAND_IN_CONNECTOR


def _name_connectors(references: list[str], notes: Notes) -> list[str]:
    for reference in references:
        if not name_connector(reference):
            notes.todo(f"baseImageConnectorRefs: {shown(reference)} is no name; name the AzureConnector")
    return [name for name in dict.fromkeys(map(name_connector, references)) if name]


def _plan_repository(value: Value | None, notes: Notes) -> str:
    repository = read_text("repository", value, notes)
    if not repository:
        notes.stand_in(f"repository is not given; {STAND_IN_REPOSITORY} stands in for it, so write yours")
    return repository or STAND_IN_REPOSITORY


def _plan_tags(value: Value | None, notes: Notes) -> list[str]:
    # The plugin has them as one text, which it parts at each comma.
    given = [tag for entry in read_list("tags", value, notes) for tag in _part_tags(entry)]
    tags = list(dict.fromkeys(given))
    if len(tags) < len(given):
        notes.differs("tags: a tag that was given twice is given once")
    return tags


def _part_tags(entry: str) -> list[str]:
    """The tags of one entry. A comma within an expression stands between parentheses, brackets or quotes."""
    if _HOLDS_COMMAS.search(entry):
        return [entry]
    return [tag.strip() for tag in entry.split(",") if tag.strip()]


def _plan_labels(value: Value | None, notes: Notes) -> dict[str, str]:
    labels = read_map("labels", value, notes)
    for name in [name for name, text in labels.items() if "<+secrets." in text]:
        del labels[name]
        notes.left_out(f"labels.{shown(name)} is a secret; everyone who pulls the image reads its labels")
    return labels


def _plan_resources(value: Value | None, notes: Notes) -> dict[str, dict[str, str]]:
    given = read_part("resources", value, notes)
    found: dict[str, dict[str, str]] = {}
    for kind in ("limits", "requests"):
        part = read_part(f"resources.{kind}", given.get(kind), notes)
        amounts = {name: read_text(f"resources.{kind}.{name}", part.get(name), notes) for name in _AMOUNTS}
        kept = {name: text for name, text in amounts.items() if text}
        found |= {kind: kept} if kept else {}
        _tell_unknown(f"resources.{kind}.", part, _AMOUNTS, notes)
    _tell_unknown("resources.", given, ("limits", "requests"), notes)
    return found


def _tell_unknown(prefix: str, given: Map, known: tuple[str, ...], notes: Notes) -> None:
    """Name each setting that the step does not have, and the one that is spelled most like it."""
    unknown = [name for name in given if name not in known]
    plain: list[str] = []
    for name in unknown:
        meant = _MEANT.get(name, "")
        near = meant if meant in known else nearest(name, known)
        if not prefix and name in _BESIDE:
            notes.left_out(f"{name} stands beside spec in a step, and not in it; move it there and import again")
        elif near:
            notes.left_out(f"{prefix}{shown(name)} is no setting of the step; did you mean {prefix}{near}?")
        else:
            plain.append(f"{prefix}{name}")
    if plain:
        notes.left_out(f"{join_names(plain)}: no setting of the step that means something here")


def nearest(name: str, known: "tuple[str, ...] | list[str]") -> str:
    """The known name that is spelled most like it; empty if none is near."""
    lower = {each.lower(): each for each in known}
    found = get_close_matches(name.lower()[:_LONGEST_WORD], list(lower), n=1, cutoff=0.75)
    return lower[found[0]] if found and len(name) <= _LONGEST_WORD else ""
