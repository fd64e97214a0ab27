"""The infrastructure of the stage: what of its pod has a field in the resource, and what has not."""

from typing import Any, Final

from buildandpush.core.spec.platform import ARCH_LABEL
from buildandpush.pipelines.around import typed_maps
from buildandpush.pipelines.find import FoundStep
from buildandpush.pipelines.inputs import is_input, is_unanswered
from buildandpush.pipelines.notes import Notes, join_names, shown
from buildandpush.pipelines.reading import read_map, read_text
from buildandpush.pipelines.stages import find_stage
from buildandpush.pipelines.values import Map, Value, as_list, as_map, as_text, is_null, look_up

_MAPS: Final = ("labels", "annotations", "nodeSelector")
_CARRIED: Final = frozenset(
    {*_MAPS, "tolerations", "priorityClassName", "serviceAccountName", "runAsUser", "namespace"}
)
_ARCHITECTURES: Final = {"amd64": "amd64", "arm64": "arm64"}
_CLUSTER: Final = "KubernetesDirect"


def plan_placement(found: FoundStep, notes: Notes) -> dict[str, Any]:
    """The fields `podTemplate`, `serviceAccountName` and `runAsUser`."""
    spec = _find_cluster(found, notes)
    template: dict[str, Any] = {name: read_map(f"infrastructure.{name}", spec.get(name), notes) for name in _MAPS}
    arch = as_text(look_up(found.around.stage, "spec", "platform", "arch")).lower()
    if arch in _ARCHITECTURES and ARCH_LABEL not in template["nodeSelector"]:
        template["nodeSelector"][ARCH_LABEL] = _ARCHITECTURES[arch]
    template["tolerations"] = typed_maps(spec.get("tolerations"))
    template["priorityClassName"] = read_text("infrastructure.priorityClassName", spec.get("priorityClassName"), notes)
    account = read_text("infrastructure.serviceAccountName", spec.get("serviceAccountName"), notes)
    if account:
        notes.todo(
            f"serviceAccountName {shown(account)}: ask the operator's installer to add it to allowed.serviceAccounts, "
            "or leave it out; a build needs no rights in the cluster"
        )
    _tell_namespace(spec.get("namespace"), notes)
    _tell_rest(found, spec, notes)
    return {
        "podTemplate": {name: value for name, value in template.items() if value},
        "serviceAccountName": account,
        "runAsUser": read_text("infrastructure.runAsUser", spec.get("runAsUser"), notes),
    }


def _tell_namespace(value: Value | None, notes: Notes) -> None:
    """The resource has no field for it."""
    if is_unanswered(value):
        notes.differs("the pipeline asks for the namespace at each run; name yours with kubectl apply -n")
        return
    namespace = read_text("infrastructure.namespace", value, notes)
    if namespace:
        notes.differs(f"the pipeline builds in the namespace {shown(namespace)}; name yours with kubectl apply -n")


def _find_cluster(found: FoundStep, notes: Notes) -> Map:
    """The settings of the pod: those of the innermost group that has some, else those of the stage."""
    for group in reversed(found.around.groups):
        if _is_cluster(group.get("stepGroupInfra")):
            return as_map(as_map(group["stepGroupInfra"]).get("spec"))
    stage = found.around.stage
    given = look_up(stage, "spec", "infrastructure")
    other = as_text(look_up(given, "useFromStage"))
    if other:
        stage = find_stage(found.around.pipeline, other)
        given = look_up(stage, "spec", "infrastructure")
        if not stage:
            notes.left_out(f"infrastructure: useFromStage names {shown(other)}, and no stage here has this identifier")
    if _is_cluster(given):
        return as_map(as_map(given).get("spec"))
    kind = as_text(look_up(given, "type"))
    if is_input(given):
        notes.left_out("infrastructure is asked for at each run; podTemplate places the build pod")
    elif kind:
        notes.left_out(f"infrastructure: {shown(kind)}: the build runs in a pod of this cluster")
    return {}


def _is_cluster(value: Value | None) -> bool:
    return as_text(as_map(value).get("type")) == _CLUSTER


def _tell_rest(found: FoundStep, spec: Map, notes: Notes) -> None:
    rest = [name for name in spec if name not in _CARRIED and not is_null(spec[name]) and spec[name] not in ({}, [])]
    if rest:
        notes.left_out(f"infrastructure: {join_names(rest)}: the build pod has its own")
    stage = as_map(found.around.stage.get("spec"))
    systems = {as_text(spec.get("os")), as_text(look_up(stage, "platform", "os"))} - {"", "Linux"}
    if systems:
        notes.todo(f"the stage runs on {join_names(sorted(systems))}; kaniko builds images for Linux on Linux")
    parts = ("sharedPaths", "caching", "serviceDependencies", "buildIntelligence", "runtime", "slsa_provenance")
    left = [name for name in parts if not is_null(stage.get(name)) and stage.get(name) not in ({}, [])]
    if any(as_list(group.get("sharedPaths")) for group in found.around.groups) and "sharedPaths" not in left:
        left.append("sharedPaths")
    if left:
        notes.left_out(f"of the stage: {join_names(left)}: the build pod holds one build and nothing else")
    known = {*parts, "cloneCodebase", "execution", "infrastructure", "platform"}
    unknown = [name for name in stage if name not in known and as_text(found.around.stage.get("type")) == "CI"]
    if unknown:
        notes.left_out(f"of the stage: {join_names(unknown)}: not known here")
    holders = (found.step, *found.around.groups, found.around.stage, found.around.pipeline)
    if any(as_list(holder.get("delegateSelectors")) for holder in holders):
        notes.left_out("delegateSelectors: nothing runs outside of the cluster; podTemplate places the build pod")
