"""The emulated Azure answers the operator's clients, with Azure's own SDKs in them, as Azure does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
import pytest_asyncio

from buildandpush.api.reasons import Reason
from buildandpush.clients.azure.resource_manager import ResourceManager
from buildandpush.core.azure.cloud import REGISTRY_AUDIENCE
from buildandpush.core.azure.credential import ClientCertificate, ClientSecret, Credential
from buildandpush.core.azure.errors import LoginError
from buildandpush.core.azure.token import PULL_ALL, has_repository_roles, scope_of
from buildandpush.core.build.questions import AskLinks
from buildandpush.core.settings import PortalSettings
from tests.unit.devcluster.azure.azure_world import (
    ABAC,
    APP,
    BY_SECRET,
    CUSTOM_TENANT,
    FEDERATED,
    HOST,
    MANY,
    NOBODY,
    OTHER_TENANT,
    SECRET,
    SUBSCRIPTION,
    TENANT,
    Running,
    connector,
    fault,
    log_in,
    make_certificate,
    resolved,
    run_azure,
)


@pytest.fixture(scope="module")
def certificate() -> tuple[str, str]:
    return make_certificate()


@pytest_asyncio.fixture
async def running(tmp_path: Path, certificate: tuple[str, str]) -> AsyncIterator[Running]:
    async with run_azure(tmp_path, certificate) as found:
        yield found


def claims(token: str) -> dict[str, Any]:
    """What a token says, whoever signed it."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


async def refused(at: Running, credential: Credential) -> str:
    with pytest.raises(LoginError) as caught:
        await log_in(at, credential)
    return caught.value.problem.message


class TestEntra:
    async def test_every_kind_of_credential_gives_a_token_for_the_registries_alone(self, running: Running) -> None:
        pem = "".join(running.certificate).encode()
        for credential in (BY_SECRET, ClientCertificate(TENANT, APP, pem), FEDERATED):
            found = claims(await log_in(running, credential))
            assert (found["aud"], found["appid"], found["tid"]) == (REGISTRY_AUDIENCE, APP, TENANT)

    async def test_a_tenant_is_known_by_its_domain_too(self, running: Running) -> None:
        by_domain = ClientSecret("contoso.onmicrosoft.com", APP, SECRET)
        assert claims(await log_in(running, by_domain))["tid"] == TENANT

    @pytest.mark.parametrize(
        ("credential", "number"),
        [
            (ClientSecret(TENANT, APP, "wrong"), "AADSTS7000215"),
            (ClientSecret(TENANT, APP, "old"), "AADSTS7000222"),
            (ClientSecret("contoso.example", APP, SECRET), "AADSTS90002"),
            (ClientSecret(OTHER_TENANT, APP, SECRET), "AADSTS700016"),
            (ClientSecret(TENANT, APP[:-1] + "8", SECRET), "AADSTS700016"),
        ],
    )
    async def test_what_is_wrong_is_told_by_entras_number(
        self, running: Running, credential: Credential, number: str
    ) -> None:
        assert number in await refused(running, credential)

    async def test_a_certificate_that_is_not_registered_is_refused(self, running: Running) -> None:
        other = "".join(make_certificate()).encode()
        assert "AADSTS700027" in await refused(running, ClientCertificate(TENANT, APP, other))

    @pytest.mark.parametrize(
        ("change", "number"),
        [
            ({"subject": "system:serviceaccount:other:x"}, "AADSTS700213"),
            ({"issuer": "https://other.example"}, "AADSTS700211"),
        ],
    )
    async def test_a_federation_trusts_one_issuer_and_subject(
        self, running: Running, change: dict[str, str], number: str
    ) -> None:
        for name, value in change.items():
            setattr(running.accounts, name, value)
        assert number in await refused(running, FEDERATED)

    async def test_an_assertion_that_somebody_else_signed_is_refused(self, running: Running) -> None:
        running.accounts.key = make_certificate()[1]
        assert "AADSTS50027" in await refused(running, FEDERATED)

    async def test_another_clouds_authority_does_not_know_the_tenant(self, running: Running) -> None:
        of = connector(cloud="AzureUSGovernment", workloadIdentity={"tenantId": TENANT, "clientId": APP})
        with pytest.raises(LoginError) as caught:
            await running.entra.fetch_token(resolved(BY_SECRET, of), REGISTRY_AUDIENCE)
        assert "AADSTS90002" in caught.value.problem.message
        assert "login.microsoftonline.com" not in running.resolver.asked

    @pytest.mark.parametrize(
        ("action", "temporary"),
        [
            ({"status": 429, "headers": {"Retry-After": "1"}, "body": "{}"}, True),
            ({"status": 500, "body": "{}"}, True),
            ({"status": 502, "headers": {"Content-Type": "text/html"}, "body": "<html>proxy</html>"}, True),
            ({"drop": True}, True),
            ({"status": 200, "body": '{"access_token": "x"}', "truncateBytes": 5}, True),
        ],
    )
    async def test_what_is_wrong_for_now_may_be_tried_again(
        self, running: Running, action: dict[str, Any], temporary: bool
    ) -> None:
        await fault(running, match={"path": f"/{TENANT}/oauth2/v2.0/token"}, action=action)
        with pytest.raises(LoginError) as caught:
            await log_in(running)
        assert caught.value.problem.temporary is temporary
        assert SECRET not in caught.value.problem.message


class TestExchange:
    async def test_an_entra_token_becomes_the_registrys_own_for_three_hours(self, running: Running) -> None:
        refresh = await running.acr.exchange(HOST, TENANT, await log_in(running))
        found = claims(refresh)
        assert (found["aud"], found["grant_type"], found["exp"] - found["iat"]) == (HOST, "refresh_token", 3 * 3600)

    async def test_a_token_of_another_audience_is_taken_where_the_registry_says_so(self, running: Running) -> None:
        manager = await log_in(running, audience="https://management.azure.com")
        assert await running.acr.exchange(MANY[0], TENANT, manager)
        with pytest.raises(LoginError) as caught:
            await running.acr.exchange(HOST, TENANT, manager)
        assert caught.value.problem.reason is Reason.EXCHANGE_REFUSED

    async def test_a_registry_of_another_tenant_refuses(self, running: Running) -> None:
        with pytest.raises(LoginError):
            await running.acr.exchange("fabrikam.azurecr.io", TENANT, await log_in(running))

    async def test_rights_are_of_a_repository_and_action(self, running: Running) -> None:
        async def actions(host: str, repository: str, credential: Credential = BY_SECRET) -> list[str]:
            refresh = await running.acr.exchange(host, TENANT, await log_in(running, credential))
            scope = f"repository:{repository}:pull,push,delete"
            token = await running.acr.fetch_access_token(host, refresh, [scope])
            return sorted(claims(token)["access"][0]["actions"])

        assert await actions(HOST, "shop/web") == ["pull", "push"]
        assert await actions(ABAC, "shop/web") == ["delete", "pull", "push"][1:]
        for host, repository, credential in (
            (ABAC, "other/web", BY_SECRET),
            (HOST, "shop/web", ClientSecret(TENANT, NOBODY, SECRET)),
        ):
            with pytest.raises(LoginError):
                await actions(host, repository, credential)

    async def test_a_token_may_pull_from_all_repositories_and_push_to_one(self, running: Running) -> None:
        refresh = await running.acr.exchange(HOST, TENANT, await log_in(running))
        token = await running.acr.fetch_access_token(HOST, refresh, [scope_of("shop/web"), PULL_ALL])

        async def is_let_in(method: str, path: str) -> bool:
            url, headers = f"https://{HOST}/v2/{path}", {"Authorization": f"Bearer {token}"}
            async with (await running.outside.session()).request(method, url, headers=headers) as answer:
                return answer.status != 401  # there are no images behind this registry

        assert await is_let_in("GET", "shop/web/manifests/latest")
        assert await is_let_in("GET", "base/image/manifests/latest")
        assert await is_let_in("POST", "shop/web/blobs/uploads/")
        assert not await is_let_in("POST", "base/image/blobs/uploads/")

    async def test_roles_for_repositories_give_no_token_for_all_of_them(self, running: Running) -> None:
        """https://github.com/Azure/acr-cli/issues/501"""
        refresh = await running.acr.exchange(ABAC, TENANT, await log_in(running))
        assert has_repository_roles(refresh)
        assert not has_repository_roles(await running.acr.exchange(HOST, TENANT, await log_in(running)))
        with pytest.raises(LoginError):
            await running.acr.fetch_access_token(ABAC, refresh, [scope_of("shop/web"), PULL_ALL])
        assert await running.acr.fetch_access_token(ABAC, refresh, [scope_of("shop/web")])

    async def test_a_token_that_has_ended_is_worth_nothing(self, running: Running) -> None:
        await fault(running, match={"path": "/oauth2/exchange"}, action={"expired": True}, times=1)
        refresh = await running.acr.exchange(HOST, TENANT, await log_in(running))
        assert claims(refresh)["exp"] < datetime.now(UTC).timestamp()
        with pytest.raises(LoginError):
            await running.acr.fetch_access_token(HOST, refresh, ["repository:shop/web:pull"])

    @pytest.mark.parametrize(
        ("action", "words"),
        [
            ({"status": 403, "body": '{"errors": [{"code": "DENIED", "message": "firewall"}]}'}, "firewall"),
            ({"status": 200, "body": "<html>sign in to the network</html>"}, "not a registry's"),
            ({"status": 200, "body": "{}"}, "no refresh_token"),
            ({"status": 307, "headers": {"Location": "https://evil.test/oauth2/exchange"}}, "307"),
        ],
    )
    async def test_an_answer_that_is_none_is_told_and_no_redirect_followed(
        self, running: Running, action: dict[str, Any], words: str
    ) -> None:
        token = await log_in(running)
        await fault(running, match={"host": HOST}, action=action)
        with pytest.raises(LoginError) as caught:
            await running.acr.exchange(HOST, TENANT, token)
        assert words in caught.value.problem.message
        assert "evil.test" not in running.resolver.asked

    async def test_a_slow_answer_is_only_slow(self, running: Running) -> None:
        await fault(running, match={"host": HOST}, action={"delaySeconds": 0.2}, times=1)
        assert await running.acr.exchange(HOST, TENANT, await log_in(running))


class TestManager:
    def links(self, at: Running) -> ResourceManager:
        return ResourceManager(at.outside, at.entra, PortalSettings(), lambda: datetime.now(UTC))

    async def test_a_registry_is_found_by_its_login_server_on_any_page(self, running: Running) -> None:
        """The emulator's pages hold two."""
        manager = self.links(running)
        for subscription in (SUBSCRIPTION, "contoso builds"):
            question = AskLinks(f"{MANY[4]}/shop/web", ("v1",), "acr", subscription)
            found = await manager.find_links(resolved(BY_SECRET), question)
            assert found.reason is Reason.LINKS_RESOLVED, found
            assert "many4" in found.tags[0][1]
        asked = running.azure.log.find({"kind": "manager"})
        assert len([item for item in asked if item["path"].endswith("/registries")]) == 2 * 4

    async def test_what_was_found_for_a_connector_that_is_gone_is_looked_for_again(self, running: Running) -> None:
        manager = self.links(running)
        question = AskLinks(f"{HOST}/shop/web", ("v1",), "acr", SUBSCRIPTION)

        async def asked() -> int:
            await manager.find_links(resolved(BY_SECRET), question)
            return len(running.azure.log.find({"kind": "manager"}))

        first = await asked()
        assert await asked() == first
        manager.forget("somebody")
        assert await asked() == first
        manager.forget(connector().uid)
        assert await asked() == 2 * first

    async def test_who_may_read_nothing_is_told_so(self, running: Running) -> None:
        nobody = resolved(ClientSecret(TENANT, NOBODY, SECRET))
        question = AskLinks(f"{HOST}/shop/web", ("v1",), "acr", SUBSCRIPTION)
        found = await self.links(running).find_links(nobody, question)
        assert found.reason is Reason.REGISTRY_NOT_LISTED
        by_name = AskLinks(f"{HOST}/shop/web", ("v1",), "acr", "Contoso Builds")
        found = await self.links(running).find_links(nobody, by_name)
        assert found.reason is Reason.SUBSCRIPTION_NOT_FOUND

    async def test_a_manager_that_is_away_costs_the_links_and_no_more(self, running: Running) -> None:
        await fault(running, match={"host": "management.azure.com"}, action={"status": 503, "body": "busy"})
        question = AskLinks(f"{HOST}/shop/web", ("v1",), "acr", SUBSCRIPTION)
        found = await self.links(running).find_links(resolved(BY_SECRET), question)
        assert found.reason is Reason.LINKS_UNAVAILABLE

    async def test_a_pause_that_the_manager_asks_for_is_kept(self, running: Running) -> None:
        action = {"status": 429, "headers": {"Retry-After": "120"}, "body": "{}"}
        await fault(running, match={"host": "management.azure.com"}, action=action, times=1)
        manager, question = self.links(running), AskLinks(f"{HOST}/shop/web", ("v1",), "acr", SUBSCRIPTION)
        first = await manager.find_links(resolved(BY_SECRET), question)
        assert first.reason is Reason.LINKS_UNAVAILABLE
        assert await manager.find_links(resolved(BY_SECRET), question) == first
        of = connector(workloadIdentity={"tenantId": TENANT, "clientId": APP})
        assert (await manager.find_links(resolved(FEDERATED, of), question)).reason is Reason.LINKS_RESOLVED

    async def test_a_cloud_of_ones_own_is_asked_at_its_own_hosts_only(self, running: Running) -> None:
        custom = {
            "authorityHost": "https://login.microsoftonline.us",
            "resourceManagerEndpoint": "https://management.azure.com",
            "portalUrl": "https://portal.example.com",
        }
        principal = {"tenantId": CUSTOM_TENANT, "clientId": APP, "secretRef": {"name": "s"}}
        of = connector(servicePrincipal=principal, cloud="Custom", customCloud=custom)
        question = AskLinks("own.azurecr.us/shop/web", ("v1",), "acr", "Own")
        credential = resolved(ClientSecret(CUSTOM_TENANT, APP, SECRET), of)
        found = await self.links(running).find_links(credential, question)
        assert found.reason is Reason.LINKS_RESOLVED, found
        assert found.tags[0][1].startswith("https://portal.example.com/")
        token = await running.entra.fetch_token(credential, REGISTRY_AUDIENCE)
        assert claims(await running.acr.exchange("own.azurecr.us", CUSTOM_TENANT, token))["aud"] == "own.azurecr.us"
        assert running.resolver.asked == {"login.microsoftonline.us", "management.azure.com", "own.azurecr.us"}


class TestControl:
    async def test_the_world_grows_at_run_time_and_refuses_nonsense(self, running: Running) -> None:
        new = {"registries": [{"host": "new.azurecr.io", "tenant": TENANT, "subscription": SUBSCRIPTION}]}
        async with aiohttp.ClientSession() as session:
            for body, status in ((new, 200), ({"registries": [{"host": "x"}]}, 400), ({"nonsense": []}, 400)):
                async with session.post(f"{running.control}/world", json=body) as answer:
                    assert answer.status == status
        assert await running.acr.exchange("new.azurecr.io", TENANT, await log_in(running))

    async def test_a_fault_is_used_up_taken_back_and_counted(self, running: Running) -> None:
        await fault(running, match={"host": HOST}, action={"status": 500}, times=1)
        token = await log_in(running)
        with pytest.raises(LoginError):
            await running.acr.exchange(HOST, TENANT, token)
        assert await running.acr.exchange(HOST, TENANT, token)
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{running.control}/faults", json={"action": {"status": 500}}) as answer:
                number = (await answer.json())["id"]
            async with session.delete(f"{running.control}/faults/{number}"):
                pass
            async with session.get(f"{running.control}/requests", params={"kind": "exchange"}) as answer:
                asked = (await answer.json())["requests"]
        assert [(item["status"], item["fault"], item["principal"]) for item in asked] == [
            (500, True, ""),
            (200, False, APP),
        ]
        assert await running.acr.exchange(HOST, TENANT, token)

    @pytest.mark.parametrize(("agent", "met"), [("Python/.*", True), ("Python", False), ("kaniko/.*", False)])
    async def test_a_fault_meets_one_client_and_not_another(self, agent: str, met: bool, running: Running) -> None:
        await fault(running, match={"host": HOST, "agent": agent}, action={"status": 500})
        token = await log_in(running)
        if met:
            with pytest.raises(LoginError):
                await running.acr.exchange(HOST, TENANT, token)
        else:
            assert await running.acr.exchange(HOST, TENANT, token)

    async def test_what_is_asked_side_by_side_is_answered(self, running: Running) -> None:
        token = await log_in(running)
        found = await asyncio.gather(*(running.acr.exchange(host, TENANT, token) for host in MANY))
        assert [claims(item)["aud"] for item in found] == MANY
