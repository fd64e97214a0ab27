"""Sources from a registry: artifacts as flux and oras push them, with the login of the build's connector."""

import secrets

import pytest

from tests.artifacts import push_by_flux, push_by_oras
from tests.e2e.harness.azure import BASE_HOST, Azure
from tests.e2e.harness.build import FROM
from tests.e2e.harness.fixtures import BuildFactory, ConnectorFactory
from tests.e2e.harness.registry import Registry

pytestmark = pytest.mark.e2e

DOCKERFILE = f"{FROM}COPY web/text /text\n".encode()


@pytest.mark.proves("source.oci.image")
def test_an_artifact_is_built_with_the_login_of_the_connector(
    azure: Azure, registry: Registry, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    password = secrets.token_urlsafe(18)
    host = azure.make_registry(admin=password)
    pushed = registry.at(host, password)
    by_flux = push_by_flux({"Dockerfile": DOCKERFILE, "web/text": b"from flux\n"})
    by_oras = push_by_oras({"Dockerfile": DOCKERFILE}, {"web": {"text": b"from oras\n"}})
    pushed.push(f"{host}/source/shop", "v1", by_flux)
    pushed.push(f"{host}/source/tools", "v1", by_oras)
    identity = azure.make_identity(("AcrPush", host))
    make_connector(identity, host, BASE_HOST)
    make_connector(identity, name="scoped", loginScope="Repository")
    make_connector(identity, BASE_HOST, name="base")
    flux = make_build(repository=f"{host}/shop/web", source={"oci": {"image": f"{host}/source/shop:v1"}})
    oras = make_build(
        repository=f"{host}/shop/tools",
        source={"oci": {"image": f"{host}/source/tools@{by_oras.digest}"}},
        connectorRef="scoped",
        baseImageConnectorRefs=["base"],
    )
    ended = flux.wait_succeeded()
    assert (ended.run["source"]["digest"], ended.run["source"]["revision"]) == (by_flux.digest, "v1")
    assert pushed.files(f"{host}/shop/web", "latest")["text"] == b"from flux\n"
    assert oras.wait_succeeded().run["source"]["digest"] == by_oras.digest
    assert pushed.files(f"{host}/shop/tools", "latest")["text"] == b"from oras\n"


def test_what_a_registry_does_not_give_is_told_in_its_words(
    azure: Azure, registry: Registry, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    password = secrets.token_urlsafe(18)
    host, other = azure.make_registry(admin=password), azure.make_registry(admin=password)
    artifact = push_by_flux({"Dockerfile": DOCKERFILE})
    for place in (host, other):
        registry.at(place, password).push(f"{place}/source/shop", "v1", artifact)
    make_connector(azure.make_identity(("AcrPush", host)), host, other, BASE_HOST)
    unknown = f"{host}/source/shop@sha256:{'0' * 64}"
    gone = make_build(repository=f"{host}/shop/web", source={"oci": {"image": unknown}})
    denied = make_build(repository=f"{host}/shop/web2", source={"oci": {"image": f"{other}/source/shop:v1"}})
    told = gone.wait_failed("RevisionNotFound").build["message"]
    assert f"{host} has no source/shop@sha256:0" in told
    assert "MANIFEST_UNKNOWN" in told
    refused = denied.wait_failed("SourceDenied")
    assert f"{other} refuses source/shop: 401 UNAUTHORIZED" in refused.build["message"]
    assert "give the connector's identity the role AcrPull" in refused.build["message"]
    assert refused.failure["container"] == "source"
