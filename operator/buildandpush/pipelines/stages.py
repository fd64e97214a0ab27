"""The stages of a pipeline, whether they run one after the other or beside each other."""

from buildandpush.pipelines.values import Map, as_list, as_map, as_text


def list_stages(pipeline: Map) -> list[Map]:
    """All stages, in their order."""
    found: list[Map] = []
    for entry in map(as_map, as_list(pipeline.get("stages"))):
        for each in [entry, *map(as_map, as_list(entry.get("parallel")))]:
            if isinstance(each.get("stage"), dict):
                found.append(as_map(each["stage"]))
    return found


def find_stage(pipeline: Map, identifier: str) -> Map:
    """The stage of this identifier; empty if there is none."""
    return next((stage for stage in list_stages(pipeline) if as_text(stage.get("identifier")) == identifier), {})
