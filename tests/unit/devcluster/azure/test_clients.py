"""Entra ID and the node's identity endpoint, where they answer oddly: told as what it is, and without a secret."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization

from buildandpush.api.reasons import Reason
from buildandpush.clients.azure.entra import ASSERTION_SECONDS, EntraClient
from buildandpush.clients.outside import Outside
from buildandpush.core.azure.cloud import REGISTRY_AUDIENCE
from buildandpush.core.azure.credential import ClientCertificate, ClientSecret, Credential, NodeIdentity
from buildandpush.core.azure.errors import LoginError, LoginProblem
from tests.pinned import LOOPBACK
from tests.unit.devcluster.azure.azure_world import (
    APP,
    BY_SECRET,
    FEDERATED,
    HOST,
    SECRET,
    TENANT,
    Running,
    connector,
    count,
    fault,
    log_in,
    make_certificate,
    resolved,
    run_azure,
)

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}


@pytest.fixture(scope="module")
def certificate() -> tuple[str, str]:
    return make_certificate()


@pytest_asyncio.fixture
async def running(tmp_path: Path, certificate: tuple[str, str]) -> AsyncIterator[Running]:
    async with run_azure(tmp_path, certificate) as found:
        yield found


async def refused(at: Running, credential: Credential) -> LoginProblem:
    with pytest.raises(LoginError) as caught:
        await log_in(at, credential)
    return caught.value.problem


class TestEntra:
    @pytest.mark.parametrize(
        "action",
        [
            {"status": 200, "headers": JSON, "body": "{"},
            {"status": 200, "headers": JSON, "body": "[" * 60_000},
            {"status": 200, "headers": JSON, "body": "null"},
            {"status": 200, "headers": JSON, "body": "[]"},
            {"status": 200, "headers": JSON, "body": "{}"},
            {"status": 200, "headers": JSON, "body": '{"access_token": "x", "expires_in": "soon"}'},
            {"status": 200, "headers": JSON, "body": '{"access_token": "x", "expires_in": [5]}'},
            {"status": 200, "headers": JSON, "body": '{"expires_in": 5}'},
            {"status": 200, "headers": HTML, "body": "<html>error</html>"},
            {"status": 302, "headers": {"Location": "https://evil.test/"}},
            {"status": 502, "headers": JSON, "body": "{"},
        ],
    )
    async def test_an_answer_that_is_not_entra_ids_is_waited_out(self, running: Running, action: Any) -> None:
        await fault(running, match={"path": f"/{TENANT}/oauth2/v2.0/token"}, action=action)
        problem = await refused(running, BY_SECRET)
        assert (problem.reason, problem.temporary) == (Reason.LOGIN_UNAVAILABLE, True), problem
        assert "evil.test" not in running.resolver.asked

    async def test_a_certificate_that_is_not_trusted_is_told_with_what_to_do(self, running: Running) -> None:
        """Such as that of a proxy that looks into the traffic: neither to wait nor to check the way is of any help."""
        distrusting = Outside(resolver=running.resolver, rules=LOOPBACK)
        await running.entra.close()
        running.entra = EntraClient(distrusting, running.kubernetes)
        problem = await refused(running, BY_SECRET)
        await distrusting.close()
        assert (problem.reason, problem.temporary) == (Reason.CERTIFICATE_NOT_TRUSTED, True), problem
        assert "trustedCertificates" in problem.message
        assert "caBundle" not in problem.message, "it is for registries alone"
        assert SECRET not in problem.message

    @pytest.mark.parametrize("pause", ["120", "Fri, 31 Dec 9999 23:59:59 GMT"])
    @pytest.mark.parametrize("credential", [BY_SECRET, FEDERATED])
    async def test_a_pause_that_entra_id_asks_for_is_kept(
        self, running: Running, credential: Credential, pause: str
    ) -> None:
        now = [0.0]
        running.entra = EntraClient(running.outside, running.kubernetes, clock=lambda: now[0])
        action = {"status": 429, "headers": {**JSON, "Retry-After": pause}, "body": '{"error": "throttled"}'}
        await fault(running, match={"path": f"/{TENANT}/oauth2/v2.0/token"}, action=action, times=1)
        problem = await refused(running, credential)
        assert (problem.reason, problem.temporary) == (Reason.LOGIN_UNAVAILABLE, True)
        now[0] = problem.retry_after_seconds - 1
        assert (await refused(running, credential)).retry_after_seconds == 1
        now[0] += 1
        assert await log_in(running, credential)
        await running.entra.close()

    async def test_a_pause_holds_for_those_who_have_asked_before_it_came(self, running: Running) -> None:
        action = {"status": 429, "headers": {**JSON, "Retry-After": "120"}, "body": '{"error": "throttled"}'}
        await fault(running, match={"path": f"/{TENANT}/oauth2/v2.0/token"}, action=action)
        problems = await asyncio.gather(*(refused(running, BY_SECRET) for _ in range(10)))
        assert {problem.retry_after_seconds for problem in problems} == {120}
        assert await count(running, kind="entra") == 1

    @pytest.mark.parametrize("status", [400, 401, 500])
    async def test_a_secret_that_comes_back_as_an_echo_is_told_to_nobody(self, running: Running, status: int) -> None:
        secret = "p+ss/w=rd of 'ours'"
        body = json.dumps({"error": "invalid_client", "error_description": f"AADSTS7000215: you sent {secret}"})
        for text, headers in ((body, JSON), (f"<html>you sent {secret}</html>", HTML)):
            action = {"status": status, "headers": headers, "body": text}
            await fault(running, match={"path": f"/{TENANT}/oauth2/v2.0/token"}, action=action, times=1)
            problem = await refused(running, ClientSecret(TENANT, APP, secret))
            assert "ours" not in problem.message, problem.message
            assert "w=rd" not in problem.message, problem.message

    @pytest.mark.parametrize(
        "form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
    )
    async def test_a_private_key_with_a_passphrase_is_told(
        self, running: Running, certificate: tuple[str, str], form: serialization.PrivateFormat
    ) -> None:
        key = serialization.load_pem_private_key(certificate[1].encode(), None)
        encryption = serialization.BestAvailableEncryption(b"passphrase")
        pem = key.private_bytes(serialization.Encoding.PEM, form, encryption)
        problem = await refused(running, ClientCertificate(TENANT, APP, certificate[0].encode() + pem))
        assert (problem.reason, problem.temporary) == (Reason.LOGIN_FAILED, False)
        assert "passphrase; store it without one" in problem.message

    @pytest.mark.parametrize("pem", [b"", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nnone", b"-----BEGIN"])
    async def test_a_certificate_that_is_none_is_told(self, running: Running, pem: bytes) -> None:
        assert (await refused(running, ClientCertificate(TENANT, APP, pem))).reason is Reason.LOGIN_FAILED


class TestNode:
    async def test_a_pause_that_the_node_asks_for_is_kept(self, running: Running) -> None:
        action = {"status": 429, "headers": {**JSON, "Retry-After": "120"}, "body": '{"error": "Too many requests"}'}
        await fault(running, match={"path": "/metadata/.*"}, action=action, times=1)
        assert (await refused(running, NodeIdentity(APP))).retry_after_seconds == 120
        assert 0 < (await refused(running, NodeIdentity(APP))).retry_after_seconds <= 120

    @pytest.fixture(autouse=True)
    def endpoint(self, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", running.node)

    @pytest.mark.parametrize("client", [None, APP])
    async def test_an_identity_that_the_node_does_not_have_is_told_with_what_to_do(
        self, running: Running, client: str | None
    ) -> None:
        problem = await refused(running, NodeIdentity(client))
        assert (problem.reason, problem.temporary) == (Reason.LOGIN_FAILED, False)
        assert "Identity not found" in problem.message
        assert "managedIdentity.clientId" in problem.message

    @pytest.mark.parametrize(
        "action",
        [
            {"status": 200, "headers": HTML, "body": "<html>sign in</html>"},
            {"status": 200, "headers": HTML, "body": "<html>access_token expires_in</html>"},
            {"status": 400, "headers": HTML, "body": "<html>bad request</html>"},
            {"status": 404, "headers": HTML, "body": "<html>not found</html>"},
            {"status": 410, "headers": JSON, "body": "{}"},
            {"status": 200, "headers": JSON, "body": "{"},
            {"status": 200, "headers": JSON, "body": '{"access_token": "x", "expires_in": "soon"}'},
            {"status": 429, "headers": JSON, "body": '{"error": "Too many requests"}'},
            {"drop": True},
        ],
    )
    async def test_an_answer_that_is_not_the_nodes_is_waited_out(self, running: Running, action: Any) -> None:
        await fault(running, match={"path": "/metadata/.*"}, action=action)
        problem = await refused(running, NodeIdentity(APP))
        assert (problem.reason, problem.temporary) == (Reason.LOGIN_UNAVAILABLE, True), problem


class TestHeld:
    @pytest.mark.parametrize("credential", [BY_SECRET, FEDERATED])
    async def test_registries_that_ask_together_cost_one(self, running: Running, credential: Credential) -> None:
        tokens = await asyncio.gather(*(log_in(running, credential) for _ in range(10)))
        assert len(set(tokens)) == 1
        assert await count(running, kind="entra") == 1
        assert running.accounts.made == (credential is FEDERATED)

    async def test_the_api_server_is_asked_for_a_token_only_when_the_last_one_ends(self, running: Running) -> None:
        now = 0.0
        entra = EntraClient(running.outside, running.kubernetes, clock=lambda: now)
        audiences = (REGISTRY_AUDIENCE, "https://management.azure.com", REGISTRY_AUDIENCE)
        for audience in audiences:
            await entra.fetch_token(resolved(FEDERATED), audience)
        assert running.accounts.made == 1
        now = ASSERTION_SECONDS
        await entra.fetch_token(resolved(FEDERATED), REGISTRY_AUDIENCE)
        assert running.accounts.made == 2
        await entra.close()

    async def test_after_a_refusal_the_api_server_is_asked_anew(self, running: Running) -> None:
        running.accounts.subject = "system:serviceaccount:other:x"
        with pytest.raises(LoginError):
            await log_in(running, FEDERATED)
        running.accounts.subject = "system:serviceaccount:shop:buildandpush-identity"
        assert await log_in(running, FEDERATED)

    async def test_a_connector_that_is_gone_is_forgotten(self, running: Running) -> None:
        await log_in(running)
        await running.entra.forget(connector().uid)
        await running.entra.forget("somebody")
        await fault(running, match={"path": f"/{TENANT}/oauth2/v2.0/token"}, action={"status": 500})
        assert (await refused(running, BY_SECRET)).temporary, "no token is held any more"

    async def test_a_credential_that_is_changed_while_it_is_used_costs_nobody_a_login(self, running: Running) -> None:
        await fault(running, match={"path": f"/{TENANT}/oauth2/v2.0/token"}, action={"delaySeconds": 0.2}, times=1)
        slow = asyncio.create_task(log_in(running))
        await asyncio.sleep(0.05)
        await running.entra.forget(connector().uid)
        assert await slow
        assert await running.acr.exchange(HOST, TENANT, await log_in(running, ClientSecret(TENANT, APP, SECRET)))
