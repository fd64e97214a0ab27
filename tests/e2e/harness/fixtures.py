"""Fixtures: the dev cluster, a namespace for each test, a login, builds, and a look at what is left."""

import itertools
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from devcluster.settings import Settings, read_settings
from tests.e2e.harness.api import BUILD, CONNECTOR, GROUP_VERSION, Api, Object
from tests.e2e.harness.azure import Azure, Identity
from tests.e2e.harness.build import Build, build_manifest
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.shell import Shell
from tests.e2e.harness.waiting import eventually

BuildFactory = Callable[..., Build]
LoginFactory = Callable[..., None]
_SECOND_PART: Final = re.compile("[.]eyJ")
_NO_TOKEN: Final = re.compile("[^A-Za-z0-9_-]")
_FIRST_PART: Final = 4096
PRINTS_LOGIN: Final = "e2e.buildandpush.dev/prints-login"
"""Label of namespaces in which a build prints its own login: the logs of its pods may hold it, and nothing else."""
ConnectorFactory = Callable[..., None]
Stopped = Callable[[str], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The dev cluster's settings; refuses any other cluster, since these tests break things."""
    found = read_settings()
    if not found.kubeconfig.exists():
        pytest.fail(f"there is no dev cluster at {found.state}; run `make up`", pytrace=False)
    servers = [item["cluster"]["server"] for item in yaml.safe_load(found.kubeconfig.read_text())["clusters"]]
    if servers != [found.api_url]:
        pytest.fail(f"{found.kubeconfig} is not the dev cluster's, it names {servers}", pytrace=False)
    return found


@pytest.fixture(scope="session")
def api(settings: Settings) -> Iterator[Api]:
    """The API server."""
    client = Api(settings)
    yield client
    client.close()


@pytest.fixture(scope="session")
def shell(settings: Settings) -> Shell:
    """kubectl, helm and the dev cluster's commands."""
    return Shell(settings)


@pytest.fixture(scope="session")
def registry(settings: Settings) -> Registry:
    """The registry, to look at what was pushed."""
    return Registry.of(settings)


@pytest.fixture(scope="session")
def azure(settings: Settings) -> Azure:
    """The emulated Azure."""
    return Azure.of(settings)


@pytest.fixture(scope="session")
def operator(api: Api, settings: Settings) -> OperatorPod:
    """The operator's pod."""
    return OperatorPod(api, kept=operator_logs(settings))


@pytest.fixture
def gate(settings: Settings) -> Iterator[Gate]:
    """A gate for a build's RUN line to wait at."""
    with Gate(settings.network.gateway) as opened:
        yield opened


@pytest.fixture
def namespace(request: pytest.FixtureRequest, api: Api, registry: Registry, azure: Azure) -> Iterator[str]:
    """A namespace of the test's own; afterwards nothing in it may hold a password or secret. E2E_KEEP=1 keeps it."""
    stem = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:36].strip("-")
    name = f"e2e-{stem}-{secrets.token_hex(3)}"
    printing = request.node.get_closest_marker("prints_login") is not None
    labels = {PRINTS_LOGIN: "true"} if printing else {}
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    # Pods are refused until the controller manager has made the account they run as.
    eventually(lambda: api.find("ServiceAccount", "default", name), f"service account of {name}", within=30)
    yield name
    leaks = find_leaks(api, registry, name, azure.list_secrets())
    if not os.environ.get("E2E_KEEP"):
        api.delete("Namespace", name)
    assert leaks == [], f"a password or secret stands in {leaks}"


@pytest.fixture
def make_login(api: Api, namespace: str, settings: Settings, registry: Registry) -> LoginFactory:
    """Make a Secret and the connector `acr`; arguments leave one out or make it wrong."""

    def make(*, secret: bool = True, connector: bool = True, **changes: Any) -> None:
        data = {"username": registry.user, "password": registry.password, **changes.pop("login", {})}
        if secret:
            api.apply(secret_manifest(namespace, {key: value for key, value in data.items() if value is not None}))
        if connector:
            api.apply(connector_manifest(namespace, settings, changes))

    return make


@pytest.fixture
def login(make_login: LoginFactory) -> None:
    """A connector `acr` that logs in to the registry."""
    make_login()


@pytest.fixture
def make_connector(api: Api, namespace: str, settings: Settings) -> ConnectorFactory:
    """Make a connector of an identity, with a Secret of its client secret unless another credential is given."""

    def make(identity: Identity, *hosts: str, name: str = "acr", secret: str | None = "", **changes: Any) -> None:
        if secret is not None:
            api.apply(client_secret_manifest(namespace, f"{name}-sp", secret or identity.secret))
        principal = {
            "tenantId": identity.tenant,
            "clientId": identity.client_id,
            "secretRef": {"name": f"{name}-sp"},
            **changes.pop("principal", {}),
        }
        spec = {
            "servicePrincipal": {key: value for key, value in principal.items() if value is not None},
            "registries": list(hosts),
            "caBundle": settings.ca_certificate.read_text(),
            **changes,
        }
        spec = {key: value for key, value in spec.items() if value not in (None, [])}
        metadata = {"name": name, "namespace": namespace}
        api.apply({"apiVersion": GROUP_VERSION, "kind": CONNECTOR, "metadata": metadata, "spec": spec})

    return make


@pytest.fixture
def make_build(api: Api, namespace: str) -> BuildFactory:
    """Create a resource; keyword arguments are fields of its spec."""
    names = (f"build-{number}" for number in itertools.count(1))

    def make(name: str = "", **spec: Any) -> Build:
        build = Build(api, namespace, name or next(names))
        api.create(build_manifest(namespace, build.name, spec))
        return build

    return make


@pytest.fixture
def stopped(shell: Shell) -> Stopped:
    """A component of the cluster that is stopped for the length of a `with`."""

    @contextmanager
    def stop(name: str) -> Iterator[None]:
        shell.devcluster("stop", name)
        try:
            yield
        finally:
            shell.devcluster("start", name)

    return stop


def operator_logs(settings: Settings) -> Path:
    """Where the logs of operators are kept that tests ended."""
    return settings.azure / "e2e-operator-logs"


def secret_manifest(namespace: str, login: Object) -> Object:
    """A Secret with a user name and password, or less."""
    metadata = {"name": "acr-push", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": login}


def client_secret_manifest(namespace: str, name: str, secret: str) -> Object:
    """A Secret with a client secret."""
    metadata = {"name": name, "namespace": namespace}
    data = {"clientSecret": secret}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": data}


def connector_manifest(namespace: str, settings: Settings, changes: Object) -> Object:
    """The connector `acr`, with other fields in its spec."""
    spec = {
        "registryCredentials": {"secretRef": {"name": "acr-push"}},
        "registries": [settings.registry_host],
        "caBundle": settings.ca_certificate.read_text(),
        **changes,
    }
    metadata = {"name": "acr", "namespace": namespace}
    return {"apiVersion": GROUP_VERSION, "kind": CONNECTOR, "metadata": metadata, "spec": spec}


def find_leaks(api: Api, registry: Registry, namespace: str | None, client_secrets: Sequence[str] = ()) -> list[str]:
    """Objects other than Secrets that hold the registry's password or a client secret in any spelling or anybody's
    token, and logs of pods that hold a client secret, which no build ever gets, or a token."""
    hidden = [*registry.secret_forms, *client_secrets]
    found = [
        f"{kind} {item['metadata']['name']}"
        for kind in ("Pod", "Event", "ConfigMap", BUILD, CONNECTOR)
        for item in api.list(kind, namespace)
        if _holds(json.dumps(item, ensure_ascii=False), hidden)
    ]
    printing = {item["metadata"]["name"] for item in api.list("Namespace", labels=f"{PRINTS_LOGIN}=true")}
    for pod in (item["metadata"] for item in api.list("Pod", namespace)):
        text = "".join(api.log(pod["namespace"], pod["name"], container) for container in ("source", "kaniko"))
        if _holds(text, client_secrets, tokens=pod["namespace"] not in printing):
            found.append(f"log of {pod['name']}")
    return found


def holds_token(text: str) -> bool:
    """Whether a JSON Web Token stands in a text: two parts that begin with eyJ. Logs of any length and content are
    searched, so each dot is looked at once."""
    before = (text[max(found.start() - _FIRST_PART, 0) : found.start()] for found in _SECOND_PART.finditer(text))
    return any("eyJ" in _NO_TOKEN.split(words)[-1][:-10] for words in before)


def _holds(text: str, forms: Sequence[str], *, tokens: bool = True) -> bool:
    return any(form in text for form in forms) or (tokens and holds_token(text))
