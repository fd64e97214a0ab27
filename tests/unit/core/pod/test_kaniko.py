"""kaniko's command line: every value byte for byte, and nothing secret on it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.pod.kaniko import SOURCE_ROOT, kaniko_arguments
from buildandpush.core.spec.plan import parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
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
    "a;b;c=d;",
    "\r\n\x07\x1b[31m",
]
# Whatever an argument can hold: anything but a zero byte, and no half of a surrogate pair.
ANY_VALUE = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
VOLUME = {"persistentVolumeClaim": {"claimName": "builds"}}


def arguments(*, run_label: str = "uid/1", ca_hosts: tuple[str, ...] = (), **changes: Any) -> list[str]:
    """The arguments for the smallest spec with these fields changed."""
    plan = plan_build(parse_spec(spec(**changes)), SETTINGS, Occasion(7))
    return kaniko_arguments(plan, run_label=run_label, ca_hosts=ca_hosts)


def values_of(flag: str, found: list[str]) -> list[str]:
    """What a flag was given, in order."""
    return [item.removeprefix(f"--{flag}=") for item in found if item.startswith(f"--{flag}=")]


@pytest.mark.proves("buildArgs")
@pytest.mark.parametrize("value", VALUES)
def test_build_argument_arrives_byte_for_byte(value: str) -> None:
    assert values_of("build-arg", arguments(buildArgs={"NAME": value})) == [f"NAME={value}"]


@pytest.mark.proves("labels")
@pytest.mark.parametrize("value", VALUES)
def test_label_arrives_byte_for_byte(value: str) -> None:
    assert f"example.name={value}" in values_of("label", arguments(labels={"example.name": value}))


@given(ANY_VALUE)
def test_any_value_is_one_argument_whatever_it_holds(value: str) -> None:
    """The plugin joined with commas, then with semicolons, and whatever held one was cut."""
    found = arguments(labels={"l": value}, buildArgs={"A": value})
    assert values_of("build-arg", found) == [f"A={value}"]
    assert f"l={value}" in values_of("label", found)
    assert len(found) == len(arguments(labels={"l": "x"}, buildArgs={"A": "x"}))


def test_every_argument_is_one_flag_with_its_value() -> None:
    found = arguments(labels={"a": "--x"}, buildArgs={"B": "y z"}, target="final", ca_hosts=("contoso.azurecr.io",))
    assert all(item.startswith("--") and "=" in item for item in found)


def test_cloud_logins_are_switched_off_so_that_kaniko_asks_no_node_identity() -> None:
    assert values_of("credential-helpers", arguments()) == [""]


@pytest.mark.proves("repository", "tags")
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


@pytest.mark.proves("dockerfile", "context")
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


@pytest.mark.parametrize(("optimize", "mode"), [(None, "full"), (True, "redo"), (False, "full")])
def test_optimize_chooses_the_snapshot_mode(optimize: bool | None, mode: str) -> None:
    assert values_of("snapshot-mode", arguments(optimize=optimize)) == [mode]


@pytest.mark.proves("target")
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


def test_cache_is_off_unless_asked_for_and_then_named() -> None:
    assert values_of("cache", arguments()) == values_of("cache-repo", arguments()) == []
    found = arguments(remoteCacheImage="shop/cache", envVariables={"PLUGIN_CACHE_TTL": 6})
    assert values_of("cache", found) == ["true"]
    assert values_of("cache-repo", found) == ["contoso.azurecr.io/shop/cache"]
    assert values_of("cache-ttl", found) == ["6h"]


def test_without_push_kaniko_is_told_so_and_gets_no_destination() -> None:
    found = arguments(envVariables={"PLUGIN_NO_PUSH": True}, connectorRef=None)
    assert values_of("no-push", found) == ["true"]
    assert values_of("destination", found) == []
    assert values_of("no-push", arguments()) == []


def test_without_push_cached_layers_have_a_repository_that_kaniko_could_not_infer() -> None:
    found = arguments(envVariables={"PLUGIN_NO_PUSH": True}, caching=True)
    assert values_of("cache-repo", found) == ["contoso.azurecr.io/shop/web/cache"]


def test_expanded_tags_are_the_destinations() -> None:
    found = arguments(envVariables={"PLUGIN_EXPAND_TAG": True}, tags=["v1.2.<+pipeline.sequenceId>"])
    base = "contoso.azurecr.io/shop/web"
    assert values_of("destination", found) == [f"{base}:1", f"{base}:1.2", f"{base}:1.2.7"]


def test_no_value_of_a_secret_is_among_the_arguments() -> None:
    found = arguments(
        buildSecrets=[{"id": "npmrc", "secretName": "npm", "key": ".npmrc"}],
        buildArgsFrom=[{"name": "TOKEN", "secretName": "github", "key": "token"}],
    )
    assert values_of("secret", found) == ["id=npmrc,src=/kaniko/build-secrets/npmrc"]
    assert values_of("build-arg", found) == ["TOKEN"]


class TestPushOnly:
    """kaniko's push command takes the image, where to, and what is said of registries; anything else it refuses."""

    FLAGS: Any = {"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "x.tar"}  # noqa: RUF012

    @pytest.mark.proves("PLUGIN_PUSH_ONLY")
    def test_the_image_goes_to_the_repository_itself(self) -> None:
        """The plugin put the registry before a repository that had it already."""
        found = arguments(envVariables=self.FLAGS, workspace=VOLUME, ca_hosts=("contoso.azurecr.io",))
        assert found == [
            "push",
            "/kaniko/volume/x.tar",
            "--destination=contoso.azurecr.io/shop/web:latest",
            "--credential-helpers=",
            "--push-retry=3",
            "--image-download-retry=3",
            found[-1],
        ]
        assert found[-1].startswith("--registry-certificate=contoso.azurecr.io=")

    def test_nothing_about_a_build_is_among_its_arguments(self) -> None:
        found = arguments(
            envVariables={**self.FLAGS, "PLUGIN_REPRODUCIBLE": True, "PLUGIN_LOG_FORMAT": "json"},
            workspace=VOLUME,
            buildArgs={"A": "b"},
            labels={"a": "b"},
            target="x",
            caching=True,
        )
        assert {item.split("=")[0] for item in found[2:]} == {
            "--destination", "--credential-helpers", "--push-retry", "--image-download-retry",
        }  # fmt: skip
