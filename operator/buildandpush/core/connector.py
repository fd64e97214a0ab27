"""Decides the status of an AzureConnector from its spec and its Secret."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from buildandpush.api.connector import AzureConnectorSpec, AzureConnectorStatus
from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.failure import describe
from buildandpush.core.login import Connector, Credentials
from buildandpush.core.world import Waiting


def parse_connector(raw: Mapping[str, Any]) -> Connector | Waiting:
    """An AzureConnector object as a value, or why it is none."""
    metadata = raw["metadata"]
    try:
        spec = AzureConnectorSpec.model_validate(raw.get("spec") or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        return Waiting(Reason.CONNECTOR_INVALID, f"connector {metadata['name']!r}: {field}: {first['msg']}")
    return Connector(metadata["namespace"], metadata["name"], metadata["uid"], spec)


def decide_connector(
    status: AzureConnectorStatus, generation: int, credentials: Credentials | Waiting, now: datetime
) -> AzureConnectorStatus:
    """The connector's status: ready with the credentials found, or what is missing."""
    conditions = ConditionSet(status.conditions, generation=generation, now=now)
    if isinstance(credentials, Waiting):
        value, reason = "False", credentials.reason
        message = describe(credentials.reason, credentials.message)
    else:
        value, reason = "True", Reason.CREDENTIALS_FOUND
        message = (
            f"{describe(Reason.CREDENTIALS_FOUND)} User {credentials.username!r} for {', '.join(credentials.hosts)}."
        )
    conditions.set(ConditionType.READY, "True" if value == "True" else "False", reason, message)
    if value == "True":
        conditions.drop(ConditionType.STALLED)
    else:
        conditions.set(ConditionType.STALLED, "True", reason, message)
    return AzureConnectorStatus(observed_generation=generation, conditions=conditions.as_list())
