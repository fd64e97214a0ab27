"""Pods as a kubelet wrote them."""

import json
from pathlib import Path
from typing import Any

from buildandpush.core.pod.observation import PodObservation, observe_pod

PODS = Path(__file__).parents[2] / "fixtures" / "pods"


def load(name: str) -> dict[str, Any]:
    """A recorded pod."""
    raw: dict[str, Any] = json.loads((PODS / f"{name}.json").read_text())
    return raw


def observe(name: str) -> PodObservation:
    """What is seen of a recorded pod."""
    return observe_pod(load(name))
