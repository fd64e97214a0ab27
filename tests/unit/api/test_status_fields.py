"""New fields of a status are optional for ever.

An operator may meet a status that an older one wrote, or that an older CRD has pruned. A field that it insists on would
make such a status unreadable, and nothing is done for a resource whose status cannot be read.
"""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from buildandpush.api.connector import AzureConnectorStatus
from buildandpush.api.status import BuildAndPushACRStatus

REQUIRED_FOR_EVER = {
    "Artifact": {"image", "digest"},
    "BuildStatus": {"key", "phase", "pod_name", "tags"},
    "Condition": {"type", "status", "observed_generation", "last_transition_time", "reason", "message"},
    "Effective": {
        "repository",
        "timeout_seconds",
        "run_as_user",
        "memory_limit",
        "cpu_limit",
        "executor_image",
    },
    "HistoryEntry": {"number", "phase", "trigger", "started_at", "finished_at"},
    "Identity": {"kind"},
    "ImageLinks": {"pull_command", "manifest_url"},
    "LoginStatus": {"secret_name", "registries"},
    "RunStatus": {"number", "spec_hash", "generation", "trigger", "started_at", "effective", "builds"},
}
"""What the first version required. A name may leave this table; none may come into it."""


def models_of(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and all that its fields hold."""
    yield model
    for field in model.model_fields.values():
        yield from _models_in(field.annotation)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from models_of(annotation)
    for inner in get_args(annotation):
        yield from _models_in(inner)


MODELS = {model.__name__: model for root in (BuildAndPushACRStatus, AzureConnectorStatus) for model in models_of(root)}


@pytest.mark.parametrize("name", MODELS)
def test_no_field_is_required_that_was_not_at_first(name: str) -> None:
    required = {field for field, info in MODELS[name].model_fields.items() if info.is_required()}
    assert required - REQUIRED_FOR_EVER.get(name, set()) == set(), "give it a default: see above"


def test_the_table_speaks_of_models_that_there_are() -> None:
    assert set(REQUIRED_FOR_EVER) <= set(MODELS)
    assert {"BuildStatus", "LoginStatus"} <= set(MODELS)
