"""Every kind of identity logs in and pushes, under the production names and with Azure's own clients."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from devcluster.node.deploy import NODE_IDENTITY_NAMESPACE
from devcluster.settings import Settings
from tests.e2e.harness.api import BUILD, CONNECTOR, GROUP_VERSION, Api, Object
from tests.e2e.harness.azure import BASE_HOST, SUBSCRIPTION, Azure, Identity
from tests.e2e.harness.build import FROM, Build, build_manifest, inline
from tests.e2e.harness.fixtures import BuildFactory, ConnectorFactory
from tests.e2e.harness.waiting import eventually

pytestmark = pytest.mark.e2e

ISSUER = "https://kubernetes.default.svc.cluster.local"
GOVERNMENT = "11111111-1111-4111-8111-333333333333"
CHINA = "11111111-1111-4111-8111-444444444444"
STACK = "11111111-1111-4111-8111-555555555555"


def connector_status(api: Api, namespace: str, name: str = "acr") -> Object:
    """What the connector says of itself."""
    return dict(api.get(CONNECTOR, name, namespace).get("status") or {})


def wait_connector(api: Api, namespace: str, value: str, reason: str, *, name: str = "acr", within: float = 30) -> str:
    """Wait until the connector is or is not ready for this reason; gives back its message."""

    def found() -> str | None:
        conditions = connector_status(api, namespace, name).get("conditions", [])
        ready = next((item for item in conditions if item["type"] == "Ready"), {})
        return str(ready["message"]) if (ready.get("status"), ready.get("reason")) == (value, reason) else None

    return eventually(
        found,
        f"connector {value} {reason}",
        within=within,
        last_seen=lambda: str(connector_status(api, namespace, name)),
    )


def login_config(api: Api, namespace: str, build: Build) -> Object:
    """The docker config that the build's pod was given."""
    volumes = build.pods()[0]["spec"]["volumes"]
    name = next(item["secret"]["secretName"] for item in volumes if item["name"] == "login")
    data = api.get("Secret", name, namespace)["data"][".dockerconfigjson"]
    auths: Object = json.loads(base64.b64decode(data))["auths"]
    return auths


@pytest.mark.proves("subscriptionId")
def test_a_service_principal_pushes_and_the_status_links_to_the_portal(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, api: Api, namespace: str
) -> None:
    host = azure.make_registry()
    identity = azure.make_identity(("AcrPush", host), ("Reader", host))
    make_connector(identity, host, BASE_HOST)
    ended = make_build(
        repository=f"{host}/shop/web", tags=["latest", "1.0"], subscriptionId=SUBSCRIPTION
    ).wait_succeeded()
    assert ended.told("Verified") == ("True", "Verified")
    assert ended.told("LinksResolved") == ("True", "LinksResolved")
    assert (ended.build["platform"], ended.build["sizeBytes"] > 0) == ("linux/amd64", True)
    assert "manifest" in ended.build["mediaType"]
    for artifact, tag in zip(ended.status["artifacts"], ("latest", "1.0"), strict=True):
        assert artifact["image"] == f"{host}/shop/web:{tag}"
        assert artifact["portalUrl"].startswith("https://portal.azure.com/#view/Microsoft_Azure_ContainerRegistries/")
        assert artifact["portalUrl"].endswith(f"/repositoryName/shop%2Fweb/tag/{tag}")
    wait_connector(api, namespace, "True", "LoggedIn")
    status = eventually(
        lambda: (now := connector_status(api, namespace)).get("logins") and now, "the connector's logins", within=15
    )
    assert status["identity"] == {
        "kind": "servicePrincipal", "tenantId": identity.tenant, "clientId": identity.client_id,
    }  # fmt: skip
    assert status["registries"] == sorted([host, BASE_HOST])
    ends = datetime.fromisoformat(status["logins"][0]["expiresAt"])
    assert timedelta(hours=2, minutes=50) < ends - datetime.now(UTC) < timedelta(hours=3, minutes=1)


@pytest.mark.proves("outputs.artifactFile")
def test_the_artifact_file_stands_in_the_status_as_the_plugin_writes_it(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    repository = f"{host}/shop/web"
    ended = make_build(repository=repository, tags=["latest", "1.0"], outputs={"artifactFile": True}).wait_succeeded()
    digest = ended.status["digest"]
    assert json.loads(ended.status["artifactFile"]) == {
        "kind": "docker/v1",
        "data": {
            "repo": repository,
            "registryType": "Docker",
            "registryUrl": f"https://{host}",
            "images": [{"image": f"{repository}:{tag}", "digest": digest} for tag in ("latest", "1.0")],
        },
    }


def test_the_end_of_a_login_stands_on_the_connector_before_any_build(
    azure: Azure, make_connector: ConnectorFactory, api: Api, namespace: str
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    wait_connector(api, namespace, "True", "LoggedIn")
    status = connector_status(api, namespace)
    assert status["registries"] == sorted([host, BASE_HOST])
    assert not status.get("logins")
    ends = datetime.fromisoformat(status["expiresAt"])
    assert timedelta(hours=2, minutes=50) < ends - datetime.now(UTC) < timedelta(hours=3, minutes=1)


def make_certificate(passphrase: bytes = b"") -> tuple[str, str]:
    """PEM of a certificate and of its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "builds")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def tls_secret(namespace: str, certificate: str, key: str) -> Object:
    """A Secret as kubectl create secret tls makes it."""
    metadata = {"name": "acr-cert", "namespace": namespace}
    data = {"tls.crt": certificate, "tls.key": key}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "stringData": data}


BY_CERTIFICATE: dict[str, Any] = {"secretRef": None, "certificateRef": {"name": "acr-cert"}}


def test_a_certificate_logs_in(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, api: Api, namespace: str
) -> None:
    certificate, key = make_certificate()
    azure.remember_key(key)
    host = azure.make_registry()
    identity = azure.make_identity(("AcrPush", host), certificates=[certificate], secrets=[])
    api.create(tls_secret(namespace, certificate, key))
    make_connector(identity, host, BASE_HOST, secret=None, principal=BY_CERTIFICATE)
    make_build(repository=f"{host}/shop/web").wait_succeeded()


def test_a_certificate_that_the_application_does_not_know_is_told(
    azure: Azure, make_connector: ConnectorFactory, api: Api, namespace: str
) -> None:
    certificate, key = make_certificate()
    azure.remember_key(key)
    api.create(tls_secret(namespace, certificate, key))
    make_connector(azure.make_identity(), secret=None, principal=BY_CERTIFICATE)
    assert "AADSTS700027" in wait_connector(api, namespace, "False", "LoginFailed")


def test_a_certificate_without_its_key_is_told(
    azure: Azure, make_connector: ConnectorFactory, api: Api, namespace: str
) -> None:
    certificate, _ = make_certificate()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "acr-cert", "namespace": namespace}}
    api.create({**secret, "stringData": {"tls.crt": certificate}})
    make_connector(azure.make_identity(), secret=None, principal=BY_CERTIFICATE)
    assert "tls.key" in wait_connector(api, namespace, "False", "SecretMissing")


def test_a_certificate_whose_key_has_a_passphrase_is_told(
    azure: Azure, make_connector: ConnectorFactory, api: Api, namespace: str
) -> None:
    certificate, key = make_certificate(passphrase=b"open sesame")
    azure.remember_key(key)
    api.create(tls_secret(namespace, certificate, key))
    make_connector(azure.make_identity(), secret=None, principal=BY_CERTIFICATE)
    assert "passphrase; store it without one" in wait_connector(api, namespace, "False", "LoginFailed")


def workload(identity: Identity) -> dict[str, Any]:
    """The spec of a connector with a workload identity."""
    who = {"tenantId": identity.tenant, "clientId": identity.client_id}
    return {"servicePrincipal": None, "workloadIdentity": who, "secret": None}


def service_account(namespace: str) -> Object:
    """The service account that connectors log in as."""
    metadata = {"name": "buildandpush-identity", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def test_a_workload_identity_needs_no_secret(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, api: Api, namespace: str
) -> None:
    host = azure.make_registry()
    subject = f"system:serviceaccount:{namespace}:buildandpush-identity"
    federation = {"issuer": ISSUER, "subject": subject}
    identity = azure.make_identity(("AcrPush", host), secrets=[], federations=[federation])
    make_connector(identity, host, BASE_HOST, **workload(identity))
    assert "create it" in wait_connector(api, namespace, "False", "LoginFailed"), "there is no service account yet"
    api.create(service_account(namespace))
    make_build(repository=f"{host}/shop/web").wait_succeeded(within=90)
    names = {item["metadata"]["name"] for item in api.list("Secret", namespace)}
    assert all(name.startswith("buildandpush-login-") for name in names)


def test_a_workload_identity_that_trusts_another_subject_is_told(
    azure: Azure, make_connector: ConnectorFactory, api: Api, namespace: str
) -> None:
    federation = {"issuer": ISSUER, "subject": "system:serviceaccount:elsewhere:builds"}
    identity = azure.make_identity(secrets=[], federations=[federation])
    api.create(service_account(namespace))
    make_connector(identity, **workload(identity))
    message = wait_connector(api, namespace, "False", "LoginFailed")
    assert "AADSTS700213" in message
    assert "federated credential" in message


def test_a_service_account_that_the_chart_does_not_name_is_refused(
    azure: Azure, make_connector: ConnectorFactory, api: Api, namespace: str
) -> None:
    identity = azure.make_identity(secrets=[])
    changes = workload(identity)
    changes["workloadIdentity"]["serviceAccountName"] = "default"
    make_connector(identity, **changes)
    assert "azure.identityServiceAccounts" in wait_connector(api, namespace, "False", "CredentialNotAllowed")


def test_a_connector_cannot_explore_the_clusters_network(
    azure: Azure, make_connector: ConnectorFactory, api: Api, namespace: str, settings: Settings
) -> None:
    """The API server, a kubelet, a port where nobody listens and a name that does not exist look alike."""
    gateway = settings.network.gateway
    hosts = ["kubernetes.default.svc.cluster.local", f"{gateway}:10250", f"{gateway}:9", "nobody.default.svc"]
    identity = azure.make_identity()
    for number, host in enumerate(hosts):
        make_connector(identity, host, name=f"c{number}", allowedRegistries=[host])
    told = [wait_connector(api, namespace, "False", "RegistryUnreachable", name=f"c{number}") for number in range(4)]
    assert len({message.replace(host, "") for message, host in zip(told, hosts, strict=True)}) == 1, told


def test_a_managed_identity_is_refused_outside_of_its_namespaces(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, api: Api, namespace: str
) -> None:
    make_connector(azure.make_identity(), secret=None, servicePrincipal=None, managedIdentity={})
    assert "azure.managedIdentityNamespaces" in wait_connector(api, namespace, "False", "CredentialNotAllowed")
    build = make_build()
    build.wait_reason("CredentialNotAllowed")
    assert build.pods() == []


def test_a_managed_identity_logs_in_where_the_chart_allows_it(azure: Azure, api: Api, settings: Settings) -> None:
    host = azure.make_registry()
    identity = azure.make_identity(("AcrPush", host), nodeIdentity=True)
    namespace = NODE_IDENTITY_NAMESPACE
    if api.find("Namespace", namespace) is None:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    eventually(lambda: api.find("ServiceAccount", "default", namespace), "service account", within=30)
    spec = {
        "managedIdentity": {"clientId": identity.client_id},
        "registries": [host, BASE_HOST],
        "caBundle": settings.ca_certificate.read_text(),
    }
    name = host.split(".", 1)[0]
    metadata = {"name": name, "namespace": namespace}
    api.create({"apiVersion": GROUP_VERSION, "kind": CONNECTOR, "metadata": metadata, "spec": spec})
    build = Build(api, namespace, name)
    try:
        api.create(build_manifest(namespace, name, {"repository": f"{host}/shop/web", "connectorRef": name}))
        build.wait_succeeded()
        assert azure.count(kind="node", principal=identity.client_id) >= 1
    finally:
        api.delete(BUILD, name, namespace)
        api.delete(CONNECTOR, name, namespace)


def test_a_managed_identity_that_the_node_does_not_have_is_told_with_what_to_do(azure: Azure, api: Api) -> None:
    identity = azure.make_identity()
    namespace = NODE_IDENTITY_NAMESPACE
    if api.find("Namespace", namespace) is None:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    name = f"unassigned-{identity.client_id[:8]}"
    spec = {"managedIdentity": {"clientId": identity.client_id}}
    metadata = {"name": name, "namespace": namespace}
    api.create({"apiVersion": GROUP_VERSION, "kind": CONNECTOR, "metadata": metadata, "spec": spec})
    try:
        message = wait_connector(api, namespace, "False", "LoginFailed", name=name)
        assert "managedIdentity.clientId" in message
        kinds = {item["type"] for item in connector_status(api, namespace, name)["conditions"]}
        assert kinds == {"Ready", "Stalled"}
    finally:
        api.delete(CONNECTOR, name, namespace)


CUSTOM = {
    "cloud": "Custom",
    "customCloud": {
        "authorityHost": "https://login.stack.test",
        "resourceManagerEndpoint": "https://management.stack.test",
        "portalUrl": "https://portal.stack.test",
    },
    "allowedRegistries": ["contosostack.azurecr.io"],
}


@pytest.mark.parametrize(
    ("cloud", "host", "tenant", "portal"),
    [
        ({"cloud": "AzureUSGovernment"}, "contoso.azurecr.us", GOVERNMENT, "https://portal.azure.us/"),
        ({"cloud": "AzureChina"}, "contoso.azurecr.cn", CHINA, "https://portal.azure.cn/"),
        (CUSTOM, "contosostack.azurecr.io", STACK, "https://portal.stack.test/"),
    ],
    ids=["government", "china", "custom"],
)
def test_other_clouds_have_their_own_hosts(
    azure: Azure,
    make_connector: ConnectorFactory,
    make_build: BuildFactory,
    cloud: dict[str, Any],
    host: str,
    tenant: str,
    portal: str,
) -> None:
    """Base images come from the public cloud, with a connector of its own."""
    identity = azure.make_identity(("AcrPush", host), ("Reader", host), tenant=tenant)
    make_connector(identity, host, **cloud)
    make_connector(azure.make_identity(), BASE_HOST, name="base")
    subscription = f"22222222-2222-4222-8222-{tenant[-12:]}"
    repository = f"{host}/{identity.client_id}/web"
    build = make_build(repository=repository, subscriptionId=subscription, baseImageConnectorRefs=["base"])
    ended = build.wait_succeeded()
    assert ended.status["artifacts"][0]["portalUrl"].startswith(portal)


def test_a_registry_with_repository_permissions_takes_a_writer_of_its_repositories(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry(abac=True)
    identity = azure.make_identity(("RepositoryWriter", host, "shop/*"), ("AcrPush", host))
    make_connector(identity, host, BASE_HOST)
    make_build(repository=f"{host}/shop/web").wait_succeeded()
    other = make_build(repository=f"{host}/bank/web")
    waiting = other.wait_reason("PushNotAllowed")
    assert "bank/web" in waiting.condition("Ready")["message"]
    assert other.pods() == []


def test_a_registry_with_a_domain_name_label_is_found_by_its_login_server(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, namespace: str
) -> None:
    host = "contoso-d4g8bxfhc2c5h9hk.azurecr.io"
    identity = azure.make_identity(("AcrPush", host), ("Reader", SUBSCRIPTION))
    make_connector(identity, host, BASE_HOST)
    ended = make_build(repository=f"{host}/{namespace}/web", subscriptionId="contoso builds").wait_succeeded()
    url = ended.status["artifacts"][0]["portalUrl"]
    assert "%2FresourceGroups%2Flabels%2F" in url
    assert "%2Fregistries%2Fcontoso/" in url


@pytest.mark.proves("baseImageConnectorRefs")
def test_a_repository_login_is_a_token_for_that_repository(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, api: Api, namespace: str
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), loginScope="Repository", name="push")
    make_connector(azure.make_identity(), BASE_HOST, name="base")
    repository = f"{host}/shop/web"
    build = make_build(repository=repository, connectorRef="push", baseImageConnectorRefs=["base"])
    build.wait_succeeded()
    config = login_config(api, namespace, build)
    assert set(config[host]) == {"registrytoken"}
    assert set(config[BASE_HOST]) == {"auth"}


def test_a_repository_login_pulls_a_base_image_of_the_same_registry(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    """Which base images a build pulls stands in its Dockerfile, which the operator does not know."""
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, loginScope="Repository")
    base = f"{host}/base/empty"
    make_build(repository=base, source=inline("FROM scratch\nCOPY Dockerfile /\n")).wait_succeeded()
    web = f"{host}/shop/web"
    make_build(repository=web, source=inline(f"FROM {base}:latest\nCOPY Dockerfile /again\n")).wait_succeeded()


@pytest.mark.prints_login
def test_a_token_printed_by_a_run_line_is_masked_in_the_status(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    """RUN lines can read kaniko's login; a token in it has no secret's value that could be looked for."""
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), loginScope="Repository", name="push")
    make_connector(azure.make_identity(), BASE_HOST, name="base")
    build = make_build(
        repository=f"{host}/shop/web",
        connectorRef="push",
        baseImageConnectorRefs=["base"],
        source=inline(f"{FROM}RUN cat /kaniko/.docker/config.json; echo; exit 5\n"),
    )
    ended = build.wait_failed("RunFailed")
    assert host in ended.failure["logTail"]
    assert "***" in ended.failure["logTail"]
    assert "eyJ" not in str(ended.raw)


def user_connector(api: Api, namespace: str, settings: Settings, host: str, user: str, password: str) -> None:
    """The connector `acr` with a user name and password."""
    metadata = {"name": "token", "namespace": namespace}
    secret = {"username": user, "password": password}
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": secret})
    spec = {
        "registryCredentials": {"secretRef": {"name": "token"}},
        "registries": [host],
        "caBundle": settings.ca_certificate.read_text(),
    }
    api.create({"apiVersion": GROUP_VERSION, "kind": CONNECTOR, "metadata": {**metadata, "name": "acr"}, "spec": spec})


def test_a_repository_scoped_token_of_the_registry_itself_pushes_and_is_verified(
    azure: Azure,
    make_build: BuildFactory,
    api: Api,
    namespace: str,
    settings: Settings,
    make_connector: ConnectorFactory,
) -> None:
    password = "p4ss-of-a-token-0123456789"
    azure.remember(password)
    actions = ["content/read", "content/write", "metadata/read"]
    token = {"name": "builds", "password": password, "repositories": {"shop/*": actions}}
    host = azure.make_registry(tokens=[token])
    user_connector(api, namespace, settings, host, "builds", password)
    make_connector(azure.make_identity(), BASE_HOST, name="base")
    ended = make_build(repository=f"{host}/shop/web", baseImageConnectorRefs=["base"]).wait_succeeded()
    assert ended.told("Verified") == ("True", "Verified")
    assert ended.build["platform"] == "linux/amd64"


def test_the_admin_user_of_a_registry_pushes_and_is_verified(
    azure: Azure,
    make_build: BuildFactory,
    api: Api,
    namespace: str,
    settings: Settings,
    make_connector: ConnectorFactory,
) -> None:
    password = "p4ss-of-the-admin-0123456789"
    azure.remember(password)
    host = azure.make_registry(admin=password)
    user = host.split(".", 1)[0]
    user_connector(api, namespace, settings, host, user, password)
    wait_connector(api, namespace, "True", "CredentialsFound")
    make_connector(azure.make_identity(), BASE_HOST, name="base")
    ended = make_build(repository=f"{host}/any/web", baseImageConnectorRefs=["base"]).wait_succeeded()
    assert ended.told("Verified") == ("True", "Verified")
    status = eventually(
        lambda: (now := connector_status(api, namespace)).get("logins") and now, "the connector's logins", within=15
    )
    assert status["identity"] == {"kind": "registryCredentials", "username": user}
    assert not status.get("registries"), "nobody asked whether the user may log in"
    ends = datetime.fromisoformat(status["logins"][0]["expiresAt"])
    assert timedelta(hours=1) < ends - datetime.now(UTC) < timedelta(hours=2, minutes=1)


def test_two_connectors_for_one_host_are_refused(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host)
    make_connector(azure.make_identity(), host, BASE_HOST, name="base")
    build = make_build(repository=f"{host}/shop/web", baseImageConnectorRefs=["base"])
    waiting = build.wait_reason("ConnectorInvalid")
    assert f"both serve {host}" in waiting.condition("Ready")["message"]
    assert build.pods() == []


@pytest.mark.long
def test_twenty_builds_cost_one_exchange(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry()
    identity = azure.make_identity(("AcrPush", host))
    make_connector(identity, host, BASE_HOST)
    builds = [
        make_build(repository=f"{host}/shop/web{number % 5}", tags=[str(number)], source=inline(FROM))
        for number in range(20)
    ]
    for build in builds:
        build.wait_succeeded(within=240)
    assert azure.count(kind="exchange", host=host) == 1
    assert azure.count(kind="entra", principal=identity.client_id) == 1
