"""Mirrors of registries, and registries whose TLS the installer allows to switch off."""

import re
from dataclasses import dataclass
from typing import Final

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.redact import show_value
from buildandpush.core.spec.flags import OWN_REGISTRY, PluginFlags, field_name

MIRRORS: Final = "PLUGIN_REGISTRY_MIRRORS"

_HOST: Final = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?"
_MIRROR: Final = re.compile(rf"{_HOST}(/[a-z0-9._-]+)*/?")
_UNVERIFIED: Final = ("PLUGIN_SKIP_TLS_VERIFY", "PLUGIN_SKIP_TLS_VERIFY_PULL", "PLUGIN_SKIP_TLS_VERIFY_REGISTRY")
_PLAIN: Final = ("PLUGIN_INSECURE", "PLUGIN_INSECURE_PULL", "PLUGIN_INSECURE_REGISTRY")
_DOCKER_HUB: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


@dataclass(frozen=True)
class RegistryPlan:
    """Mirrors and exceptions, resolved to registries."""

    mirrors: tuple[str, ...] = ()
    """Mirrors of docker.io, host and path."""
    maps: tuple[tuple[str, str], ...] = ()
    """Registry and mirror of it."""
    unverified: tuple[str, ...] = ()
    """Hosts whose certificates are not checked."""
    plain: tuple[str, ...] = ()
    """Hosts spoken to over plain http."""


def plan_registries(
    spec: BuildAndPushACRSpec, flags: PluginFlags, allowed: tuple[str, ...], default_mirrors: tuple[str, ...] = ()
) -> RegistryPlan:
    """`allowed` are the hosts that the installer lets TLS be switched off for, `default_mirrors` the installer's
    mirrors for a spec that names none; raises SpecInvalidError."""
    mirrors, maps = _plan_mirrors(spec, flags, default_mirrors)
    own = spec.repository.split("/", 1)[0]
    return RegistryPlan(
        mirrors=mirrors,
        maps=maps,
        unverified=_exempt(flags, own, allowed, _UNVERIFIED),
        plain=_exempt(flags, own, allowed, _PLAIN),
    )


def registry_arguments(plan: RegistryPlan) -> list[str]:
    """The executor's arguments. Each names its registry; none holds for all registries."""
    return [
        *(f"--registry-mirror={mirror}" for mirror in plan.mirrors),
        *(f"--registry-map={registry}={mirror}" for registry, mirror in plan.maps),
        *(f"--skip-tls-verify-registry={host}" for host in plan.unverified),
        *(f"--insecure-registry={host}" for host in plan.plain),
    ]


def _plan_mirrors(
    spec: BuildAndPushACRSpec, flags: PluginFlags, default: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    field, given = "registryMirrors", tuple(spec.registry_mirrors or ())
    if flags.items(MIRRORS):
        if given:
            raise SpecInvalidError(field_name(MIRRORS), "registryMirrors is given too; give one of them")
        field, given = field_name(MIRRORS), flags.items(MIRRORS)
    return parse_mirrors(field, given or default)


def parse_mirrors(field: str, given: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Mirrors of docker.io, and pairs of another registry and its mirror; raises SpecInvalidError."""
    mirrors: list[str] = []
    maps: list[tuple[str, str]] = []
    for entry in given:
        registry, equals, mirror = entry.strip().partition("=")
        if not equals:
            registry, mirror = "docker.io", registry
        if not re.fullmatch(_HOST, registry) or not _MIRROR.fullmatch(mirror):
            raise SpecInvalidError(
                field,
                f"{show_value(entry)} is no mirror; write a host such as mirror.gcr.io, or "
                "quay.io=<host of its mirror>",
            )
        if registry in _DOCKER_HUB:
            mirrors.append(mirror)
        else:
            maps.append((registry, mirror))
    return tuple(mirrors), tuple(maps)


def _exempt(flags: PluginFlags, own: str, allowed: tuple[str, ...], names: tuple[str, str, str]) -> tuple[str, ...]:
    """The hosts that three flags name: for pushes the repository's own, for pulls every allowed one, or a list."""
    push, pull, listed = names
    wanted: list[tuple[str, str]] = []
    if flags.is_on(push):
        wanted.append((push, own))
    if flags.is_on(pull):
        wanted += [(pull, host) for host in allowed] or [(pull, "")]
    wanted += [(listed, own if host == OWN_REGISTRY else host) for host in flags.items(listed)]
    for name, host in wanted:
        if host not in allowed:
            about = f"{host} is not" if host else "no registry is"
            raise SpecInvalidError(
                field_name(name),
                f"{about} among those that TLS may be switched off for; use the connector's caBundle, or ask the "
                "operator's installer to add it to allowed.insecureRegistries",
            )
    return tuple(dict.fromkeys(host for _, host in wanted))
