"""The pod that reads a push back: what it is given, what it may do, and what it and the operator tell each other."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api import meta
from buildandpush.api.meta import Manifest
from buildandpush.core.facts import LoginSecretRef, ReadBack
from buildandpush.core.pod.manifest import Attempt, build_pod_manifest
from buildandpush.core.pod.readback import (
    MAX_REPORT,
    Claim,
    Report,
    build_read_back_pod,
    parse_claim,
    read_report,
    render_claim,
    render_report,
)
from buildandpush.core.settings import ProxySettings
from buildandpush.core.spec.plan import parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from tests.unit.conftest import Golden
from tests.unit.core.factories import DIGEST, OWNER, REPOSITORY, SETTINGS, reader_pod, spec

CLAIM = Claim(REPOSITORY, ("latest", "1.2"), DIGEST, f"{OWNER.uid}/7")
OTHER = "sha256:" + "b" * 64
HOST = REPOSITORY.split("/", maxsplit=1)[0]
ATTEMPT = Attempt("web-r7-check", 7, 0, 2, "v1:abc")
LOGIN = LoginSecretRef("buildandpush-login-1", (HOST, "other.azurecr.io"))
TEMPLATE: dict[str, Any] = {
    "podTemplate": {
        "labels": {"team": "shop", meta.LABEL_COMPONENT.replace("app", "x"): "y"},
        "nodeSelector": {"pool": "builds"},
        "tolerations": [{"key": "builds", "operator": "Exists"}],
        "imagePullSecrets": ["mirror-pull"],
    },
    "serviceAccountName": "builder",
    "envVariables": {"PLUGIN_SKIP_TLS_VERIFY": True},
}
OPEN = replace(
    SETTINGS,
    service_accounts=("builder",),
    insecure_registries=(HOST,),
    proxy=ProxySettings("http://proxy.example:3128", "http://proxy.example:3128", ""),
    trusted_certificates="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
)


def manifest(changes: dict[str, Any] | None = None, login: LoginSecretRef = LOGIN, settings: Any = OPEN) -> Manifest:
    """The pod of a build with this spec; None for a spec that cannot be used by now."""
    plan = plan_build(parse_spec(spec(**changes)), settings, Occasion(7)) if changes is not None else None
    return build_read_back_pod(CLAIM, plan, owner=OWNER, attempt=ATTEMPT, login=login, settings=settings)


CASES: dict[str, Callable[[], Manifest]] = {
    "smallest": partial(manifest, {}, LoginSecretRef("buildandpush-login-1"), SETTINGS),
    "everything": partial(manifest, TEMPLATE),
    "without-a-plan": manifest,
}


@pytest.fixture(params=CASES)
def pod(request: pytest.FixtureRequest) -> Manifest:
    return CASES[request.param]()


@pytest.mark.parametrize("name", CASES)
def test_pod_is_the_golden_one(name: str, golden: Golden) -> None:
    golden(f"manifests/read-back-{name}.yaml", yaml.safe_dump(CASES[name](), sort_keys=False, width=120))


def test_it_fits_pod_security_restricted(pod: Manifest) -> None:
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"] == {
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_it_has_nothing_that_a_build_can_write(pod: Manifest) -> None:
    """Only Secrets and what the operator wrote into the pod itself: no volume of the build's and no emptyDir."""
    assert "initContainers" not in pod["spec"]
    kinds = {kind for volume in pod["spec"]["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"secret", "downwardAPI"}
    assert all(mount["readOnly"] for mount in pod["spec"]["containers"][0]["volumeMounts"])


def test_it_goes_where_the_build_went() -> None:
    plan = plan_build(parse_spec(spec(**TEMPLATE)), OPEN, Occasion(7))
    build = build_pod_manifest(plan, owner=OWNER, attempt=ATTEMPT, login=LOGIN, settings=OPEN)
    pod = CASES["everything"]()
    for field in ("nodeSelector", "tolerations", "imagePullSecrets", "serviceAccountName"):
        assert pod["spec"][field] == build["spec"][field]
    assert pod["metadata"]["labels"]["team"] == "shop"
    assert pod["metadata"]["ownerReferences"] == build["metadata"]["ownerReferences"]


@pytest.mark.parametrize("flags", [{}, {"PLUGIN_CUSTOM_PLATFORM": "linux/arm64"}])
def test_it_has_a_node_of_the_builds_architecture(flags: dict[str, Any]) -> None:
    """It runs the image of the source's container, which may be of one architecture alone."""
    settings = replace(OPEN, platform="linux/amd64")
    plan = plan_build(parse_spec(spec(envVariables=flags)), settings, Occasion(7))
    build = build_pod_manifest(plan, owner=OWNER, attempt=ATTEMPT, login=LOGIN, settings=settings)
    selected = manifest({"envVariables": flags}, settings=settings)["spec"]["nodeSelector"]
    assert selected == build["spec"]["nodeSelector"]
    assert selected["kubernetes.io/arch"] == ("arm64" if flags else "amd64")


def test_it_is_told_from_a_build_by_its_label() -> None:
    labels = CASES["everything"]()["metadata"]["labels"]
    assert labels[meta.LABEL_COMPONENT] == meta.COMPONENT_READ_BACK
    assert labels[meta.LABEL_MANAGED_BY] == meta.COMPONENT, "the operator watches it"


@pytest.mark.parametrize(
    ("flags", "tls"),
    [
        ({}, "verified"),
        ({"PLUGIN_SKIP_TLS_VERIFY": True}, "unverified"),
        ({"PLUGIN_INSECURE_REGISTRY": HOST}, "plain"),
        ({"PLUGIN_SKIP_TLS_VERIFY_REGISTRY": "other.example"}, "verified"),
    ],
)
def test_it_asks_as_kaniko_pushed(flags: dict[str, Any], tls: str) -> None:
    settings = replace(OPEN, insecure_registries=(HOST, "other.example"))
    (container,) = manifest({"envVariables": flags}, settings=settings)["spec"]["containers"]
    assert parse_claim(container["args"][0]) == replace(CLAIM, tls=tls)


def test_a_claim_arrives_as_it_is() -> None:
    assert parse_claim(render_claim(CLAIM)) == CLAIM


@pytest.mark.parametrize(
    "report",
    [
        Report(ReadBack({"latest": DIGEST, "1.2": DIGEST}, True, size_bytes=5, media_type="m", platform="linux/arm64")),
        Report(ReadBack({"latest": OTHER, "1.2": None}, True), own=True),
        Report(ReadBack({"latest": DIGEST, "1.2": OTHER}, False)),
        Report(ReadBack({}, False, problem="contoso.azurecr.io answered 403")),
    ],
)
def test_a_report_arrives_as_it_is(report: Report) -> None:
    assert read_report(reader_pod(render_report(report, CLAIM)), CLAIM) == report


@given(
    problem=st.text(max_size=2000),
    tags=st.lists(st.text("aZ09._-", min_size=1, max_size=128), max_size=50, unique=True),
    digest=st.text(max_size=300),
    media_type=st.text(max_size=9000) | st.none(),
)
def test_a_report_is_never_cut_by_the_kubelet(
    problem: str, tags: list[str], digest: str, media_type: str | None
) -> None:
    claim = replace(CLAIM, tags=tuple(tags))
    found = ReadBack(dict.fromkeys(tags, digest), True, problem=problem, media_type=media_type, platform=media_type)
    text = render_report(Report(found), claim)
    assert len(text.encode()) <= MAX_REPORT
    report = read_report(reader_pod(text), claim)
    assert report is not None
    assert bool(report.read_back.problem) is bool(problem)
    if tags and not problem and digest != DIGEST and len(digest) < 200:
        assert set(report.read_back.tags.values()) != {DIGEST}, "that tags have moved is told however many there are"


@pytest.mark.parametrize("message", ["", "{", "[]", "5", '"x"', '{"found": true}', '{"moved": {}}', "[" * 5000])
def test_what_is_no_report_is_none(message: str) -> None:
    assert read_report(reader_pod(message), CLAIM) is None


def test_a_pod_that_has_not_ended_has_no_report() -> None:
    assert read_report(reader_pod(), CLAIM) is None
