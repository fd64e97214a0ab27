"""The step's settings and plugin flags at work: what was broken or impossible with the plugin works here."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from devcluster.node.deploy import UNVERIFIED_HOST
from devcluster.settings import Settings
from tests.e2e.harness.api import Api
from tests.e2e.harness.azure import BASE_HOST, Azure
from tests.e2e.harness.build import FROM, Build, inline
from tests.e2e.harness.fixtures import BuildFactory, ConnectorFactory
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.volumes import folder_claimed, make_folder

pytestmark = pytest.mark.e2e

DEBIAN = "FROM demo.azurecr.io/base/debian-python:13\n"
HOSTILE = "a,b;c d\"e'f=g\\h$(id) `id` ${HOME} é ✓ \t end\nnext line"
NOTHING = "RUN true\n"
CACHED = "/v2/shop/layers/manifests/.*"
"""Where a registry is asked for, or gets, the layers of the cache repository shop/layers."""


def logs_of(build: Build) -> str:
    """What kaniko said in the build's pod."""
    return build.api.log(build.namespace, build.pods()[0]["metadata"]["name"], "kaniko")


# ---- cache


@pytest.mark.proves("remoteCacheImage", "PLUGIN_ENABLE_CACHE", "PLUGIN_CACHE_REPO")
def test_a_second_run_finds_its_layers_in_the_cache_repository(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    """The repository is named once, with the registry, as the step's page says; the plugin prefixed it twice."""
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    source = inline(f"{FROM}RUN head -c 20000 /dev/urandom > /made\nCOPY b /b\n", b="1")
    settings: dict[str, Any] = {"remoteCacheImage": f"{host}/shop/layers", "source": source}
    first = make_build(repository=f"{host}/shop/web", **settings)
    first.wait_succeeded()
    assert azure.count(host=host, method="PUT", path=CACHED) >= 1
    assert azure.count(host=host, path=f"/v2/{host}/.*") == 0
    since = azure.now()
    second = make_build(repository=f"{host}/shop/web", tags=["2"], **settings)
    second.wait_succeeded()
    assert "Using caching version of cmd: RUN head" in logs_of(second)
    assert azure.count(host=host, since=since, method="GET", path=CACHED) >= 1
    assert azure.count(host=host, since=since, method="PUT", path=CACHED) == 0


@pytest.mark.proves("caching")
def test_caching_uses_a_repository_below_the_images_own(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    make_build(repository=f"{host}/shop/web", caching=True).wait_succeeded()
    assert azure.count(host=host, method="PUT", path="/v2/shop/web/cache/manifests/.*") >= 1


@pytest.mark.proves("PLUGIN_CACHE_RUN_LAYERS")
def test_caching_of_run_layers_can_be_switched_off(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    flags = {"PLUGIN_CACHE_RUN_LAYERS": False}
    make_build(repository=f"{host}/shop/web", caching=True, envVariables=flags).wait_succeeded()
    assert azure.count(host=host, method="PUT", path="/v2/shop/web/cache/manifests/.*") == 0


@pytest.mark.proves("PLUGIN_CACHE_COPY_LAYERS")
@pytest.mark.parametrize("cached", [True, False])
def test_caching_of_copied_layers_can_be_switched_on(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, cached: bool
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    settings: dict[str, Any] = {
        "repository": f"{host}/shop/web",
        "remoteCacheImage": f"{host}/shop/layers",
        "source": inline(f"{FROM}COPY b /b\n", b="1"),
        "envVariables": {"PLUGIN_CACHE_COPY_LAYERS": cached},
    }
    make_build(**settings).wait_succeeded()
    assert (azure.count(host=host, method="PUT", path=CACHED) >= 1) is cached
    second = make_build(tags=["2"], **settings)
    second.wait_succeeded()
    assert ("Using caching version of cmd: COPY b /b" in logs_of(second)) is cached


@pytest.mark.proves("remoteCacheImage")
def test_two_builds_at_once_share_a_cache_repository(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    settings = {"remoteCacheImage": f"{host}/shop/layers", "source": inline(f"{FROM}RUN echo same > /same\n")}
    builds = [make_build(repository=f"{host}/shop/web{number}", **settings) for number in range(2)]
    for build in builds:
        build.wait_succeeded()
    assert azure.count(host=host, method="PUT", path=CACHED) >= 1
    since = azure.now()
    third = make_build(repository=f"{host}/shop/web2", **settings)
    third.wait_succeeded()
    assert "Using caching version of cmd: RUN echo same" in logs_of(third)
    assert azure.count(host=host, since=since, method="PUT", path=CACHED) == 0


def test_a_cache_that_cannot_be_pushed_to_costs_no_build(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    azure.add_fault({"status": 500}, host=host, path="/v2/shop/layers/blobs/uploads/.*")
    build = make_build(repository=f"{host}/shop/web", remoteCacheImage=f"{host}/shop/layers")
    ended = build.wait_succeeded(within=120)
    assert "cache" in ended.condition("Built")["message"]
    assert ended.told("Built") == ("True", "CacheNotWritten")


def test_a_cache_that_may_only_be_pulled_costs_no_build(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry(abac=True)
    roles = (("RepositoryWriter", host, "shop/*"), ("RepositoryReader", host, "shared/*"))
    make_connector(azure.make_identity(*roles), host, BASE_HOST)
    build = make_build(repository=f"{host}/shop/web", remoteCacheImage=f"{host}/shared/cache")
    ended = build.wait_succeeded(within=120)
    assert ended.told("Built") == ("True", "CacheNotWritten")
    assert azure.count(host=host, method="PUT", path="/v2/shop/web/manifests/.*") >= 1
    assert azure.count(host=host, method="PUT", path="/v2/shared/cache/manifests/.*") == 0


# ---- secrets, arguments


@pytest.mark.proves("buildSecrets")
def test_a_build_secret_is_there_for_its_run_line_and_nowhere_else(
    make_build: BuildFactory, login: None, api: Api, namespace: str, registry: Registry, azure: Azure
) -> None:
    value = "t0ken-of-npm-0123456789abcdef"
    azure.remember(value)
    dockerfile = (
        f"{FROM}RUN --mount=type=secret,id=npm wc -c < /run/secrets/npm > /length\nRUN test ! -e /run/secrets/npm\n"
    )
    build = make_build(source=inline(dockerfile), buildSecrets=[{"id": "npm", "secretName": "npm", "key": "token"}])
    waiting = build.wait_reason("SecretMissing")
    assert "'npm'" in waiting.condition("Ready")["message"]
    assert build.pods() == []
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "npm", "namespace": namespace}}
    api.create({**secret, "stringData": {"other": "x"}})
    build.wait(lambda now: "key 'token'" in str(now), "the missing key is named", within=40)
    api.apply({**secret, "stringData": {"token": value}})
    build.wait_succeeded(within=40)
    files = registry.files(build.repository, "latest")
    assert files["length"].strip() == str(len(value)).encode()
    assert not [path for path, content in files.items() if value.encode() in content]


@pytest.mark.proves("buildArgsFrom")
def test_build_arguments_come_from_secrets_and_config_maps_without_showing(
    make_build: BuildFactory, login: None, api: Api, namespace: str, registry: Registry
) -> None:
    metadata = {"namespace": namespace}
    api.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {**metadata, "name": "s"}, "stringData": {"k": "hidden-7"}}
    )
    api.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**metadata, "name": "c"}, "data": {"k": "shown-7"}}
    )
    sources = [
        {"name": "TOKEN", "secretName": "s", "key": "k"},
        {"name": "PLACE", "configMapName": "c", "key": "k"},
    ]
    dockerfile = f'{FROM}ARG TOKEN\nARG PLACE\nRUN echo "$TOKEN $PLACE" | tr a-z n-za-m > /out\n'
    build = make_build(source=inline(dockerfile), buildArgsFrom=sources)
    build.wait_succeeded()
    assert registry.files(build.repository, "latest")["out"].strip() == b"uvqqra-7 fubja-7"
    assert "hidden-7" not in json.dumps(build.pods())


def test_a_build_secret_in_the_log_is_not_in_the_status(
    make_build: BuildFactory, login: None, api: Api, namespace: str
) -> None:
    value = "s3cr3t-line-one-0123"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "npm", "namespace": namespace}}
    api.create({**secret, "stringData": {"token": f"{value}\nsecond-l1ne-of-it\n"}})
    dockerfile = f"{FROM}RUN --mount=type=secret,id=npm cat /run/secrets/npm; exit 4\n"
    wanted = [{"id": "npm", "secretName": "npm", "key": "token"}]
    failed = make_build(source=inline(dockerfile), buildSecrets=wanted).wait_failed("RunFailed")
    assert "***" in failed.failure["logTail"]
    assert value not in json.dumps(failed.raw)
    assert "second-l1ne" not in json.dumps(failed.raw)


def test_hostile_labels_and_arguments_arrive_byte_for_byte(
    make_build: BuildFactory, login: None, registry: Registry
) -> None:
    dockerfile = f'{FROM}ARG HOSTILE\nRUN printf %s "$HOSTILE" > /out\n'
    build = make_build(source=inline(dockerfile), buildArgs={"HOSTILE": HOSTILE}, labels={"a,b;c": HOSTILE})
    build.wait_succeeded()
    assert registry.labels(build.repository, "latest")["a,b;c"] == HOSTILE
    assert registry.files(build.repository, "latest")["out"].decode() == HOSTILE


# ---- tags, no push, files on a volume


@pytest.mark.proves("PLUGIN_EXPAND_TAG")
def test_expanded_tags_are_what_the_artifact_list_shows(
    make_build: BuildFactory, login: None, registry: Registry
) -> None:
    build = make_build(tags=["v1.2.3"], envVariables={"PLUGIN_EXPAND_TAG": True})
    ended = build.wait_succeeded()
    tags = [item["image"].rpartition(":")[2] for item in ended.status["artifacts"]]
    assert sorted(tags) == ["1", "1.2", "1.2.3"]
    assert {registry.digest(build.repository, tag) for tag in tags} == {ended.status["digest"]}


@pytest.mark.proves("PLUGIN_NO_PUSH")
def test_without_a_push_nothing_is_pushed_and_no_artifact_is_listed(make_build: BuildFactory, api: Api) -> None:
    """No connector is needed for it, nor a tag."""
    build = make_build(
        connectorRef=None, tags=None, source=inline("FROM scratch\nCOPY f /f\n", f="x"),
        envVariables={"PLUGIN_NO_PUSH": True},
    )  # fmt: skip
    ended = build.wait_succeeded()
    assert ended.told("Succeeded") == ("True", "SucceededWithoutPush")
    assert (ended.condition("Pushed"), ended.condition("Verified")) == ({}, {})
    assert "artifacts" not in ended.status or ended.status["artifacts"] == []


@pytest.fixture
def volume(api: Api, namespace: str, settings: Settings) -> Iterator[str]:
    """A claim on a folder of the node."""
    folder = settings.state / "e2e-volumes" / namespace
    make_folder(folder)
    with folder_claimed(api, namespace, folder) as claim:
        yield claim


@pytest.mark.proves("PLUGIN_TAR_PATH", "PLUGIN_PUSH_ONLY", "PLUGIN_SOURCE_TAR_PATH")
def test_a_tar_is_written_to_a_volume_and_pushed_from_it(
    make_build: BuildFactory, login: None, volume: str, registry: Registry
) -> None:
    """The plugin pushed it to a repository with the registry twice in its name."""
    workspace = {"persistentVolumeClaim": {"claimName": volume}}
    written = make_build(workspace=workspace, envVariables={"PLUGIN_NO_PUSH": True, "PLUGIN_TAR_PATH": "image.tar"})
    written.wait_succeeded()
    flags = {"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "image.tar"}
    pushed = make_build(workspace=workspace, envVariables=flags)
    ended = pushed.wait_succeeded()
    assert registry.digest(pushed.repository, "latest") == ended.status["digest"]
    assert "built" in registry.files(pushed.repository, "latest")


@pytest.mark.proves("PLUGIN_TAR_PATH", "PLUGIN_IMAGE_NAME_WITH_DIGEST_FILE")
def test_an_image_file_goes_into_a_folder_that_is_not_there_yet(
    make_build: BuildFactory, login: None, volume: str
) -> None:
    """Even where another file of kaniko's, for which it makes folders, is asked for elsewhere."""
    flags = {
        "PLUGIN_NO_PUSH": True,
        "PLUGIN_TAR_PATH": "/harness/out/image.tar",
        "PLUGIN_IMAGE_NAME_WITH_DIGEST_FILE": "names.txt",
    }
    make_build(workspace={"persistentVolumeClaim": {"claimName": volume}}, envVariables=flags).wait_succeeded()


@pytest.mark.proves("PLUGIN_ARTIFACT_FILE")
def test_the_plugins_list_of_artifacts_stands_in_the_status(make_build: BuildFactory, login: None) -> None:
    """The step itself sets this flag, to a path of the pipeline's own."""
    build = make_build(envVariables={"PLUGIN_ARTIFACT_FILE": "/addon/tmp/.plugin/artifact"})
    ended = build.wait_succeeded()
    listed = json.loads(ended.status["artifactFile"])
    assert listed["kind"] == "docker/v1"
    assert listed["data"]["images"] == [{"image": f"{build.repository}:latest", "digest": ended.status["digest"]}]
    assert ended.told("SpecValid") == ("True", "NoEffect")


# ---- registries


def test_two_base_registries_have_two_logins(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, registry: Registry
) -> None:
    push, other = azure.make_registry(), azure.make_registry()
    publisher = azure.make_identity(("AcrPush", other))
    make_connector(publisher, other, BASE_HOST, name="publish")
    base = make_build(
        connectorRef="publish", repository=f"{other}/base/tools", source=inline(f"{FROM}RUN echo tool > /tool\n")
    )
    base.wait_succeeded()
    make_connector(azure.make_identity(("AcrPush", push)), push)
    make_connector(azure.make_identity(("AcrPull", other)), other, name="tools")
    make_connector(azure.make_identity(), BASE_HOST, name="images")
    dockerfile = f"FROM {other}/base/tools:latest AS tools\n{FROM}COPY --from=tools /tool /tool\n"
    refs = ["account.tools", "images"]
    make_build(repository=f"{push}/shop/web", source=inline(dockerfile), baseImageConnectorRefs=refs).wait_succeeded()
    tools = azure.requests(host=other, kind="content", path="/v2/base/tools/.*")
    assert {entry["principal"] for entry in tools if entry["status"] == 200} >= {publisher.client_id}


@pytest.mark.proves("registryMirrors", "PLUGIN_REGISTRY_MIRRORS")
@pytest.mark.parametrize(
    ("base", "mirrors"),
    [
        ("docker.io/base/busybox:1.36", {"registryMirrors": [BASE_HOST]}),
        ("base/busybox:1.36", {"envVariables": {"PLUGIN_REGISTRY_MIRRORS": BASE_HOST}}),
        ("quay.io/busybox:1.36", {"registryMirrors": [f"quay.io={BASE_HOST}/base"]}),
    ],
)
def test_a_base_image_comes_from_the_mirror_with_the_mirrors_login(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, base: str, mirrors: dict[str, Any]
) -> None:
    """The registry that the Dockerfile names cannot be reached from the cluster at all."""
    host = azure.make_registry()
    identity = azure.make_identity(("AcrPush", host))
    make_connector(identity, host, BASE_HOST)
    source = inline(f"FROM {base}\nRUN echo built > /built\n")
    build = make_build(repository=f"{host}/shop/web", source=source, **mirrors)
    build.wait_succeeded()
    assert f"from mapped registry {BASE_HOST}" in logs_of(build)
    pulls = azure.requests(host=BASE_HOST, path="/v2/base/busybox/manifests/.*", principal=identity.client_id)
    assert 200 in {entry["status"] for entry in pulls}


# ---- users


@pytest.mark.proves("userNamespace")
def test_in_a_user_namespace_root_is_nobody_on_the_node_and_debian_still_builds(
    make_build: BuildFactory, login: None, registry: Registry
) -> None:
    dockerfile = (
        f"{DEBIAN}RUN cat /proc/self/uid_map > /uid_map\n"
        "RUN useradd -m -s /bin/sh builder && echo hi > /home/builder/f && chown builder: /home/builder/f"
        " && su builder -c 'cat ~/f > /tmp/said'\n"
    )
    limits = {"limits": {"memory": "1Gi", "cpu": "1"}}
    build = make_build(source=inline(dockerfile), userNamespace="Always", resources=limits)
    build.wait_succeeded(within=180)
    files = registry.files(build.repository, "latest")
    inside, outside, length = (int(word) for word in files["uid_map"].split()[:3])
    assert (inside, length) == (0, 65536)
    assert outside >= 65536, "root of the pod is another user on the node"
    assert files["tmp/said"] == b"hi\n"


@pytest.mark.proves("userNamespace")
def test_user_namespaces_are_used_by_themselves_where_all_nodes_can(make_build: BuildFactory, login: None) -> None:
    ended = make_build().wait_succeeded()
    assert ended.run["effective"]["userNamespace"] is True
    never = make_build(userNamespace="Never")
    assert "userNamespace" not in never.wait_succeeded().run["effective"]
    assert "hostUsers" not in never.pods()[0]["spec"]


@pytest.mark.proves("runAsUser")
def test_another_user_than_root_is_refused_for_the_right_reason(make_build: BuildFactory, login: None) -> None:
    failed = make_build(runAsUser=1000, source=inline(f"{FROM}RUN touch /made\n")).wait_failed("RootRequired")
    assert "runAsUser" in failed.build["message"]


# ---- all of it together


@pytest.mark.proves("PLUGIN_SKIP_TLS_VERIFY", "PLUGIN_SKIP_TLS_VERIFY_REGISTRY")
@pytest.mark.parametrize(
    "flags", [{"PLUGIN_SKIP_TLS_VERIFY": True}, {"PLUGIN_SKIP_TLS_VERIFY_REGISTRY": UNVERIFIED_HOST}]
)
def test_skip_tls_verify_works_where_the_chart_allows_it(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, flags: dict[str, Any]
) -> None:
    """The plugin ignored the first flag, and passed the second on without its value."""
    azure.make_registry(host=UNVERIFIED_HOST)
    make_connector(azure.make_identity(("AcrPush", UNVERIFIED_HOST)), UNVERIFIED_HOST, caBundle=None)
    make_connector(azure.make_identity(), BASE_HOST, name="base")
    settings: dict[str, Any] = {
        "repository": f"{UNVERIFIED_HOST}/shop/{secrets.token_hex(4)}", "baseImageConnectorRefs": ["base"],
    }  # fmt: skip
    failed = make_build(**settings).wait_failed("CertificateNotTrusted")
    assert "caBundle" in failed.condition("Ready")["message"]
    make_build(**settings, envVariables=flags).wait_succeeded()


@pytest.mark.proves("PLUGIN_SKIP_TLS_VERIFY_REGISTRY", "PLUGIN_SKIP_TLS_VERIFY")
def test_tls_is_not_switched_off_for_a_registry_that_the_chart_does_not_allow(
    make_build: BuildFactory, login: None
) -> None:
    build = make_build(envVariables={"PLUGIN_SKIP_TLS_VERIFY": True})
    assert "allowed" in build.wait_reason("SpecInvalid").condition("Ready")["message"]
    assert build.pods() == []


def test_a_long_pasted_step_builds(make_build: BuildFactory, gate: Gate, login: None, registry: Registry) -> None:
    """As a pipeline has it: scalars unquoted, fields that change nothing beside those that do."""
    build = make_build(
        optimize=True,
        dockerfile="/harness/Dockerfile",
        context="/harness",
        remoteCacheImage="",
        target="",
        subscriptionId="",
        runAsUser="0",
        timeout="10m",
        retry=1,
        resources={"limits": {"memory": "500Mi", "cpu": 0.4}},
        labels={"team": "shop"},
        envVariables={"PLUGIN_SINGLE_SNAPSHOT": True, "PLUGIN_IMAGE_DOWNLOAD_RETRY": 2, "PLUGIN_LOG_TIMESTAMP": "true"},
    )
    ended = build.wait_succeeded()
    assert registry.labels(build.repository, "latest")["team"] == "shop"
    assert ended.told("SpecValid") == ("True", "ChangesMayBeLost")
    message = ended.condition("SpecValid")["message"]
    assert "optimize: " in message
    assert "without effect: retry" in message
