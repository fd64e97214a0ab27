"""What goes wrong with logins is told in Azure's own words before there is a pod, and heals by itself."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.harness.api import CONNECTOR, Api
from tests.e2e.harness.azure import BASE_HOST, OTHER_TENANT, SUBSCRIPTION, Azure
from tests.e2e.harness.build import FROM, inline
from tests.e2e.harness.fixtures import BuildFactory, ConnectorFactory, client_secret_manifest
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.waiting import eventually
from tests.e2e.test_azure_logins import connector_status, login_config, wait_connector

pytestmark = pytest.mark.e2e

NOBODY = "00000000-0000-4000-8000-000000000000"
WRONG = "~wrong-but-long-enough-to-be-one"
EXPIRED = "2025-01-01T00:00:00Z"


def not_found(code: str) -> dict[str, Any]:
    """A registry's answer for what it does not hold, with its error code."""
    body = json.dumps({"errors": [{"code": code}]})
    return {"status": 404, "body": body, "headers": {"Content-Type": "application/json"}}


@pytest.mark.parametrize(
    ("number", "remedy", "connector", "principal"),
    [
        ("AADSTS7000215", "not its id", {"secret": WRONG}, {}),
        ("AADSTS7000222", "new client secret", {}, {"secrets": "expired"}),
        ("AADSTS90002", "tenantId", {"principal": {"tenantId": "nobody.onmicrosoft.com"}}, {}),
        ("AADSTS700016", "clientId", {"principal": {"clientId": NOBODY}}, {}),
        ("AADSTS700016", "another tenant", {"principal": {"tenantId": OTHER_TENANT}}, {}),
        ("AADSTS7000112", "enable", {}, {"enabled": False}),
    ],
)
def test_a_refused_login_is_told_with_its_number_and_remedy_before_any_pod(  # noqa: PLR0917
    azure: Azure,
    make_connector: ConnectorFactory,
    make_build: BuildFactory,
    api: Api,
    namespace: str,
    number: str,
    remedy: str,
    connector: dict[str, Any],
    principal: dict[str, Any],
) -> None:
    azure.remember(WRONG)
    host = azure.make_registry()
    identity = azure.make_identity(("AcrPush", host))
    if principal:
        expired = [{"value": identity.secret, "expiresAt": EXPIRED}]
        azure.set_identity(identity, **{**principal, **({"secrets": expired} if "secrets" in principal else {})})
    make_connector(identity, host, **connector)
    build = make_build(repository=f"{host}/shop/web")
    waiting = build.wait_reason("LoginFailed")
    messages = {waiting.condition("Ready")["message"], wait_connector(api, namespace, "False", "LoginFailed")}
    for message in messages:
        assert number in message
        assert remedy.lower() in message.lower()
        assert "Trace ID" not in message
    assert connector_status(api, namespace)["conditions"][-1]["type"] == "Stalled"
    assert build.pods() == []
    assert azure.count(kind="exchange", host=host) == 0


def test_a_wrong_secret_heals_once_it_is_corrected(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, api: Api, namespace: str
) -> None:
    azure.remember(WRONG)
    host = azure.make_registry()
    identity = azure.make_identity(("AcrPush", host))
    make_connector(identity, host, BASE_HOST, secret=WRONG)
    build = make_build(repository=f"{host}/shop/web")
    build.wait_reason("LoginFailed")
    api.apply(client_secret_manifest(namespace, "acr-sp", identity.secret))
    assert build.wait_succeeded(within=60).run["number"] == 1


def test_an_identity_without_the_right_to_push_is_known_before_the_pod(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry()
    identity = azure.make_identity(("AcrPull", host))
    make_connector(identity, host, BASE_HOST)
    build = make_build(repository=f"{host}/shop/web")
    waiting = build.wait_reason("PushNotAllowed")
    assert "AcrPush" in waiting.condition("Ready")["message"]
    assert build.pods() == []
    azure.set_identity(identity, ("AcrPush", host))
    build.wait_succeeded(within=90)


@pytest.mark.parametrize(
    ("path", "action", "reason"),
    [
        ("/oauth2/exchange", {"status": 401, "body": '{"errors":[{"code":"UNAUTHORIZED"}]}'}, "ExchangeRefused"),
        ("/oauth2/exchange", {"status": 403, "body": '{"errors":[{"code":"DENIED"}]}'}, "RegistryNetworkDenied"),
        ("/oauth2/exchange", {"status": 404}, "ExchangeRefused"),
        ("/oauth2/exchange", {"status": 302, "headers": {"Location": "https://x.evil.test/"}}, "ExchangeRefused"),
        ("/oauth2/exchange", {"status": 200, "body": "<html>sign in</html>"}, "RegistryUnreachable"),
        ("/oauth2/exchange", {"status": 200, "body": "{}"}, "RegistryUnreachable"),
        ("/oauth2/exchange", {"status": 500}, "RegistryUnreachable"),
        ("/oauth2/exchange", {"drop": True}, "RegistryUnreachable"),
        ("/oauth2/exchange", {"status": 200, "body": "{" + "x" * 500, "truncateBytes": 20}, "RegistryUnreachable"),
        ("/oauth2/exchange", {"expired": True}, "RegistryUnreachable"),
        ("/oauth2/token", {"status": 404}, "ExchangeRefused"),
        ("/oauth2/token", {"status": 302, "headers": {"Location": "https://x.evil.test/"}}, "ExchangeRefused"),
        ("/oauth2/token", {"status": 429, "headers": {"Retry-After": "1"}}, "RegistryUnreachable"),
    ],
)
def test_a_registrys_refusal_of_a_login_is_told_and_heals(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, path: str, action: Any, reason: str
) -> None:
    host = azure.make_registry()
    with azure.fault(action, host=host, path=path, method="POST"):
        # Not before: the connector logs in as soon as it is there.
        make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
        build = make_build(repository=f"{host}/shop/web")
        waiting = build.wait_reason(reason)
        assert host in waiting.condition("Ready")["message"]
        assert build.pods() == []
    build.wait_succeeded(within=120)
    assert azure.count(host="x.evil.test") == 0


@pytest.mark.parametrize(
    "action",
    [
        {"status": 429, "headers": {"Retry-After": "1"}, "body": '{"error":"temporarily_unavailable"}'},
        {"status": 503, "body": "<html>down</html>"},
        {"drop": True},
        {"status": 200, "body": "<html>a proxy's page</html>", "headers": {"Content-Type": "text/html"}},
        {"status": 200, "body": "{", "headers": {"Content-Type": "application/json"}},
    ],
)
def test_entra_id_that_does_not_answer_well_is_waited_for(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, api: Api, namespace: str, action: Any
) -> None:
    tenant = azure.make_tenant()
    host = azure.make_registry(tenant=tenant)
    make_connector(azure.make_identity(), BASE_HOST, name="base")
    with azure.fault(action, host="login.microsoftonline.com", path=f"/{tenant}/oauth2/v2.0/token"):
        make_connector(azure.make_identity(("AcrPush", host), tenant=tenant), host)
        build = make_build(repository=f"{host}/shop/web", baseImageConnectorRefs=["base"])
        build.wait_reason("LoginUnavailable")
        wait_connector(api, namespace, "False", "LoginUnavailable")
        kinds = {item["type"] for item in connector_status(api, namespace)["conditions"]}
        assert "Reconciling" in kinds
        assert "Stalled" not in kinds
        assert build.pods() == []
    build.wait_succeeded(within=120)


@pytest.mark.long
@pytest.mark.parametrize(
    ("at_entra", "seconds", "reason"), [(True, 40, "LoginUnavailable"), (False, 30, "RegistryUnreachable")]
)
def test_an_answer_that_is_too_slow_is_waited_for(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, at_entra: bool, seconds: int, reason: str
) -> None:
    """Entra ID is waited for half a minute, a registry twenty seconds."""
    tenant = azure.make_tenant()
    host = azure.make_registry(tenant=tenant)
    make_connector(azure.make_identity(), BASE_HOST, name="base")
    match = {"host": host, "path": "/oauth2/exchange"}
    if at_entra:
        match = {"host": "login.microsoftonline.com", "path": f"/{tenant}/oauth2/v2.0/token"}
    with azure.fault({"delaySeconds": seconds}, **match):
        make_connector(azure.make_identity(("AcrPush", host), tenant=tenant), host)
        build = make_build(repository=f"{host}/shop/web", baseImageConnectorRefs=["base"])
        accepted = build.wait_reason("Accepted")
        assert (accepted.status["observedGeneration"], accepted.status["phase"]) == (1, "Pending")
        build.wait_reason(reason, within=75)
        assert build.pods() == []
    build.wait_succeeded(within=150)


def test_a_role_that_is_granted_later_is_seen_though_other_builds_have_a_login(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry(abac=True)
    identity = azure.make_identity(("RepositoryWriter", host, "shop/*"))
    make_connector(identity, host, BASE_HOST)
    make_build(repository=f"{host}/shop/web").wait_succeeded()
    other = make_build(repository=f"{host}/bank/web")
    other.wait_reason("PushNotAllowed")
    azure.set_identity(identity, ("RepositoryWriter", host, "*"))
    other.wait_succeeded(within=90)
    assert azure.count(kind="exchange", host=host) >= 2


@pytest.mark.long
def test_a_build_longer_than_its_login_still_pushes(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, gate: Gate, api: Api, namespace: str
) -> None:
    """The registry's tokens live three minutes; the operator renews at half their life, the kubelet brings it in."""
    host = azure.make_registry(refreshTokenSeconds=180, accessTokenSeconds=60)
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    build = make_build(repository=f"{host}/shop/web", source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    first = login_config(api, namespace, build)[host]
    ended = datetime.now(UTC) + timedelta(seconds=185)
    eventually(lambda: datetime.now(UTC) > ended, "the end of the first login", within=240)
    assert login_config(api, namespace, build)[host] != first
    gate.open()
    build.wait_succeeded(within=60)
    assert 2 <= azure.count(kind="exchange", host=host) <= 4


def test_a_connector_deleted_while_a_build_runs_ends_nothing(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, gate: Gate, api: Api, namespace: str
) -> None:
    host = azure.make_registry()
    identity = azure.make_identity(("AcrPush", host))
    make_connector(identity, host, BASE_HOST)
    build = make_build(repository=f"{host}/shop/web", source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    api.delete(CONNECTOR, "acr", namespace)
    waiting = make_build(repository=f"{host}/shop/api")
    waiting.wait_reason("ConnectorMissing")
    gate.open()
    # The image is pushed, and nobody can ask for it: that is waited for, too.
    assert build.wait_reason("ConnectorMissing").status["phase"] == "Running"
    build.wait(lambda now: now.build["reason"] == "ConnectorMissing", "a pushed image waits for its connector")
    make_connector(identity, host, BASE_HOST)
    assert build.wait_succeeded().told("Verified") == ("True", "Verified")
    waiting.wait_succeeded()


def test_a_secret_of_the_logins_name_that_is_somebody_elses_is_left_alone(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, api: Api, namespace: str
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    make_build(repository=f"{host}/shop/web").wait_succeeded()
    names = [item["metadata"]["name"] for item in api.list("Secret", namespace)]
    (name,) = [name for name in names if name.startswith("buildandpush-login-")]
    api.delete("Secret", name, namespace)
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}
    before = api.create({**theirs, "stringData": {"theirs": "x"}})
    build = make_build(repository=f"{host}/shop/web", tags=["2"])
    assert name in build.wait_reason("NameCollision").condition("Ready")["message"]
    assert api.get("Secret", name, namespace)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    api.delete("Secret", name, namespace)
    build.wait_succeeded()


def test_a_secret_rotated_between_two_builds_is_used(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, api: Api, namespace: str
) -> None:
    host = azure.make_registry()
    identity = azure.make_identity(("AcrPush", host))
    make_connector(identity, host, BASE_HOST)
    make_build(repository=f"{host}/shop/web").wait_succeeded()
    second = f"{identity.secret}-second"
    azure.remember(second)
    azure.set_identity(identity, ("AcrPush", host), secrets=[{"value": second}])
    api.apply(client_secret_manifest(namespace, "acr-sp", second))
    make_build(repository=f"{host}/shop/web", tags=["2"]).wait_succeeded()
    assert azure.count(kind="exchange", host=host) == 2


def test_no_login_and_no_request_goes_to_a_look_alike_host(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, api: Api, namespace: str
) -> None:
    host = azure.make_registry()
    stem = host.split(".", 1)[0]
    evil = f"{stem}.azurecr.io.evil.test"
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    as_repository = make_build(repository=f"{evil}/shop/web")
    as_repository.wait_reason("ConnectorInvalid")
    assert as_repository.pods() == []
    assert azure.count(host=evil) == 0
    as_base = make_build(repository=f"{host}/shop/web", source=inline(f"FROM {evil}/base/busybox:1.36\n"), retries=0)
    as_base.wait_end(within=90)
    assert evil not in login_config(api, namespace, as_base)
    assert not [entry for entry in azure.requests(host=evil) if entry["principal"]]


def test_an_image_that_arrives_late_is_waited_for(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    azure.add_fault(not_found("MANIFEST_UNKNOWN"), times=4, host=host, path="/(acr|v2)/.*manifests/.*", method="GET")
    ended = make_build(repository=f"{host}/shop/web").wait_succeeded()
    assert ended.told("Verified") == ("True", "Verified")


@pytest.mark.parametrize("action", [{"status": 429}, {"status": 500}, {"drop": True}])
def test_a_moments_trouble_at_the_read_back_leaves_nothing_unverified(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, action: Any
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    azure.add_fault(action, times=2, host=host, path="/acr/v1/.*")
    ended = make_build(repository=f"{host}/shop/web").wait_succeeded()
    assert ended.told("Verified") == ("True", "Verified")


def test_a_tag_that_somebody_else_moves_before_the_read_back_is_told_with_both_digests(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    repository = f"{host}/shop/web"
    theirs = make_build(repository=repository, tags=["theirs"]).wait_succeeded().status["digest"]
    azure.add_fault({"tagDigest": theirs}, host=host, path="/v2/.*/manifests/latest", method="GET")
    build = make_build(repository=repository, source=inline(f"{FROM}RUN echo mine > /mine\n"))
    ended = build.wait_succeeded()
    mine = ended.status["digest"]
    assert mine != theirs
    assert ended.told("Ready") == ("True", "Succeeded")
    assert ended.told("Verified") == ("False", "TagMoved")
    assert mine in ended.condition("Verified")["message"]
    assert theirs in ended.condition("Verified")["message"]


def test_a_digest_that_is_gone_after_a_good_end_fails_the_run(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    azure.add_fault(not_found("MANIFEST_UNKNOWN"), host=host, path="/v2/.*/manifests/.*", method="GET")
    ended = make_build(repository=f"{host}/shop/web").wait_failed("DigestNotInRegistry")
    assert ended.told("Verified") == ("False", "DigestNotInRegistry")
    assert "digest" not in ended.status


@pytest.mark.parametrize("action", [{"status": 403, "body": "denied by the firewall"}, {"status": 500}, {"drop": True}])
def test_a_registry_whose_metadata_cannot_be_read_leaves_the_build_good(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, action: Any
) -> None:
    """The registry API confirms the digest as well."""
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    azure.add_fault(action, host=host, path="/acr/v1/.*")
    ended = make_build(repository=f"{host}/shop/web").wait_succeeded()
    assert ended.told("Verified") == ("True", "Verified")


@pytest.mark.parametrize(
    ("roles", "subscription", "reason", "words"),
    [
        ((), SUBSCRIPTION, "RegistryNotListed", "role Reader"),
        ((), "Contoso Builds", "SubscriptionNotFound", "role Reader"),
        (("Reader",), "No Such Name", "SubscriptionNotFound", "No Such Name"),
        (("Reader",), "22222222-2222-4222-8222-999999999999", "RegistryNotListed", "could not be found"),
    ],
)
def test_links_that_cannot_be_made_say_which_role_is_missing_and_cost_no_build(
    azure: Azure,
    make_connector: ConnectorFactory,
    make_build: BuildFactory,
    roles: tuple[str, ...],
    subscription: str,
    reason: str,
    words: str,
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host), *((role, host) for role in roles)), host, BASE_HOST)
    ended = make_build(repository=f"{host}/shop/web", subscriptionId=subscription).wait_succeeded()
    assert ended.told("LinksResolved") == ("False", reason)
    assert words in ended.condition("LinksResolved")["message"]
    assert "portalUrl" not in ended.status["artifacts"][0]
    assert ended.status["links"]["pullCommand"].startswith(f"docker pull {host}/shop/web@sha256:")


def test_the_verify_annotation_checks_the_login_at_once(
    azure: Azure, make_connector: ConnectorFactory, api: Api, namespace: str
) -> None:
    host = azure.make_registry()
    identity = azure.make_identity(("AcrPush", host))
    make_connector(identity, host)
    wait_connector(api, namespace, "True", "LoggedIn")
    azure.set_identity(identity, enabled=False)
    api.patch(CONNECTOR, "acr", namespace, {"metadata": {"annotations": {"buildandpush.dev/verify": "now"}}})
    wait_connector(api, namespace, "False", "LoginFailed", within=10)
    assert connector_status(api, namespace)["handledVerify"] == "now"


def test_of_several_tags_it_is_told_which_are_out_where_the_registry_refuses_one(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    """A locked tag, as ACR refuses it. kaniko pushes one tag after the other."""
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    locked = {"errors": [{"code": "UNSUPPORTED", "message": "The operation is unsupported: the tag is locked"}]}
    refused = {"status": 405, "headers": {"Content-Type": "application/json"}, "body": json.dumps(locked)}
    azure.add_fault(refused, host=host, path="/v2/.*/manifests/v2", method="PUT")
    build = make_build(repository=f"{host}/shop/web", tags=["v1", "v2", "v3"])
    message = build.wait_failed("PushFailed").build["message"]
    wanted = ("UNSUPPORTED", "Pushed by this run: v1.", "Not in the registry: v2, v3.")
    assert [words for words in wanted if words not in message] == [], message
