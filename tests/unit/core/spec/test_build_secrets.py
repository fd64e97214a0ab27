"""Build secrets and build arguments from elsewhere: their values are in no spec, argument or message."""

from typing import Any

import pytest

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.buildsecrets import (
    MOUNT,
    ArgSource,
    SecretFile,
    arg_environment,
    plan_arg_sources,
    plan_secret_files,
    secret_arguments,
    secret_volume,
)
from buildandpush.core.spec.plan import parse_spec
from tests.unit.core.factories import spec

ROOT = "/kaniko/workspace/source"
NPM = {"id": "npmrc", "secretName": "npm", "key": ".npmrc"}
TOKEN = {"name": "TOKEN", "secretName": "github", "key": "token"}


def files(**changes: Any) -> tuple[SecretFile, ...]:
    """The build secrets of a spec with these fields."""
    return plan_secret_files(parse_spec(spec(**changes)))


def sources(*items: dict[str, Any], **changes: Any) -> tuple[ArgSource, ...]:
    """The build arguments from elsewhere."""
    return plan_arg_sources(parse_spec(spec(buildArgsFrom=list(items), **changes)))


@pytest.mark.proves("buildSecrets")
def test_a_build_secret_is_a_file_by_its_id() -> None:
    found = files(buildSecrets=[NPM, {"id": "b", "secretName": "npm", "key": "k"}])
    assert secret_arguments(found, (), ROOT) == [f"--secret=id=b,src={MOUNT}/b", f"--secret=id=npmrc,src={MOUNT}/npmrc"]
    volume = secret_volume(found)
    assert volume is not None
    assert [source["secret"] for source in volume["projected"]["sources"]] == [
        {"name": "npm", "items": [{"key": ".npmrc", "path": "npmrc"}]},
        {"name": "npm", "items": [{"key": "k", "path": "b"}]},
    ]


def test_no_secret_is_no_volume_and_no_argument() -> None:
    assert secret_volume(files()) is None
    assert secret_arguments(files(), sources(), ROOT) == []


@pytest.mark.proves("envDockerSecrets", "fileDockerSecrets")
@pytest.mark.parametrize("field", ["envDockerSecrets", "fileDockerSecrets"])
@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("npm/.npmrc", SecretFile("i", "npm", ".npmrc")),
        ('<+secrets.getValue("npm")>', SecretFile("i", "npm", "value")),
        ("<+secrets.getValue('account.My_Token')>", SecretFile("i", "my-token", "value")),
        ('<+secrets.getValue( "org.t" )>', SecretFile("i", "t", "value")),
        ("/harness/conf/.npmrc", SecretFile("i", "", "conf/.npmrc")),
    ],
)
def test_a_pipelines_secret_names_a_secret_or_a_file_of_the_source(field: str, value: str, found: SecretFile) -> None:
    assert files(**{field: {"i": value}}) == (found,)


def test_a_file_of_the_source_needs_no_volume() -> None:
    found = files(fileDockerSecrets={"i": "/harness/.npmrc"})
    assert secret_arguments(found, (), ROOT) == [f"--secret=id=i,src={ROOT}/.npmrc"]
    assert secret_volume(found) is None


@pytest.mark.parametrize("field", ["envDockerSecrets", "fileDockerSecrets"])
@pytest.mark.parametrize(
    "value",
    ["hunter22", "", "/", "npm/", "/key", "NPM/key", "npm/a/b", "/etc/passwd", "/harness/", "/harness/../x",
     "/harness/a,b", "${env.X}", "<+secrets.getValue(\"a b\")>", "<+pipeline.name>"],
)  # fmt: skip
def test_a_value_that_names_nothing_may_be_the_secret_itself_and_is_not_repeated(field: str, value: str) -> None:
    with pytest.raises(SpecInvalidError, match=rf"^{field}\.i: its value names no Secret; write ") as caught:
        files(**{field: {"i": value.replace("hunter22", "hunter22-the-secret")}})
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a,src=/etc/passwd", "../x", "a/b", "x" * 64, ".x", "-x", "ü"])
def test_an_id_that_could_say_more_than_a_name_is_refused(name: str) -> None:
    with pytest.raises(SpecInvalidError, match="^(buildSecrets|buildSecrets.0.id): "):
        files(buildSecrets=[{**NPM, "id": name}])


def test_an_id_is_given_once_over_all_three_fields() -> None:
    for other in ({"buildSecrets": [NPM, NPM]}, {"buildSecrets": [NPM], "envDockerSecrets": {"npmrc": "a/b"}}):
        with pytest.raises(SpecInvalidError, match="^buildSecrets: 'npmrc' is given twice"):
            files(**other)


def test_more_secrets_than_a_pod_should_carry_are_refused() -> None:
    many = {f"s{number}": "a/b" for number in range(16)}
    assert len(files(envDockerSecrets=many)) == 16
    with pytest.raises(SpecInvalidError, match="^buildSecrets: 17 are more than 16"):
        files(envDockerSecrets=many, fileDockerSecrets={"t": "a/b"})


@pytest.mark.proves("buildArgsFrom")
def test_a_value_goes_by_the_environment_and_only_its_name_by_an_argument() -> None:
    found = sources(TOKEN, {"name": "VERSION", "configMapName": "versions", "key": "web"})
    assert secret_arguments((), found, ROOT) == ["--build-arg=TOKEN", "--build-arg=VERSION"]
    assert arg_environment(found) == [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "github", "key": "token"}}},
        {"name": "VERSION", "valueFrom": {"configMapKeyRef": {"name": "versions", "key": "web"}}},
    ]


@pytest.mark.parametrize(
    "name",
    [
        "KANIKO_NO_PUSH", "KANIKO_REGISTRY_MAP", "FF_KANIKO_X", "DOCKER_CONFIG", "DOCKER_AUTH_CONFIG",
        "AZURE_CLIENT_ID", "AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS", "GIT_TOKEN", "SSL_CERT_FILE",
        "SSL_CERT_DIR", "OTEL_X", "HOME", "PATH", "container", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "LD_PRELOAD",
        "GODEBUG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "BUILDER_OUTPUT", "TMPDIR",
    ],
)  # fmt: skip
def test_a_name_that_steers_kaniko_is_refused(name: str) -> None:
    with pytest.raises(SpecInvalidError, match=f"^buildArgsFrom: '{name}' would steer kaniko itself"):
        sources({**TOKEN, "name": name})


@pytest.mark.parametrize(
    "name", ["TOKEN", "_X", "GITHUB_TOKEN", "git_commit", "MY_KANIKO_NO_PUSH", "PATH_TO_X", "Home"]
)
def test_any_other_name_is_taken(name: str) -> None:
    assert sources({**TOKEN, "name": name})[0].name == name


@pytest.mark.parametrize("name", ["1A", "A-B", "A=B", "A B", "A.B", "É", "A\n"])
def test_what_is_no_name_of_an_arg_is_refused(name: str) -> None:
    with pytest.raises(SpecInvalidError, match="^buildArgsFrom: .*no name of an ARG"):
        sources({**TOKEN, "name": name})


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ([{"name": "A", "key": "k"}], "needs one of secretName and configMapName"),
        (
            [{"name": "A", "key": "k", "secretName": "s", "configMapName": "c"}],
            "needs one of secretName and configMapName",
        ),
        ([TOKEN, TOKEN], "'TOKEN' is given twice"),
        ([{**TOKEN, "secretName": "Git_Hub"}], "no name of an object"),
        ([{**TOKEN, "key": "a/b"}], "no key of a Secret"),
        ([{**TOKEN, "key": ".."}], "no key of a Secret"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(items: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(SpecInvalidError, match=f"^buildArgsFrom: .*{why}"):
        sources(*items)


def test_an_argument_is_given_by_value_or_from_elsewhere_but_not_both() -> None:
    with pytest.raises(SpecInvalidError, match="^buildArgsFrom: 'TOKEN' is given in buildArgs too"):
        sources(TOKEN, buildArgs={"TOKEN": "x"})
