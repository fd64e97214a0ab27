"""Templates: finds them by `templateRef`, and puts them where a pipeline uses them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from buildandpush.pipelines.inputs import merge_inputs
from buildandpush.pipelines.reader import Document
from buildandpush.pipelines.values import Map, as_map, as_text, is_true

MAX_NESTED: Final = 8
"""Templates within templates."""
_SCOPES: Final = ("account.", "org.")
WRAPPERS: Final = {"step": "step", "stage": "stage", "stepgroup": "stepGroup", "pipeline": "pipeline"}
"""The key under which a pipeline has what a template of this type, in lower case, holds."""


@dataclass(frozen=True)
class Template:
    """One version of a template."""

    identifier: str
    version: str
    kind: str
    """Its type in lower case."""
    spec: Map
    stable: bool


class TemplateLibrary:
    """All templates that are at hand."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._found: dict[str, list[Template]] = {}
        for document in documents:
            template = read_template(document)
            if template:
                self._found.setdefault(template.identifier, []).append(template)

    def find(self, reference: str, version: str) -> Template | None:
        """The template of this name and version; without a version the stable one, or the last."""
        versions = self._found.get(strip_scope(reference), [])
        if version:
            versions = [template for template in versions if template.version == version]
        if not versions:
            return None
        return max(versions, key=lambda template: (template.stable, template.version))


def read_template(document: Document) -> Template | None:
    """The template that a document is, or None."""
    content = as_map(as_map(document.value).get("template"))
    spec = as_map(content.get("spec"))
    kind = as_text(content.get("type")).lower()
    if not spec or kind not in WRAPPERS:
        return None
    return Template(
        identifier=as_text(content.get("identifier")),
        version=as_text(content.get("versionLabel")),
        kind=kind,
        spec=spec,
        stable=is_true(content.get("stableTemplate")),
    )


def unwrap_template(document: Document) -> Map:
    """What a template holds, in the form in which a pipeline has it."""
    template = read_template(document)
    if template is None:
        return {}
    names = {key: value for key, value in as_map(as_map(document.value)["template"]).items() if key in _NAMES}
    return {WRAPPERS[template.kind]: {**names, **template.spec}}


_NAMES: Final = ("name", "identifier")


def expand(value: Map, library: TemplateLibrary, used: set[str]) -> tuple[Map, list[str]]:
    """A stage, step, group or pipeline with its template in place, and the references that were not found.

    The names of the templates that were found are added to `used`.
    """
    for _ in range(MAX_NESTED):
        use = as_map(value.get("template"))
        reference = as_text(use.get("templateRef"))
        if not reference:
            return value, []
        version = as_text(use.get("versionLabel"))
        template = library.find(reference, version)
        if template is None:
            return value, [f"{reference} {version}".strip()]
        used.add(template.identifier)
        filled = as_map(merge_inputs(template.spec, use.get("templateInputs")))
        value = {**filled, **{key: inner for key, inner in value.items() if key != "template"}}
    return value, [f"{as_text(as_map(value.get('template')).get('templateRef'))}: templates stand in a circle"]


def strip_scope(reference: str) -> str:
    """A reference without the scope before it."""
    for scope in _SCOPES:
        reference = reference.removeprefix(scope)
    return reference
