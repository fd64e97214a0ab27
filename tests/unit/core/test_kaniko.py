"""kaniko's command line: every value byte for byte, and nothing secret on it."""

from typing import Any

import pytest

from buildandpush.core.kaniko import SOURCE_ROOT, kaniko_arguments
from buildandpush.core.plan import parse_spec, plan_build
from tests.unit.core.factories import SETTINGS, spec

VALUES = [
    "plain",
    "",
    "a,b,c",
    "a=b=c",
    "two words",
    "line one\nline two",
    "quote \" and ' and \\ and `",
    "$HOME $(id) ${X} ; rm -rf / &",
    "日本 🚀 é",
    "--destination=evil.azurecr.io/x",
    " outer blanks ",
    "\ttab",
]


def arguments(*, run_label: str = "uid/1", ca_hosts: tuple[str, ...] = (), **changes: Any) -> list[str]:
    """The arguments for the smallest spec with these fields changed."""
    plan = plan_build(parse_spec(spec(**changes)), SETTINGS, run_number=7)
    return kaniko_arguments(plan, run_label=run_label, ca_hosts=ca_hosts)


def values_of(flag: str, found: list[str]) -> list[str]:
    """What a flag was given, in order."""
    return [item.removeprefix(f"--{flag}=") for item in found if item.startswith(f"--{flag}=")]


@pytest.mark.parametrize("value", VALUES)
def test_build_argument_arrives_byte_for_byte(value: str) -> None:
    assert values_of("build-arg", arguments(buildArgs={"NAME": value})) == [f"NAME={value}"]


@pytest.mark.parametrize("value", VALUES)
def test_label_arrives_byte_for_byte(value: str) -> None:
    assert f"example.name={value}" in values_of("label", arguments(labels={"example.name": value}))


def test_every_argument_is_one_flag_with_its_value() -> None:
    found = arguments(labels={"a": "--x"}, buildArgs={"B": "y z"}, target="final", ca_hosts=("contoso.azurecr.io",))
    assert all(item.startswith("--") and "=" in item for item in found)


def test_cloud_logins_are_switched_off_so_that_kaniko_asks_no_node_identity() -> None:
    assert values_of("credential-helpers", arguments()) == [""]


def test_each_tag_is_a_destination() -> None:
    found = arguments(tags=["latest", "1.<+pipeline.sequenceId>"])
    base = "contoso.azurecr.io/shop/web"
    assert values_of("destination", found) == [f"{base}:latest", f"{base}:1.7"]


def test_image_carries_the_run_that_pushed_it() -> None:
    assert any(value.endswith("=uid/3") for value in values_of("label", arguments(run_label="uid/3")))


def test_a_label_of_the_users_cannot_claim_another_run() -> None:
    """kaniko takes the last of several labels of one name."""
    found = values_of("label", arguments(labels={"buildandpush.dev/run": "forged"}, run_label="uid/3"))
    assert [value for value in found if value.startswith("buildandpush.dev/run=")][-1] == "buildandpush.dev/run=uid/3"


@pytest.mark.parametrize(
    ("changes", "context", "dockerfile"),
    [
        ({}, f"dir://{SOURCE_ROOT}", f"{SOURCE_ROOT}/Dockerfile"),
        ({"context": "web"}, f"dir://{SOURCE_ROOT}/web", f"{SOURCE_ROOT}/Dockerfile"),
        ({"dockerfile": "d/x", "context": "./web/"}, f"dir://{SOURCE_ROOT}/web", f"{SOURCE_ROOT}/d/x"),
        ({"context": "/harness/web"}, f"dir://{SOURCE_ROOT}/web", f"{SOURCE_ROOT}/Dockerfile"),
    ],
)
def test_paths_are_relative_to_the_source(changes: dict[str, Any], context: str, dockerfile: str) -> None:
    found = arguments(**changes)
    assert values_of("context", found) == [context]
    assert values_of("dockerfile", found) == [dockerfile]


@pytest.mark.parametrize(("optimize", "mode"), [(None, "redo"), (True, "redo"), (False, "full")])
def test_optimize_chooses_the_snapshot_mode(optimize: bool | None, mode: str) -> None:
    assert values_of("snapshot-mode", arguments(optimize=optimize)) == [mode]


@pytest.mark.parametrize(("target", "found"), [(None, []), ("", []), ("runtime", ["runtime"])])
def test_target_is_left_out_unless_given(target: str | None, found: list[str]) -> None:
    assert values_of("target", arguments(target=target)) == found


def test_certificates_are_trusted_for_their_hosts_only() -> None:
    assert values_of("registry-certificate", arguments()) == []
    found = values_of("registry-certificate", arguments(ca_hosts=("a.azurecr.io", "b:5000")))
    assert [value.split("=")[0] for value in found] == ["a.azurecr.io", "b:5000"]


def test_the_digest_goes_where_the_kubelet_reads_it() -> None:
    assert values_of("digest-file", arguments()) == ["/dev/termination-log"]


@pytest.mark.parametrize("flag", ["insecure", "skip-tls-verify", "force", "insecure-pull", "skip-tls-verify-pull"])
def test_tls_stays_on_and_kaniko_stays_in_its_container(flag: str) -> None:
    assert not [item for item in arguments() if item.split("=")[0] == f"--{flag}"]


def test_same_plan_gives_same_arguments_whatever_the_order_of_keys() -> None:
    one = arguments(labels={"a": "1", "b": "2"}, buildArgs={"x": "1", "y": "2"})
    other = arguments(labels={"b": "2", "a": "1"}, buildArgs={"y": "2", "x": "1"})
    assert one == other
