"""From the texts of pipelines to resources: the whole import, without reading or writing a file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from buildandpush.pipelines.codebase import Origin
from buildandpush.pipelines.connectors import docker_host, list_connectors, read_connectors
from buildandpush.pipelines.errors import ImportFailedError
from buildandpush.pipelines.expressions import Values
from buildandpush.pipelines.fields import respell
from buildandpush.pipelines.find import ACR_STEP, PLUGIN_STEP, Finder, FoundStep
from buildandpush.pipelines.gitaddress import GitConnectors
from buildandpush.pipelines.inputs import apply_input_sets
from buildandpush.pipelines.names import assign_names, name_connector
from buildandpush.pipelines.notes import Level, Note, Notes, join_names, shown
from buildandpush.pipelines.reader import Document, SourceFile, read_documents
from buildandpush.pipelines.render import render_comments, render_document
from buildandpush.pipelines.resource import Resource, make_resource
from buildandpush.pipelines.secrets import tell_shared
from buildandpush.pipelines.templates import TemplateLibrary, read_template, unwrap_template
from buildandpush.pipelines.values import Map, as_list, as_map, as_text, is_null, look_up

MAX_STEPS: Final = 2000
"""Of one import."""
_AZURE: Final = (".azurecr.io", ".azurecr.cn", ".azurecr.us", ".azurecr.de")
_SEPARATOR: Final = "---\n"
_PIPELINE: Final = frozenset(
    {
        "name", "identifier", "projectIdentifier", "orgIdentifier", "description", "tags", "properties", "stages",
        "variables", "notificationRules", "delegateSelectors", "template", "allowStageExecutions", "versionLabel",
    }
)  # fmt: skip
"""What is carried over, what is told elsewhere, and what no build depends on."""
_ASIDE: Final = frozenset({"inputSet", "overlayInputSet", "connector", "trigger", "secret"})
"""Documents that no step stands in."""


@dataclass(frozen=True)
class Order:
    """What is imported, and what is at hand for it."""

    pipelines: Sequence[SourceFile]
    templates: Sequence[SourceFile] = ()
    connectors: Sequence[SourceFile] = ()
    input_sets: Sequence[SourceFile] = ()
    git_url: str = ""
    first_run_number: int | None = None


@dataclass
class Imported:
    """What has come of it."""

    resources: dict[str, list[Resource]] = field(default_factory=dict)
    """Of each file that has steps."""
    remarks: dict[str, tuple[Note, ...]] = field(default_factory=dict)
    """What is to be told of a file as a whole."""
    connectors: list[Resource] = field(default_factory=list)
    errors: list[ImportFailedError] = field(default_factory=list)

    def open_points(self) -> int:
        """How many notes say that somebody has to do something."""
        each = [*self.connectors, *(resource for made in self.resources.values() for resource in made)]
        notes = [
            *(note for one in each for note in one.notes),
            *(note for one in self.remarks.values() for note in one),
        ]
        return sum(note.level in (Level.TODO, Level.INVALID) for note in notes)


def import_pipelines(order: Order) -> Imported:
    """Make the resources. A file that cannot be read is among the errors, and the others are imported."""
    result = Imported()
    documents = {file.name: _read(file, result) for file in order.pipelines}
    beside = [document for file in (*order.templates, *order.connectors) for document in _read(file, result)]
    every = [*beside, *(document for each in documents.values() for document in each)]
    exported = read_connectors(document.value for document in every)
    sets = [document for file in order.input_sets for document in _read_input_sets(file, result)]
    finder = Finder(TemplateLibrary(every))
    notes = {name: Notes() for name in documents}
    for name, each in documents.items():
        _look_through(name, each, sets, finder, notes[name], result)
    steps = [found for found in map(Values().write_step, finder.steps) if _is_azure(found, exported, notes[found.file])]
    if len(steps) > MAX_STEPS:
        raise ImportFailedError("", "", f"more than {MAX_STEPS} steps; import them in parts")
    for found in steps:
        _tell_pipeline(found, notes[found.file])
    _tell_aside(finder, notes)
    _tell_sets(sets, documents.values(), notes)
    tell_shared(steps, notes)
    _make_all([_with_registry(found, exported) for found in steps], order, exported, result)
    result.remarks = {name: each.sorted() for name, each in notes.items() if each.found}
    return result


def _make_all(steps: list[FoundStep], order: Order, exported: dict[str, Map], result: Imported) -> None:
    """Put the resources of the steps into the result, and the connectors that they name."""
    origin = Origin(order.git_url, GitConnectors(exported))
    made: list[tuple[Resource, Map]] = []
    for found, name in zip(steps, assign_names(steps), strict=True):
        resource = make_resource(found, name, origin, first_run_number=order.first_run_number)
        result.resources.setdefault(found.file, []).append(resource)
        made.append((resource, as_map(found.step.get("spec"))))
    result.connectors = list_connectors(made, exported)


def _read(file: SourceFile, result: Imported) -> list[Document]:
    try:
        return read_documents(file)
    except ImportFailedError as error:
        result.errors.append(error)
        return []


def _read_input_sets(file: SourceFile, result: Imported) -> list[Document]:
    documents = _read(file, result)
    for number, document in enumerate(documents):
        if not as_map(look_up(document.value, "inputSet", "pipeline")):
            overlay = "overlayInputSet" in as_map(document.value)
            trouble = "it is an overlay; give the input sets that it names" if overlay else "it is no input set"
            result.errors.append(ImportFailedError(file.name, f"document {number + 1}", trouble))
    return documents


def _tell_pipeline(found: FoundStep, notes: Notes) -> None:
    """What the pipeline as a whole has and a resource has not."""
    pipeline = found.around.pipeline
    if as_list(pipeline.get("notificationRules")):
        notes.left_out("notificationRules: nobody is notified; docs/status.md says what to watch")
    rest = [key for key in pipeline if key not in _PIPELINE and not is_null(pipeline[key])]
    if rest:
        notes.left_out(f"of the pipeline: {join_names(rest)}: not known here")


def _tell_aside(finder: Finder, notes: dict[str, Notes]) -> None:
    """Steps that push images and become no resources."""
    for (file, kind), names in finder.aside.items():
        if kind == PLUGIN_STEP:
            notes[file].todo(
                f"{join_names(names)}: the plugin in a step of the type {kind}; write it as a step of the type "
                f"{ACR_STEP} and import that"
            )
        else:
            notes[file].left_out(f"{join_names(names)}: {kind}; only steps that push to ACR become resources")


def _tell_sets(sets: Iterable[Document], files: Iterable[list[Document]], notes: dict[str, Notes]) -> None:
    """Input sets that are for no pipeline here. They are told once, with the first file."""
    here = {as_text(look_up(document.value, "pipeline", "identifier")) for file in files for document in file}
    for document in sets:
        meant = as_text(look_up(document.value, "inputSet", "pipeline", "identifier"))
        if meant and meant not in here and notes:
            name = shown(as_text(look_up(document.value, "inputSet", "identifier")))
            told = f"the input set {name} is for the pipeline {shown(meant)}, which is not among the files"
            next(iter(notes.values())).todo(told)


def _look_through(
    name: str, documents: list[Document], sets: Sequence[Document], finder: Finder, notes: Notes, result: Imported
) -> None:
    """Find the steps of one file. A template is looked through only where no pipeline uses it."""
    before = set(finder.missing)
    for document in documents:
        content = as_map(document.value)
        if _ASIDE & set(content):
            continue
        for place in document.duplicates:
            notes.differs(f"{place} is given twice; the last value counts")
        template = read_template(document)
        if template and template.identifier in finder.used:
            continue
        value = unwrap_template(document) if template else document.value
        if isinstance(content.get("pipeline"), dict):
            value = {**content, "pipeline": apply_input_sets(as_map(content["pipeline"]), sets)}
        try:
            finder.look_through(name, value)
        except ImportFailedError as error:
            result.errors.append(error)
    for missing in finder.missing:
        if missing not in before:
            notes.todo(f"the template {missing} is not at hand ({finder.missing[missing]}); give it with --templates")


def _registry(found: FoundStep, exported: dict[str, Map]) -> str:
    """The registry of a step that names none: the one of its connector."""
    connector = exported.get(name_connector(as_text(as_map(found.step.get("spec")).get("connectorRef"))), {})
    return docker_host(as_map(connector.get("spec"))) if as_text(connector.get("type")) == "DockerRegistry" else ""


def _repository(found: FoundStep) -> str:
    return as_text(respell(as_text(found.step.get("type")), as_map(found.step.get("spec"))).get("repository"))


def _is_azure(found: FoundStep, exported: dict[str, Map], notes: Notes) -> bool:
    """Whether a step pushes to an Azure Container Registry. The step for ACR does nothing else."""
    if as_text(found.step.get("type")) == ACR_STEP:
        return True
    first = _repository(found).split("/")[0].lower()
    host = first if "." in first else _registry(found, exported)
    if host.partition(":")[0].endswith(_AZURE):
        return True
    known = f"pushes to {host}" if host else "names no registry; give its connector with --connectors if it is an ACR"
    notes.left_out(f"the step {join_names([found.name])} ({found.path}) {known}")
    return False


def _with_registry(found: FoundStep, exported: dict[str, Map]) -> FoundStep:
    """A step for any Docker registry may leave the registry to its connector."""
    repository = _repository(found)
    host = _registry(found, exported)
    if not host or not repository or "." in repository.split("/")[0]:
        return found
    settings = {**as_map(found.step.get("spec")), "repo": f"{host}/{repository}"}
    return replace(found, step={**found.step, "spec": settings})


def render_file(result: Imported, name: str) -> str:
    """The resources of one file as YAML, with what is to be told of the file before them."""
    remarks = result.remarks.get(name, ())
    begin = render_comments((f"About {name}",), remarks) + "\n" if remarks else ""
    return begin + render_all(result.resources.get(name, []))


def render_whole(result: Imported) -> str:
    """All connectors and all resources as one text."""
    names = dict.fromkeys([*result.resources, *result.remarks])
    texts = [render_all(result.connectors), *(render_file(result, name) for name in names)]
    return _SEPARATOR.join(text for text in texts if text)


def render_all(resources: Iterable[Resource]) -> str:
    """Resources as the documents of one text."""
    return _SEPARATOR.join(render_document(each.manifest, each.heading, each.notes) for each in resources)
