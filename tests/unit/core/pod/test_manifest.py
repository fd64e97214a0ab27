"""The build pod: compared whole with golden manifests, and each promise of security by itself."""

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from buildandpush.api import meta
from buildandpush.api.compatibility import SWITCHES
from buildandpush.api.meta import Manifest
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.facts import LoginSecretRef
from buildandpush.core.pod.manifest import Attempt, build_pod_manifest
from buildandpush.core.spec.plan import parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from buildandpush.core.spec.spechash import hash_spec
from tests.unit.conftest import Golden
from tests.unit.core.factories import OWNER, SETTINGS, pod_name, spec

GIT = {"git": {"url": "https://github.com/contoso/shop.git", "revision": "v1.4.2"}}
USUAL = LoginSecretRef("buildandpush-login-0123456789ab")
WITH_CA = LoginSecretRef("buildandpush-login-0123456789ab", ("contoso.azurecr.io",))

CASES: dict[str, tuple[dict[str, Any], LoginSecretRef]] = {
    "smallest": ({}, USUAL),
    "ca": ({}, WITH_CA),
    "non-root": ({"runAsUser": "1000"}, USUAL),
    "everything": (
        {
            "source": GIT,
            "tags": ["latest", "1.<+pipeline.sequenceId>"],
            "dockerfile": "docker/web.Dockerfile",
            "context": "web",
            "labels": {"org.opencontainers.image.title": "naïve, 日本"},
            "buildArgs": {"VERSION": "1.4.2", "TEXT": "line one\nline two, with ="},
            "target": "runtime",
            "optimize": False,
            "timeout": "1h 30m",
            "resources": {"limits": {"memory": "2Gi", "cpu": 1.5}, "requests": {"memory": "1Gi", "cpu": "500m"}},
        },
        WITH_CA,
    ),
    "options": (
        {
            "envVariables": {"PLUGIN_TAR_PATH": "out/web.tar", "PLUGIN_CUSTOM_DNS": "10.0.0.10"},
            "workspace": {"persistentVolumeClaim": {"claimName": "builds"}},
            "buildSecrets": [{"id": "npmrc", "secretName": "npm", "key": ".npmrc"}],
            "buildArgsFrom": [
                {"name": "TOKEN", "secretName": "github", "key": "token"},
                {"name": "VERSION", "configMapName": "versions", "key": "web"},
            ],
            "remoteCacheImage": "shop/cache",
            "registryMirrors": ["mirror.gcr.io", "quay.io=mirror.contoso.com/quay"],
            "userNamespace": "Always",
            "podTemplate": {
                "labels": {"team": "shop"},
                "annotations": {"example.com/cost": "42"},
                "nodeSelector": {"pool": "builds"},
                "tolerations": [{"key": "builds", "operator": "Exists"}],
                "priorityClassName": "batch-low",
                "imagePullSecrets": ["mirror-pull"],
            },
        },
        USUAL,
    ),
    "git-login": ({"source": {"git": {**GIT["git"], "credentialsRef": {"name": "git-login"}}}}, USUAL),
    "config-map": (
        {"source": {"configMap": {"name": "web-source", "items": [{"key": "app.py", "path": "web/app.py"}]}}},
        USUAL,
    ),
    "archive": (
        {
            "source": {
                "archive": {
                    "url": "https://example.com/shop.tar.gz",
                    "sha256": "0" * 64,
                    "stripComponents": 1,
                    "headersRef": {"name": "download"},
                }
            }
        },
        USUAL,
    ),
    "artifact": (
        {"source": {"oci": {"image": "contoso.azurecr.io/source/shop:v1"}}},
        replace(WITH_CA, hosts=("base.azurecr.io", "contoso.azurecr.io")),
    ),
    "volume": ({"source": {"persistentVolumeClaim": {"claimName": "checkout", "path": "web"}}}, USUAL),
    "push-only": (
        {
            "envVariables": {"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "out/web.tar"},
            "workspace": {"persistentVolumeClaim": {"claimName": "builds"}},
        },
        USUAL,
    ),
    "no-push": ({"envVariables": {"PLUGIN_NO_PUSH": True}, "connectorRef": None, "tags": None}, LoginSecretRef(None)),
}


NAME = pod_name(7, 2)


def manifest(changes: dict[str, Any] | None = None, login: LoginSecretRef = USUAL) -> Manifest:
    """The pod of the second attempt of run 7."""
    parsed = parse_spec(spec(**(changes or {})))
    plan = plan_build(parsed, SETTINGS, Occasion(7))
    attempt = Attempt(NAME, 7, 0, 2, hash_spec(parsed))
    return build_pod_manifest(plan, owner=OWNER, attempt=attempt, login=login, settings=SETTINGS)


@pytest.fixture(params=CASES)
def pod(request: pytest.FixtureRequest) -> Manifest:
    """Each of the pods."""
    return manifest(*CASES[request.param])


def containers(pod: Manifest) -> list[dict[str, Any]]:
    """All containers, init containers too."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def kaniko(pod: Manifest) -> dict[str, Any]:
    """kaniko's container."""
    found: dict[str, Any] = next(item for item in pod["spec"]["containers"] if item["name"] == "kaniko")
    return found


@pytest.mark.parametrize("name", CASES)
def test_pod_is_the_golden_one(name: str, golden: Golden) -> None:
    pod = manifest(*CASES[name])
    golden(f"manifests/{name}.yaml", yaml.safe_dump(pod, sort_keys=False, allow_unicode=True, width=120))


def test_only_the_sources_container_sees_the_login_to_the_git_server() -> None:
    pod = manifest(*CASES["git-login"])
    seen = {item["name"]: [mount["name"] for mount in item["volumeMounts"]] for item in containers(pod)}
    assert "git-login" in seen["source"]
    assert "git-login" not in seen["kaniko"]


@pytest.mark.parametrize(
    ("image", "login", "mounted"),
    [
        ("contoso.azurecr.io/source/shop:v1", CASES["artifact"][1], {"login", "ca"}),
        ("base.azurecr.io/shop:v1", CASES["artifact"][1], {"login"}),
        ("quay.io/contoso/shop:v1", CASES["artifact"][1], set()),
        ("contoso.azurecr.io/source/shop:v1", LoginSecretRef(None), set()),
    ],
)
def test_the_source_sees_a_login_only_if_its_artifact_is_where_that_is_for(
    image: str, login: LoginSecretRef, mounted: set[str]
) -> None:
    pod = manifest({"source": {"oci": {"image": image}}}, login)
    mounts = pod["spec"]["initContainers"][0]["volumeMounts"]
    assert {mount["name"] for mount in mounts} & {"login", "ca"} == mounted
    names = [volume["name"] for volume in pod["spec"]["volumes"]]
    assert len(names) == len(set(names))


def test_only_the_sources_container_sees_the_headers_of_a_download() -> None:
    pod = manifest(*CASES["archive"])
    seen = {item["name"]: [mount["name"] for mount in item["volumeMounts"]] for item in containers(pod)}
    assert "headers" in seen["source"]
    assert "headers" not in seen["kaniko"]


BLOB = {"url": "https://contoso.blob.core.windows.net/releases/shop.tgz", "unverified": True}


@pytest.mark.parametrize(
    ("login", "secret", "item"),
    [
        ({"sasSecretRef": {"name": "blob"}}, "blob", {"key": "sas", "path": "sas"}),
        ({"connectorRef": "acr"}, USUAL.secret_name, {"key": "storage-token", "path": "bearerToken"}),
    ],
)
def test_only_the_sources_container_sees_the_login_to_azure_storage(
    login: dict[str, Any], secret: str, item: dict[str, str]
) -> None:
    pod = manifest({"source": {"archive": {**BLOB, **login}}})
    seen = {found["name"]: [mount["name"] for mount in found["volumeMounts"]] for found in containers(pod)}
    assert "storage-login" in seen["source"]
    assert "storage-login" not in seen["kaniko"]
    volume = next(volume["secret"] for volume in pod["spec"]["volumes"] if volume["name"] == "storage-login")
    assert volume == {"secretName": secret, "items": [item], "defaultMode": 0o444}


def test_same_arguments_give_the_same_pod() -> None:
    assert manifest() == manifest()


def test_pod_is_json(pod: Manifest) -> None:
    assert json.loads(json.dumps(pod)) == pod


def test_no_service_account_token_and_no_service_environment(pod: Manifest) -> None:
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["enableServiceLinks"] is False
    assert "serviceAccountToken" not in json.dumps(pod["spec"]["volumes"])


def test_pod_never_restarts_and_has_a_deadline(pod: Manifest) -> None:
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["activeDeadlineSeconds"] > 0


@pytest.mark.proves("timeout")
def test_deadline_is_the_timeout() -> None:
    assert manifest({"timeout": "90s"})["spec"]["activeDeadlineSeconds"] == 90
    assert manifest({"timeout": ""})["spec"]["activeDeadlineSeconds"] == SETTINGS.timeout_seconds


def test_no_container_gains_privileges(pod: Manifest) -> None:
    for container in containers(pod):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert not context.get("privileged")
        assert context["capabilities"]["drop"] == ["ALL"]


def test_capabilities_are_within_pod_security_baseline(pod: Manifest) -> None:
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    baseline = {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
        "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }  # fmt: skip
    for container in containers(pod):
        assert set(container["securityContext"]["capabilities"].get("add", [])) <= baseline


def test_nothing_of_the_host_is_shared(pod: Manifest) -> None:
    spec = pod["spec"]
    assert not [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    assert not [volume for volume in spec["volumes"] if "hostPath" in volume]
    assert not [port for container in containers(pod) for port in container.get("ports", [])]


def test_seccomp_is_the_runtimes_default(pod: Manifest) -> None:
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not [item for item in containers(pod) if "seccompProfile" in item["securityContext"]]


def test_source_is_never_fetched_as_root(pod: Manifest) -> None:
    for container in pod["spec"]["initContainers"]:
        context = container["securityContext"]
        assert context["runAsUser"] > 0
        assert context["runAsNonRoot"] is True
        assert context["readOnlyRootFilesystem"] is True


@pytest.mark.proves("runAsUser")
@pytest.mark.parametrize(("user", "uid", "non_root"), [(None, 0, False), (0, 0, False), ("1000", 1000, True)])
def test_kaniko_runs_as_the_user_that_the_spec_names(user: Any, uid: int, non_root: bool) -> None:
    context = kaniko(manifest({"runAsUser": user}))["securityContext"]
    assert (context["runAsUser"], context["runAsNonRoot"]) == (uid, non_root)


def test_files_of_the_source_belong_to_kaniko_where_it_is_not_root() -> None:
    """It opens them with O_NOATIME, which only their owner or root may do."""
    pod = manifest({"runAsUser": 1000})
    assert pod["spec"]["initContainers"][0]["securityContext"]["runAsUser"] == 1000


@pytest.mark.parametrize(("user", "group"), [(1000, 1000), (0, None)])
def test_a_volume_is_writable_for_kaniko_where_it_is_not_root(user: int, group: int | None) -> None:
    flags = {"PLUGIN_NO_PUSH": True, "PLUGIN_TAR_PATH": "image.tar"}
    volume = {"persistentVolumeClaim": {"claimName": "builds"}}
    pod = manifest({"runAsUser": user, "envVariables": flags, "workspace": volume})
    assert pod["spec"]["securityContext"].get("fsGroup") == group
    assert "fsGroup" not in manifest({"runAsUser": user})["spec"]["securityContext"], "where there is no volume"


def test_resource_is_the_controller_and_deleting_it_waits_for_no_pod(pod: Manifest) -> None:
    (owner,) = pod["metadata"]["ownerReferences"]
    assert owner["uid"] == OWNER.uid
    assert owner["controller"] is True
    assert not owner.get("blockOwnerDeletion")
    assert "finalizers" not in pod["metadata"]


def test_every_mount_is_a_volume_and_every_volume_is_mounted(pod: Manifest) -> None:
    volumes = [volume["name"] for volume in pod["spec"]["volumes"]]
    mounted = {mount["name"] for container in containers(pod) for mount in container["volumeMounts"]}
    assert len(volumes) == len(set(volumes))
    assert set(volumes) == mounted


def test_no_two_mounts_of_a_container_share_a_place(pod: Manifest) -> None:
    for container in containers(pod):
        places = [mount["mountPath"] for mount in container["volumeMounts"]]
        assert len(places) == len(set(places))
        assert not [mount for mount in container["volumeMounts"] if "subPath" in mount], "would not follow a renewal"


def test_login_is_for_kaniko_alone(pod: Manifest) -> None:
    """And for the source, if that is an artifact."""
    if "oci" in pod["metadata"]["annotations"].get(meta.ANNOTATION_SOURCE, ""):
        return
    secrets = {volume["name"] for volume in pod["spec"]["volumes"] if {"secret", "projected"} & volume.keys()} - {
        "git-login",
        "headers",
    }
    for container in pod["spec"]["initContainers"]:
        assert not secrets & {mount["name"] for mount in container["volumeMounts"]}
    for mount in kaniko(pod)["volumeMounts"]:
        assert mount["name"] not in secrets or mount["readOnly"]


def test_certificate_is_mounted_only_where_there_is_one() -> None:
    def mounts(pod: Manifest) -> set[str]:
        return {mount["name"] for mount in kaniko(pod)["volumeMounts"]}

    assert mounts(manifest(login=WITH_CA)) - mounts(manifest()) == {"ca"}


def test_every_container_has_limits_and_requests(pod: Manifest) -> None:
    for container in containers(pod):
        for kind in ("limits", "requests"):
            assert {"memory", "cpu"} <= container["resources"][kind].keys()


def test_pod_goes_to_linux_nodes(pod: Manifest) -> None:
    assert pod["spec"]["nodeSelector"]["kubernetes.io/os"] == "linux"


def test_no_container_runs_a_shell(pod: Manifest) -> None:
    for container in containers(pod):
        assert not {"sh", "bash", "/bin/sh", "/busybox/sh"} & set(container.get("command", []))
    assert "command" not in kaniko(pod), "the executor image's own entry point"


def test_pod_is_found_again_by_its_labels(pod: Manifest) -> None:
    labels = pod["metadata"]["labels"]
    assert labels[meta.LABEL_MANAGED_BY] == meta.COMPONENT
    assert (labels[meta.LABEL_RUN], labels[meta.LABEL_BUILD], labels[meta.LABEL_ATTEMPT]) == ("7", "0", "2")
    assert labels[meta.LABEL_NAME] == OWNER.name


def test_pod_has_the_name_that_the_status_announces(pod: Manifest) -> None:
    assert pod["metadata"]["name"] == NAME
    assert pod["metadata"]["namespace"] == OWNER.namespace


@pytest.mark.proves("source.inline.files")
def test_source_request_reaches_the_init_container_whole() -> None:
    files = {"Dockerfile": "FROM scratch\n", "日本/a b": "\n\t\"\\' ☃"}
    request = json.loads(
        manifest({"source": {"inline": {"files": files}}})["metadata"]["annotations"][meta.ANNOTATION_SOURCE]
    )
    assert request["inline"]["files"] == files
    assert (request["dockerfile"], request["context"]) == ("Dockerfile", ".")


@pytest.mark.parametrize("text", ["\n", '"', "\u0001", "日", "x"])
def test_inline_source_that_is_accepted_fits_into_the_annotations_limit(text: str) -> None:
    """The API server takes 256 KiB of annotations; what JSON escapes makes the request larger than the files."""
    files = {"Dockerfile": text * ((128 * 1024 - 10) // len(text.encode()))}
    try:
        annotations = manifest({"source": {"inline": {"files": files}}})["metadata"]["annotations"]
    except SpecInvalidError:
        return  # it was not accepted
    assert sum(len(key) + len(value.encode()) for key, value in annotations.items()) <= 256 * 1024


def test_an_image_that_was_built_before_is_pushed_without_fetching_a_source() -> None:
    pod = manifest(*CASES["push-only"])
    assert pod["spec"]["initContainers"] == []
    assert meta.ANNOTATION_SOURCE not in pod["metadata"]["annotations"]
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["volume", "login"]


@pytest.mark.proves("workspace.persistentVolumeClaim.claimName")
def test_the_workspaces_volume_is_kanikos_and_only_where_a_path_is_on_it() -> None:
    pod = manifest(*CASES["options"])
    assert {"name": "volume", "persistentVolumeClaim": {"claimName": "builds"}} in pod["spec"]["volumes"]
    assert {"name": "volume", "mountPath": "/kaniko/volume"} in kaniko(pod)["volumeMounts"]
    unused = manifest({"workspace": {"persistentVolumeClaim": {"claimName": "builds"}}})
    assert not [volume for volume in unused["spec"]["volumes"] if "persistentVolumeClaim" in volume]


def test_a_build_without_a_login_mounts_none() -> None:
    pod = manifest(*CASES["no-push"])
    assert "login" not in {volume["name"] for volume in pod["spec"]["volumes"]}


def test_root_is_root_only_inside_of_the_pod_where_a_user_namespace_is_used() -> None:
    assert manifest({"userNamespace": "Always"})["spec"]["hostUsers"] is False
    assert "hostUsers" not in manifest()["spec"]


def test_name_servers_replace_the_clusters_for_every_container() -> None:
    spec = manifest({"envVariables": {"PLUGIN_CUSTOM_DNS": "10.0.0.10,10.0.0.11"}})["spec"]
    assert (spec["dnsPolicy"], spec["dnsConfig"]) == ("None", {"nameservers": ["10.0.0.10", "10.0.0.11"]})
    assert "dnsPolicy" not in manifest()["spec"]


def test_values_from_elsewhere_come_by_reference_and_nothing_else_steers_kaniko() -> None:
    variables = kaniko(manifest(*CASES["options"]))["env"]
    assert [variable for variable in variables if variable["name"] not in {switch.name for switch in SWITCHES}] == [
        {"name": "container", "value": "kube"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "github", "key": "token"}}},
        {"name": "VERSION", "valueFrom": {"configMapKeyRef": {"name": "versions", "key": "web"}}},
    ]


def test_build_secrets_can_be_read_by_a_kaniko_that_is_not_root() -> None:
    pod = manifest({**CASES["options"][0], "runAsUser": 1000})
    volume = next(volume for volume in pod["spec"]["volumes"] if volume["name"] == "build-secrets")
    assert volume["projected"]["defaultMode"] & 0o004


@pytest.mark.proves(
    "podTemplate.labels", "podTemplate.annotations", "podTemplate.nodeSelector", "podTemplate.tolerations",
    "podTemplate.affinity", "podTemplate.priorityClassName", "podTemplate.runtimeClassName",
    "podTemplate.topologySpreadConstraints", "podTemplate.imagePullSecrets",
)  # fmt: skip
def test_a_pod_template_adds_and_never_replaces() -> None:
    template = {
        "labels": {"team": "shop"},
        "annotations": {"example.com/cost": "42"},
        "nodeSelector": {"pool": "builds"},
        "tolerations": [{"key": "builds", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "batch-low",
        "runtimeClassName": "kata",
        "topologySpreadConstraints": [{"maxSkew": 1}],
        "imagePullSecrets": ["mirror-pull"],
    }
    plain, pod = manifest(), manifest({"podTemplate": template})
    # The hash in its labels is of what shapes the image, which placement does not.
    assert pod["metadata"]["labels"] == {**plain["metadata"]["labels"], "team": "shop"}
    assert pod["metadata"]["annotations"] == {**plain["metadata"]["annotations"], "example.com/cost": "42"}
    added = {name: pod["spec"][name] for name in pod["spec"].keys() - plain["spec"].keys()}
    assert added == {
        "tolerations": template["tolerations"],
        "affinity": template["affinity"],
        "priorityClassName": "batch-low",
        "runtimeClassName": "kata",
        "topologySpreadConstraints": template["topologySpreadConstraints"],
        "imagePullSecrets": [{"name": "mirror-pull"}],
    }
    assert pod["spec"]["nodeSelector"] == {"pool": "builds", "kubernetes.io/os": "linux"}
    changed = {name for name in plain["spec"] if plain["spec"][name] != pod["spec"][name]}
    assert changed == {"nodeSelector"}
