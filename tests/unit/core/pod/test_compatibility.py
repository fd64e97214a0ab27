"""Images come out as BuildKit makes them, by the executor's own switches."""

from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.compatibility import BUILDKIT, KANIKO, SWITCHES, Compatibility
from buildandpush.core.pod.manifest import Attempt, build_pod_manifest
from buildandpush.core.spec.plan import parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import LOGIN, OWNER, SETTINGS, pod_name, spec

# https://github.com/osscontainertools/kaniko#buildkit-compatibility
PROFILE = {
    "FF_KANIKO_CHOWN_ON_IMPLICIT_DIRS", "FF_KANIKO_COPY_AS_ROOT", "FF_KANIKO_COPY_CHMOD_ON_IMPLICIT_DIRS",
    "FF_KANIKO_EXPAND_HEREDOC", "FF_KANIKO_RUN_HONOR_GROUP", "FF_KANIKO_UNTAR_SKIP_ROOT",
}  # fmt: skip
VOLUME = {"persistentVolumeClaim": {"claimName": "builds"}}


def pod_spec(compatibility: Compatibility = BUILDKIT, **changes: Any) -> dict[str, Any]:
    """The spec of the pod that the smallest spec with these changes gets."""
    settings = replace(SETTINGS, compatibility=compatibility)
    plan = plan_build(parse_spec(spec(**changes)), settings, Occasion(1))
    pod = build_pod_manifest(
        plan, owner=OWNER, attempt=Attempt(pod_name(), 1, 0, 1, "v2:x"), login=LOGIN, settings=settings
    )
    found: dict[str, Any] = pod["spec"]
    return found


def switches(pod: dict[str, Any]) -> dict[str, str]:
    """The executor's switches in kaniko's container."""
    return {item["name"]: item["value"] for item in pod["containers"][0]["env"] if item["name"].startswith("FF_")}


def test_the_profile_is_set_unless_the_installer_says_otherwise() -> None:
    assert switches(pod_spec()).items() >= dict.fromkeys(PROFILE, "true").items()
    assert switches(pod_spec()).keys() == {switch.name for switch in SWITCHES}
    assert switches(pod_spec(KANIKO)) == {}


def test_a_build_that_is_not_root_gives_nothing_to_root() -> None:
    assert "FF_KANIKO_COPY_AS_ROOT" not in switches(pod_spec(runAsUser=1000))
    assert "FF_KANIKO_EXPAND_HEREDOC" in switches(pod_spec(runAsUser=1000))


def test_a_mere_push_needs_no_switches() -> None:
    flags = {"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "x.tar"}
    assert switches(pod_spec(envVariables=flags, workspace=VOLUME)) == {}


@pytest.mark.proves("PLUGIN_IGNORE_VAR_RUN")
@pytest.mark.parametrize(
    ("compatibility", "flag", "argument"),
    [
        (BUILDKIT, None, ["--ignore-var-run=false"]),
        (BUILDKIT, True, ["--ignore-var-run=true"]),
        (BUILDKIT, False, ["--ignore-var-run=false"]),
        (KANIKO, None, []),
        (KANIKO, False, ["--ignore-var-run=false"]),
    ],
)
def test_what_lies_below_var_run_is_in_the_image_unless_a_flag_says_otherwise(
    compatibility: Compatibility, flag: bool | None, argument: list[str]
) -> None:
    variables = {} if flag is None else {"PLUGIN_IGNORE_VAR_RUN": flag}
    arguments = pod_spec(compatibility, envVariables=variables)["containers"][0]["args"]
    assert [one for one in arguments if one.startswith("--ignore-var-run")] == argument
