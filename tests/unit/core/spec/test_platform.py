"""Which platform an image gets, and which nodes can build for it."""

from dataclasses import replace

import pytest

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.flags import parse_flags
from buildandpush.core.spec.plan import BuildPlan, parse_spec, plan_build
from buildandpush.core.spec.platform import arch_of, parse_platform, plan_platform
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import SETTINGS, spec


@pytest.mark.parametrize(
    ("asked", "arch", "default", "planned"),
    [
        ("", "", "", ""),
        ("", "", "linux/amd64", "linux/amd64"),
        ("", "arm64", "linux/amd64", "linux/arm64"),
        ("linux/arm64", "", "linux/amd64", "linux/arm64"),
        ("linux/arm64", "arm64", "", "linux/arm64"),
        ("linux/arm/v7", "arm", "", "linux/arm/v7"),
        (" linux/arm64 ", "", "", "linux/arm64"),
    ],
)
@pytest.mark.proves("PLUGIN_CUSTOM_PLATFORM", "PLUGIN_PLATFORM")
def test_the_flag_decides_then_the_node_selector_then_the_installer(
    asked: str, arch: str, default: str, planned: str
) -> None:
    for name in ("PLUGIN_CUSTOM_PLATFORM", "PLUGIN_PLATFORM"):
        chosen = {"kubernetes.io/arch": arch} if arch else {}
        assert plan_platform(parse_flags({name: asked}), chosen, default) == planned


@pytest.mark.parametrize("asked", ["linux/amd64,linux/arm64", "linux/amd64;linux/arm64", "linux/amd64 linux/arm64"])
def test_more_than_one_platform_is_refused_with_what_to_do(asked: str) -> None:
    with pytest.raises(SpecInvalidError, match=r"^envVariables.PLUGIN_PLATFORM: .*more than one.*one resource"):
        plan_platform(parse_flags({"PLUGIN_PLATFORM": asked}), {}, "")


@pytest.mark.parametrize("asked", ["arm64", "windows/amd64", "linux/", "linux/ARM64", "linux/arm64/v8/x", "linux/a\nb"])
def test_what_is_no_platform_is_named(asked: str) -> None:
    with pytest.raises(SpecInvalidError, match=r"^envVariables.PLUGIN_CUSTOM_PLATFORM: .*(no platform|more than one)"):
        plan_platform(parse_flags({"PLUGIN_CUSTOM_PLATFORM": asked}), {}, "")
    with pytest.raises(SpecInvalidError, match=r"^platform: .*no platform"):
        parse_platform("platform", asked)


def test_a_node_selector_that_contradicts_the_flag_is_refused() -> None:
    flags = parse_flags({"PLUGIN_PLATFORM": "linux/arm64"})
    with pytest.raises(SpecInvalidError, match=r"contradicts kubernetes.io/arch: amd64"):
        plan_platform(flags, {"kubernetes.io/arch": "amd64"}, "")


def _plan(default: str, **changes: object) -> BuildPlan:
    return plan_build(parse_spec(spec(**changes)), replace(SETTINGS, platform=default), Occasion(1))


def test_the_status_says_the_platform() -> None:
    assert _plan("linux/amd64").effective(SETTINGS).platform == "linux/amd64"
    assert _plan("").effective(SETTINGS).platform is None


@pytest.mark.parametrize(("platform", "arch"), [("", ""), ("linux/amd64", "amd64"), ("linux/arm/v7", "arm")])
def test_nodes_are_named_by_the_architecture(platform: str, arch: str) -> None:
    assert arch_of(platform) == arch
