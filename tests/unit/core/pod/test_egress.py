"""How build pods reach the outside through a proxy, and trust a company's own authority."""

from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.meta import Manifest
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.facts import LoginSecretRef
from buildandpush.core.pod.manifest import Attempt, build_pod_manifest
from buildandpush.core.settings import ProxySettings
from buildandpush.core.spec.plan import parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import OWNER, SETTINGS, spec

PROXY = ProxySettings("http://proxy.example:3128", "http://proxy.example:3129", "git.example, 10.0.0.0/8")
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def manifest(changes: dict[str, Any] | None = None, **settings: Any) -> Manifest:
    """A build pod under these settings."""
    chosen = replace(SETTINGS, **settings)
    plan = plan_build(parse_spec(spec(**(changes or {}))), chosen, Occasion(1))
    return build_pod_manifest(
        plan, owner=OWNER, attempt=Attempt("web-1", 1, 0, 1, "v1:x"), login=LoginSecretRef(None), settings=chosen
    )


def container(pod: Manifest, name: str) -> Manifest:
    """One of its containers."""
    found = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    return next(item for item in found if item["name"] == name)


def environment(pod: Manifest, name: str) -> dict[str, str]:
    """The variables of one container."""
    return {item["name"]: item["value"] for item in container(pod, name)["env"]}


@pytest.mark.parametrize("name", ["source", "kaniko"])
def test_both_containers_get_the_proxy_in_both_spellings(name: str) -> None:
    found = environment(manifest(proxy=PROXY), name)
    for spelling in ("HTTPS_PROXY", "https_proxy"):
        assert found[spelling] == "http://proxy.example:3129"
    assert found["http_proxy"] == found["HTTP_PROXY"] == "http://proxy.example:3128"
    direct = found["NO_PROXY"].split(",")
    assert {"git.example", "10.0.0.0/8", "kubernetes.default", ".svc", "169.254.169.254"} <= set(direct)
    assert found["no_proxy"] == found["NO_PROXY"]


def test_without_a_proxy_nothing_of_it_is_set() -> None:
    exceptions_alone = ProxySettings(exceptions="git.example", run_lines=True)
    for pod in (manifest(), manifest(proxy=exceptions_alone)):
        for name in ("source", "kaniko"):
            assert not [variable for variable in environment(pod, name) if "proxy" in variable.lower()]
        assert "PROXY" not in str(container(pod, "kaniko")["args"])


def test_run_lines_get_the_proxy_only_where_the_installer_says_so() -> None:
    assert "proxy" not in str(container(manifest(proxy=PROXY), "kaniko")["args"])
    arguments = container(manifest(proxy=replace(PROXY, run_lines=True)), "kaniko")["args"]
    assert "--build-arg=HTTPS_PROXY=http://proxy.example:3129" in arguments
    assert "--build-arg=https_proxy=http://proxy.example:3129" in arguments
    assert any(item.startswith("--build-arg=NO_PROXY=localhost,") for item in arguments)


def test_a_build_argument_of_the_spec_stands_above_the_installers() -> None:
    pod = manifest({"buildArgs": {"HTTPS_PROXY": "http://own.example:1"}}, proxy=replace(PROXY, run_lines=True))
    given = [item for item in container(pod, "kaniko")["args"] if item.startswith("--build-arg=HTTPS_PROXY=")]
    assert given == ["--build-arg=HTTPS_PROXY=http://own.example:1"]


def test_both_containers_can_read_the_certificates() -> None:
    pod = manifest(trusted_certificates=PEM)
    assert pod["metadata"]["annotations"]["buildandpush.dev/trusted-certificates"] == PEM
    (volume,) = [item for item in pod["spec"]["volumes"] if item["name"] == "certificates"]
    field = volume["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"]
    assert field == "metadata.annotations['buildandpush.dev/trusted-certificates']"
    for name, path in (("source", "/etc/buildandpush-certificates"), ("kaniko", "/kaniko/certificates")):
        assert {"name": "certificates", "mountPath": path, "readOnly": True} in container(pod, name)["volumeMounts"]
    assert environment(pod, "kaniko")["SSL_CERT_DIR"] == "/kaniko/ssl/certs:/kaniko/certificates"


def test_without_certificates_there_is_no_volume_for_them() -> None:
    pod = manifest()
    assert "certificates" not in [item["name"] for item in pod["spec"]["volumes"]]
    assert "SSL_CERT_DIR" not in environment(pod, "kaniko")


def test_files_and_certificates_share_the_room_of_the_annotations() -> None:
    files = {"Dockerfile": "FROM scratch\n", "large": "\x01" * 35_000}
    manifest({"source": {"inline": {"files": files}}})
    with pytest.raises(SpecInvalidError, match=r"^source.inline.files: .* too many"):
        manifest({"source": {"inline": {"files": files}}}, trusted_certificates="x" * 60_000)
