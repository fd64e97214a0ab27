"""Mirrors, and TLS switched off only where the operator's installer lets it."""

from typing import Any

import pytest

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.flags import parse_flags
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.registries import plan_registries, registry_arguments
from tests.unit.core.factories import spec

OWN = "contoso.azurecr.io"
TLS_FLAGS: list[tuple[str, Any]] = [
    ("PLUGIN_SKIP_TLS_VERIFY", True),
    ("PLUGIN_SKIP_TLS_VERIFY_PULL", True),
    ("PLUGIN_SKIP_TLS_VERIFY_REGISTRY", OWN),
    ("PLUGIN_INSECURE", True),
    ("PLUGIN_INSECURE_PULL", True),
    ("PLUGIN_INSECURE_REGISTRY", OWN),
]


def arguments(variables: dict[str, Any] | None = None, *, allowed: tuple[str, ...] = (), **changes: Any) -> list[str]:
    """The executor's arguments about registries."""
    return registry_arguments(plan_registries(parse_spec(spec(**changes)), parse_flags(variables), allowed))


@pytest.mark.proves("registryMirrors")
def test_mirrors_keep_their_order_and_other_registries_are_mapped() -> None:
    found = arguments(registryMirrors=["b.example/hub", "quay.io=a.example/quay", "a.example:5000"])
    assert found == [
        "--registry-mirror=b.example/hub",
        "--registry-mirror=a.example:5000",
        "--registry-map=quay.io=a.example/quay",
    ]


@pytest.mark.parametrize("hub", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_by_any_of_its_names_is_a_mirror(hub: str) -> None:
    assert arguments(registryMirrors=[f"{hub}=a.example"]) == ["--registry-mirror=a.example"]


@pytest.mark.proves("PLUGIN_REGISTRY_MIRRORS")
def test_the_flag_says_the_same() -> None:
    assert arguments({"PLUGIN_REGISTRY_MIRRORS": "a.example, quay.io=b.example"}) == [
        "--registry-mirror=a.example",
        "--registry-map=quay.io=b.example",
    ]
    with pytest.raises(SpecInvalidError, match="^envVariables.PLUGIN_REGISTRY_MIRRORS: registryMirrors is given too"):
        arguments({"PLUGIN_REGISTRY_MIRRORS": "a.example"}, registryMirrors=["a.example"])


@pytest.mark.parametrize(
    "mirror",
    ["https://a.example", "a.example;b=c", "a b", "quay.io=", "=a.example", "quay.io/x=a", "-x", "a=b=c", "a@b"],
)
def test_what_is_no_mirror_is_refused(mirror: str) -> None:
    with pytest.raises(SpecInvalidError, match="^registryMirrors: .*is no mirror; write a host"):
        arguments(registryMirrors=[mirror])


@pytest.mark.parametrize(("name", "value"), TLS_FLAGS)
def test_tls_stays_on_for_registries_that_the_installer_did_not_name(name: str, value: Any) -> None:
    for allowed in ((), ("other.example",)):
        if name.endswith("_PULL") and allowed:
            continue  # it holds for the allowed ones, whichever they are
        with pytest.raises(SpecInvalidError, match=f"^envVariables.{name}: .*caBundle.*allowed.insecureRegistries"):
            arguments({name: value}, allowed=allowed)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        pytest.param(name, value, found, marks=pytest.mark.proves(name), id=name)
        for name, value, found in [
            ("PLUGIN_SKIP_TLS_VERIFY", True, [f"--skip-tls-verify-registry={OWN}"]),
            (
                "PLUGIN_SKIP_TLS_VERIFY_PULL",
                True,
                [f"--skip-tls-verify-registry={OWN}", "--skip-tls-verify-registry=base.example:5000"],
            ),
            ("PLUGIN_SKIP_TLS_VERIFY_REGISTRY", "base.example:5000", ["--skip-tls-verify-registry=base.example:5000"]),
            ("PLUGIN_SKIP_TLS_VERIFY_REGISTRY", True, [f"--skip-tls-verify-registry={OWN}"]),
            ("PLUGIN_SKIP_TLS_VERIFY_REGISTRY", "false", []),
            ("PLUGIN_INSECURE_REGISTRY", "true", [f"--insecure-registry={OWN}"]),
            ("PLUGIN_INSECURE_REGISTRY", False, []),
            ("PLUGIN_INSECURE", True, [f"--insecure-registry={OWN}"]),
            ("PLUGIN_INSECURE_PULL", True, [f"--insecure-registry={OWN}", "--insecure-registry=base.example:5000"]),
            ("PLUGIN_INSECURE_REGISTRY", f"{OWN},base.example:5000",
             [f"--insecure-registry={OWN}", "--insecure-registry=base.example:5000"]),
        ]
    ],
)  # fmt: skip
def test_a_flag_takes_its_value_and_holds_for_named_registries_only(name: str, value: Any, found: list[str]) -> None:
    """The plugin did not know the first and passed the third on without a value."""
    assert arguments({name: value}, allowed=(OWN, "base.example:5000")) == found


def test_flags_that_are_off_need_no_leave() -> None:
    assert arguments({name: False for name, value in TLS_FLAGS if value is True}) == []


def test_one_registry_among_several_that_is_not_allowed_is_named() -> None:
    with pytest.raises(SpecInvalidError, match="evil.example is not among those"):
        arguments({"PLUGIN_INSECURE_REGISTRY": f"{OWN},evil.example"}, allowed=(OWN,))


def test_two_flags_name_a_registry_once() -> None:
    both = {"PLUGIN_SKIP_TLS_VERIFY": True, "PLUGIN_SKIP_TLS_VERIFY_REGISTRY": OWN}
    assert arguments(both, allowed=(OWN,)) == [f"--skip-tls-verify-registry={OWN}"]
