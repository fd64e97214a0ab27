"""What a build may use, and what the scheduler reserves for it."""

from dataclasses import dataclass

from buildandpush.api.pod import ResourceList, Resources
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.quantity import parse_cpu, parse_memory, quantity_value


@dataclass(frozen=True)
class Requirements:
    """Resource limits and requests of the kaniko container, as Kubernetes quantities."""

    memory_limit: str
    cpu_limit: str
    memory_request: str
    cpu_request: str
    storage_limit: str | None = None
    storage_request: str | None = None


def plan_requirements(resources: Resources | None, settings: BuildSettings) -> Requirements:
    """The given amounts and the defaults for the others; raises SpecInvalidError."""
    limits = (resources and resources.limits) or ResourceList()
    requests = (resources and resources.requests) or ResourceList()
    memory = parse_memory("resources.limits.memory", _or(limits.memory, settings.memory_limit))
    cpu = parse_cpu("resources.limits.cpu", _or(limits.cpu, settings.cpu_limit))
    memory_request = parse_memory("resources.requests.memory", _or(requests.memory, memory))
    # The default request must not stand above a limit that the user set lower.
    default_cpu = min(settings.cpu_request, cpu, key=quantity_value)
    cpu_request = parse_cpu("resources.requests.cpu", _or(requests.cpu, default_cpu))
    storage = _optional_storage(
        "resources.limits.ephemeral-storage", _or(limits.ephemeral_storage, settings.storage_limit) or None
    )
    storage_request = _optional_storage("resources.requests.ephemeral-storage", requests.ephemeral_storage)
    _check_request("memory", memory_request, memory)
    _check_request("cpu", cpu_request, cpu)
    if storage and storage_request:
        _check_request("ephemeral-storage", storage_request, storage)
    return Requirements(memory, cpu, memory_request, cpu_request, storage, storage_request)


def _check_request(name: str, request: str, limit: str) -> None:
    if quantity_value(request) > quantity_value(limit):
        raise SpecInvalidError(
            f"resources.requests.{name}", f"{request} is more than the limit {limit}; lower it or raise the limit"
        )


def _optional_storage(field: str, value: str | int | float | None) -> str | None:
    return None if value is None else parse_memory(field, value)


def _or(value: str | int | float | None, default: str) -> str | int | float:
    return default if value is None else value
