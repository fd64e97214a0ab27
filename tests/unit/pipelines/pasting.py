"""Imports of short pipelines that stand in a test: what the one step became, and what the import says of it."""

import json
from typing import Any, Final

from buildandpush.pipelines.convert import Imported, Order, import_pipelines
from buildandpush.pipelines.reader import SourceFile
from buildandpush.pipelines.resource import Resource

FILE: Final = "a.yaml"
URL: Final = "https://github.com/contoso/shop.git"


def step(*, around: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """A good step with these settings; `around` are the keys beside its `spec`."""
    spec = {"connectorRef": "acr", "repository": "contoso.azurecr.io/web", "tags": ["latest"], **settings}
    return {"type": "BuildAndPushACR", "identifier": "push", **(around or {}), "spec": spec}


def pipeline(*steps: dict[str, Any], stage: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    """A pipeline with one stage and these steps. `stage` are keys of the stage, others those of the pipeline."""
    stage = dict(stage or {})
    spec = {"execution": {"steps": [{"step": each} for each in steps or (step(),)]}, **stage.pop("spec", {})}
    return {
        "identifier": "shop",
        "stages": [{"stage": {"identifier": "build", "type": "CI", **stage, "spec": spec}}],
        **given,
    }


def paste(text: str, url: str = URL) -> Imported:
    """What comes of a text."""
    return import_pipelines(Order([SourceFile(FILE, text)], git_url=url))


def paste_pipeline(*steps: dict[str, Any], url: str = URL, **given: Any) -> Imported:
    """What comes of a pipeline with these steps."""
    return paste(json.dumps({"pipeline": pipeline(*steps, **given)}), url)


def one(result: Imported) -> Resource:
    """The only resource."""
    ((resource,),) = result.resources.values()
    return resource


def spec_of(resource: Resource) -> dict[str, Any]:
    """The resource's spec."""
    spec: dict[str, Any] = resource.manifest["spec"]
    return spec


def told(resource: Resource) -> list[str]:
    """All notes of a resource, each behind its heading."""
    return [f"{note.level}: {note.text}" for note in resource.notes]


def told_of_file(result: Imported) -> list[str]:
    """All notes of the file as a whole."""
    return [f"{note.level}: {note.text}" for note in result.remarks.get(FILE, ())]
