"""What the init container needs to judge a Dockerfile reaches it, and no secret and nothing too large does."""

import json
from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.compatibility import BUILDKIT, KANIKO, Compatibility
from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.core.facts import LoginSecretRef
from buildandpush.core.pod.sourcerequest import build_source_request
from buildandpush.core.spec.plan import parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import SETTINGS, spec


def request(compatibility: Compatibility = BUILDKIT, **changes: Any) -> dict[str, Any]:
    """The request for the smallest spec with these changes."""
    settings = replace(SETTINGS, compatibility=compatibility)
    plan = plan_build(parse_spec(spec(**changes)), settings, Occasion(1))
    return build_source_request(plan, LoginSecretRef(None), settings)


@pytest.mark.proves("dockerfileChecks")
@pytest.mark.parametrize(
    ("compatibility", "changes", "name", "value"),
    [
        (BUILDKIT, {}, "mode", None),
        (BUILDKIT, {"dockerfileChecks": "Warn"}, "mode", "Warn"),
        (BUILDKIT, {}, "switched", True),
        (KANIKO, {}, "switched", None),
        (BUILDKIT, {}, "keepsVarRun", True),
        (KANIKO, {}, "keepsVarRun", None),
        (KANIKO, {"envVariables": {"PLUGIN_IGNORE_VAR_RUN": False}}, "keepsVarRun", True),
        (BUILDKIT, {"envVariables": {"PLUGIN_IGNORE_VAR_RUN": True}}, "keepsVarRun", None),
        (BUILDKIT, {}, "snapshotMode", "full"),
        (BUILDKIT, {"optimize": True}, "snapshotMode", "redo"),
        (BUILDKIT, {"userNamespace": "Always"}, "userNamespace", True),
        (BUILDKIT, {"envVariables": {"PLUGIN_PLATFORM": "linux/arm64"}}, "platform", "linux/arm64"),
        (BUILDKIT, {"target": " runtime "}, "target", "runtime"),
        (BUILDKIT, {"buildArgs": {"A": "1"}}, "buildArguments", {"A": "1"}),
        (BUILDKIT, {}, "buildArguments", None),
    ],
)
def test_what_decides_how_kaniko_reads_the_dockerfile(
    compatibility: Compatibility, changes: dict[str, Any], name: str, value: Any
) -> None:
    assert request(compatibility, **changes)["checks"].get(name) == value


@pytest.mark.proves("source.git.keepGitDir")
def test_whether_git_is_kept_is_part_of_the_source() -> None:
    source = {"git": {"url": "https://github.com/contoso/shop.git", "keepGitDir": True}}
    assert request(source=source)["git"]["keepGitDir"] is True


def test_the_installers_limits_reach_the_source_container() -> None:
    settings = replace(SETTINGS, source_limits=SourceLimits(max_bytes=5, max_files=6))
    found = build_source_request(plan_build(parse_spec(spec()), settings, Occasion(1)), LoginSecretRef(None), settings)[
        "limits"
    ]
    assert SourceLimits.from_request(found) == settings.source_limits
    assert "limits" not in request(), "the usual ones need no room in the annotation"


@pytest.mark.parametrize(
    ("changes", "login", "told"),
    [
        ({}, LoginSecretRef(None), {}),
        ({}, LoginSecretRef("x", ("other.example",)), {}),
        ({}, LoginSecretRef("x", ("insecure.example:5000",)), {"caFile": "ca-insecure.example_5000.crt"}),
        ({"PLUGIN_SKIP_TLS_VERIFY_REGISTRY": "insecure.example:5000"}, LoginSecretRef(None), {"tls": "unverified"}),
        ({"PLUGIN_INSECURE_PULL": True}, LoginSecretRef(None), {"tls": "plain"}),
    ],
)
def test_how_the_registry_of_an_artifact_is_reached(
    changes: dict[str, Any], login: LoginSecretRef, told: dict[str, str]
) -> None:
    settings = replace(SETTINGS, insecure_registries=("insecure.example:5000",))
    oci = {"image": "insecure.example:5000/shop:v1"}
    plan = plan_build(parse_spec(spec(source={"oci": oci}, envVariables=changes)), settings, Occasion(1))
    assert build_source_request(plan, login, settings)["oci"] == {**oci, **told}


def test_a_secret_argument_is_known_by_its_name_only() -> None:
    secret = [{"name": "TOKEN", "secretName": "github", "key": "token"}]
    assert request(buildArgsFrom=secret)["checks"]["buildArguments"] == {"TOKEN": None}


def test_long_arguments_do_not_fill_the_annotation() -> None:
    known = request(buildArgs={"A": "1", "B": "x" * 4096, **{f"C{n}": "ж" * 100 for n in range(60)}})
    assert known["checks"]["buildArguments"]["A"] == "1"
    assert known["checks"]["buildArguments"]["B"] is None
    assert len(json.dumps(known)) < 8 * 1024


@pytest.mark.parametrize("name", ["submodules", "lfs"])
def test_the_pod_learns_which_hosts_are_allowed_where_the_repository_names_them(name: str) -> None:
    settings = replace(SETTINGS, git_hosts=("github.com",))

    def of(**more: bool) -> object:
        source = {"git": {"url": "https://github.com/contoso/shop.git", **more}}
        plan = plan_build(parse_spec(spec(source=source)), settings, Occasion(1))
        return build_source_request(plan, LoginSecretRef(None), settings)["git"].get("allowedHosts")

    assert of(**{name: True}) == ["github.com"]
    assert of() is None
