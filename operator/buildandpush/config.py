"""The operator's settings, read once from the environment. Units are in the names."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.quantity import parse_cpu, parse_memory
from buildandpush.core.settings import BuildSettings

PREFIX = "BUILDANDPUSH_"


class ConfigError(Exception):
    """A variable of the environment cannot be used; the message names it, its value and the remedy."""


class OperatorConfig(BaseModel):
    """One field for each variable: `executor_image` is read from BUILDANDPUSH_EXECUTOR_IMAGE."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    executor_image: str = Field(min_length=1)
    """Image of the kaniko executor. Required."""
    source_image: str = Field(min_length=1)
    """Image of the init container that fetches sources: the operator's own. Required."""
    image_pull_policy: str = Field("IfNotPresent", pattern="^(Always|IfNotPresent|Never)$")
    """Pull policy of both."""
    namespaces: str = ""
    """Namespaces to watch, separated by commas. Default: all."""
    timeout_seconds: int = Field(3600, ge=1)
    """Limit of a build's duration where the spec names none."""
    memory_limit: str = "500Mi"
    """Memory limit where the spec names none."""
    cpu_limit: str = "400m"
    """CPU limit where the spec names none."""
    cpu_request: str = "100m"
    """CPU request where the spec names none."""
    workers: int = Field(20, ge=1, le=500)
    """Resources worked on at the same time."""
    port: int = Field(8080, ge=1, le=65535)
    """Port of /healthz."""
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """Least important level that is logged."""

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Read all variables with our prefix; raises ConfigError for a missing, unknown or unusable one."""
        values = {
            name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)
        }
        try:
            config = cls.model_validate(values)
            parse_memory("memory_limit", config.memory_limit)
            parse_cpu("cpu_limit", config.cpu_limit)
            parse_cpu("cpu_request", config.cpu_request)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = PREFIX + str(first["loc"][0]).upper()
            raise ConfigError(f"{name}={values.get(str(first['loc'][0]), '')!r}: {first['msg']}") from error
        except SpecInvalidError as error:
            raise ConfigError(f"{PREFIX}{error.field.upper()}: {error}") from error
        return config

    @property
    def namespace_list(self) -> tuple[str, ...]:
        """The namespaces to watch; empty for all."""
        return tuple(name.strip() for name in self.namespaces.split(",") if name.strip())

    @property
    def build_settings(self) -> BuildSettings:
        """What the core needs of it."""
        return BuildSettings(
            executor_image=self.executor_image,
            source_image=self.source_image,
            image_pull_policy=self.image_pull_policy,
            timeout_seconds=self.timeout_seconds,
            memory_limit=self.memory_limit,
            cpu_limit=self.cpu_limit,
            cpu_request=self.cpu_request,
        )
