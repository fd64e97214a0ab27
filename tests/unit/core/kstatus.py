"""kstatus's rules for custom resources, re-stated: how Flux and others judge an object.

Source: https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/status/generic.go and status.go: deletion,
then the generation, then Reconciling, then Stalled, then Ready; an object that says none of it counts as current.
"""

from typing import Any


def judge(obj: dict[str, Any]) -> str:
    """Terminating, InProgress, Failed or Current."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = obj.get("status") or {}
    observed = status.get("observedGeneration")
    if observed is not None and observed != obj["metadata"].get("generation"):
        return "InProgress"
    values = {item["type"]: item["status"] for item in status.get("conditions") or ()}
    if values.get("Reconciling") == "True":
        return "InProgress"
    if values.get("Stalled") == "True":
        return "Failed"
    if "Ready" in values:
        return "Current" if values["Ready"] == "True" else "InProgress"
    return "Current"
