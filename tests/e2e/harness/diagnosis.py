"""The state of a failed test's namespace as text, so that no second run is needed to explain the failure."""

import json
from collections.abc import Collection
from typing import Final

from tests.e2e.harness.api import BUILD, CONNECTOR, Api, ApiError, Object
from tests.e2e.harness.operatorpod import OperatorPod

_LOG_LINES: Final = 25


def explain_namespace(api: Api, namespace: str, *, builds: Collection[str] | None = None) -> str:
    """Statuses, pods, their logs, Events and the operator's lines about this namespace; of builds with these names
    alone, if any are given."""

    def counts(item: Object) -> bool:
        about = item.get("involvedObject", item["metadata"])["name"]
        return builds is None or any(f"{about}-".startswith(f"{name}-") for name in builds)

    try:
        return "\n".join(
            [
                *(_resource(item) for kind in (BUILD, CONNECTOR) for item in api.list(kind, namespace) if counts(item)),
                *(_pod(api, namespace, pod) for pod in api.list("Pod", namespace) if counts(pod)),
                *(_event(event) for event in api.list("Event", namespace) if counts(event)),
                "--- operator",
                *_operator_lines(api, namespace),
            ]
        )
    except (ApiError, OSError, AssertionError) as error:
        return f"could not look: {error}"


def _resource(item: Object) -> str:
    metadata = item["metadata"]
    head = f"--- {item['kind']} {metadata['name']} generation {metadata['generation']}"
    return f"{head}\n{json.dumps(item.get('status'), indent=1, ensure_ascii=False)}"


def _pod(api: Api, namespace: str, pod: Object) -> str:
    name, status = pod["metadata"]["name"], pod["status"]
    lines = [f"--- Pod {name}: {status.get('phase')} {status.get('reason', '')} {status.get('message', '')}"]
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        lines.append(f"{container['name']}: {json.dumps(container.get('state'))}")
        lines.append(api.log(namespace, name, container["name"], lines=_LOG_LINES))
    return "\n".join(lines)


def _event(event: Object) -> str:
    about = event["involvedObject"]
    return f"Event {event['type']} {event['reason']} {about['kind']}/{about['name']}: {event['message']}"


def _operator_lines(api: Api, namespace: str) -> list[str]:
    lines = OperatorPod(api).log(lines=500).splitlines()
    mine = [line for line in lines if namespace in line]
    return (mine or lines)[-_LOG_LINES:]
