"""Makes one resource from one step and all that stands around it."""

from dataclasses import dataclass
from typing import Any, Final

from buildandpush.api import meta
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.pipelines.around import plan_around
from buildandpush.pipelines.check import check_spec
from buildandpush.pipelines.codebase import Origin, plan_source
from buildandpush.pipelines.expressions import explain_open, used_variables
from buildandpush.pipelines.fields import STAND_IN_TAG, plan_fields, respell
from buildandpush.pipelines.find import KINDS, FoundStep
from buildandpush.pipelines.flags import needs_installer, plan_flags, pushes_image
from buildandpush.pipelines.notes import Note, Notes, join_names, shown
from buildandpush.pipelines.placement import plan_placement
from buildandpush.pipelines.values import Map, as_map, as_text, is_null

_HANDLED: Final = frozenset(
    {"name", "identifier", "type", "spec", "timeout", "when", "strategy", "failureStrategies", "delegateSelectors"}
)
_AROUND: Final = frozenset(
    {*_HANDLED, "description", "tags", "variables", "steps", "stepGroupInfra", "template", "sharedPaths", "stageType"}
)
"""Of stages and groups: what is carried over, what is told elsewhere, and what no build depends on."""
_MAKE_NO_FILES: Final = frozenset({*KINDS, "GitClone"})
_AUTO_TAG: Final = "PLUGIN_AUTO_TAG"
_ORDER: Final = tuple(field.alias or name for name, field in BuildAndPushACRSpec.model_fields.items())


@dataclass(frozen=True)
class Resource:
    """One resource with its comments."""

    manifest: dict[str, Any]
    heading: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def name(self) -> str:
        """The resource's name."""
        return str(self.manifest["metadata"]["name"])


def make_resource(found: FoundStep, name: str, origin: Origin, *, first_run_number: int | None) -> Resource:
    """The resource that builds what the step builds. The step's known expressions are written out."""
    notes = Notes()
    settings = respell(as_text(found.step.get("type")), as_map(found.step.get("spec")))
    flags, settings = plan_flags(settings.get("envVariables"), found.around.stage, settings, notes)
    placement = plan_placement(found, notes)
    fields = plan_fields(settings, notes, resource=name, pushes=pushes_image(flags))
    fields["envVariables"] = flags
    fields["source"] = plan_source(found, origin, notes)
    fields |= plan_around(found, notes)
    fields |= {key: value for key, value in placement.items() if key != "runAsUser" or not fields["runAsUser"]}
    fields["firstRunNumber"] = first_run_number
    if not fields["tags"] and pushes_image(flags) and _AUTO_TAG not in flags:
        notes.stand_in(f"tags: none is given; {STAND_IN_TAG} stands in for them, so write yours")
        fields["tags"] = [STAND_IN_TAG]
    fields["suspend"] = notes.suspends or None
    _tell_rest(found, notes)
    return _finish(found, name, fields, notes)


def _finish(found: FoundStep, name: str, fields: dict[str, Any], notes: Notes) -> Resource:
    spec = _order(fields)
    spec = _order({**spec, "variables": used_variables(spec, found.variables)})
    if found.asked:
        notes.differs(
            f"variables that are asked for at each run have their defaults here: {join_names(sorted(found.asked))}"
        )
    explain_open(spec, notes)
    insecure = needs_installer(spec, notes)
    check_spec(spec, notes, name=name, insecure=insecure, run_number=fields.get("firstRunNumber") or 1)
    if notes.suspends:
        notes.todo("remove suspend after that; until then nothing is built")
    manifest = {
        "apiVersion": meta.API_VERSION,
        "kind": "BuildAndPushACR",
        "metadata": {"name": name},
        "spec": spec,
    }
    return Resource(manifest, (f"From {_origin(found)}",), notes.sorted())


def _order(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that are given, as the CRD has them in order."""
    return {key: fields[key] for key in _ORDER if fields.get(key) not in (None, "", [], {})}


def _origin(found: FoundStep) -> str:
    holders: tuple[tuple[str, Map], ...] = (("stage", found.around.stage), ("pipeline", found.around.pipeline))
    names = [f"step {shown(found.name)}"]
    names += [f"{kind} {shown(text)}" for kind, holder in holders if (text := _identity(holder))]
    return f"{found.file}: {', '.join(names)} ({found.path or 'the whole document'})"


def _identity(holder: Map) -> str:
    return as_text(holder.get("identifier")) or as_text(holder.get("name"))


def _tell_rest(found: FoundStep, notes: Notes) -> None:
    rest = [key for key in found.step if key not in _HANDLED and not is_null(found.step[key])]
    if rest:
        notes.left_out(f"of the step: {join_names(rest)}: the resource has no such field")
    for name, holder in (("stage", found.around.stage), *(("step group", group) for group in found.around.groups)):
        unknown = [key for key in holder if key not in _AROUND and not is_null(holder[key])]
        if unknown:
            notes.left_out(f"of the {name}: {join_names(unknown)}: not known here")
    before = [f"{step.name} ({step.kind})" for step in found.around.earlier if step.kind not in _MAKE_NO_FILES]
    if before:
        notes.todo(f"files that earlier steps make are not there: {join_names(before)}; make them in the Dockerfile")
