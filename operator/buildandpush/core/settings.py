"""What the operator's installer decides for all builds; made by config.py from the environment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BuildSettings:
    """Defaults and images of build pods."""

    executor_image: str
    """Image of the kaniko executor; v1.28.3 or later, since older ones send Azure tokens to look-alike hosts."""
    source_image: str
    """Image of the init container that fetches sources: the operator's own."""
    image_pull_policy: str = "IfNotPresent"
    timeout_seconds: int = 3600
    memory_limit: str = "500Mi"
    cpu_limit: str = "400m"
    cpu_request: str = "100m"
