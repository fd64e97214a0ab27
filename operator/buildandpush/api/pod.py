"""The parts of the build pod that a user may set: resources, placement, volumes."""

from typing import Annotated, Any

from pydantic import Field

from buildandpush.api.base import ANYTHING, ATOMIC, ApiModel, Name, Quantity

_ShortText = Annotated[str, Field(max_length=253)]


class ResourceList(ApiModel):
    """Amounts of memory, cpu and disk."""

    memory: Quantity | None = Field(
        None, description="Bytes, with G, M, Gi or Mi. Default: 500Mi as limit; as request the limit. Example: 2Gi"
    )
    cpu: Quantity | None = Field(
        None, description="Cores, as a fraction or with m. Default: 400m as limit, 100m as request. Example: 1.5"
    )
    ephemeral_storage: Quantity | None = Field(
        None,
        alias="ephemeral-storage",
        description="Disk for the unpacked image and the source, with Gi or Mi. Default: none set. Example: 10Gi",
    )


class Resources(ApiModel):
    """What the build may use, and what the scheduler reserves for it."""

    limits: ResourceList | None = Field(None, description="The most the build may use. Default: 500Mi and 400m.")
    requests: ResourceList | None = Field(
        None, description="What the scheduler reserves. Default: memory as limits.memory, cpu 100m."
    )


class PodTemplate(ApiModel):
    """Placement, labels and annotations of the build pod, but none that gives it more rights."""

    labels: dict[str, _ShortText] | None = Field(None, max_length=32, description='Labels. Example: {"team": "shop"}')
    annotations: dict[str, Annotated[str, Field(max_length=4096)]] | None = Field(
        None, max_length=32, description='Annotations. Example: {"example.com/cost-centre": "42"}'
    )
    node_selector: dict[str, _ShortText] | None = Field(
        None, max_length=32, description='Labels that the node must have. Example: {"pool": "builds"}'
    )
    tolerations: list[dict[str, Any]] | None = Field(
        None, max_length=32, description="Tolerations, as in a pod's spec.", json_schema_extra=ANYTHING
    )
    affinity: dict[str, Any] | None = Field(
        None, description="Affinity, as in a pod's spec.", json_schema_extra=ANYTHING
    )
    priority_class_name: str | None = Field(None, max_length=253, description="Priority class. Example: batch-low")
    runtime_class_name: str | None = Field(None, max_length=253, description="Runtime class. Example: kata")
    topology_spread_constraints: list[dict[str, Any]] | None = Field(
        None, max_length=16, description="Spreading, as in a pod's spec.", json_schema_extra=ANYTHING
    )
    image_pull_secrets: list[Name] | None = Field(
        None,
        max_length=8,
        description='Names of Secrets that the pod\'s own images are pulled with. Example: ["mirror-pull"]',
        json_schema_extra=ATOMIC,
    )


class WorkspaceVolume(ApiModel):
    """A volume that exists."""

    claim_name: Name = Field(description="Name of the PersistentVolumeClaim in this namespace. Example: builds")


class Workspace(ApiModel):
    """Where kaniko writes image files to, and reads them from."""

    persistent_volume_claim: WorkspaceVolume | None = Field(None, description="A volume of this namespace.")
