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
    retries: int = 3
    """Further attempts after infrastructure failures."""
    pending_timeout_seconds: int = 3600
    """How long a pod may wait for a node."""
    start_timeout_seconds: int = 300
    """How long a pod with a node may fail to pull its images or to make its containers."""
    node_lost_timeout_seconds: int = 300
    """How long a pod may be going away before its node counts as lost."""
