"""A registry's token services, over real TLS: whatever they answer is a token or a problem that can be told."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from buildandpush.api.reasons import Reason
from buildandpush.clients.azure.tokens import AcrClient
from buildandpush.clients.outside import Outside
from buildandpush.core.azure.errors import UNTOLD, LoginError, LoginProblem, unreachable
from tests.pinned import LOOPBACK, InsideRules
from tests.unit.clients.fake_registry import make_certificates, serve

TOKEN = "opaque-entra-token/with+signs=="
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def exchange(handle: Handler, *, host: str = "", ca_bundle: str | None = None) -> str:
    """What comes of an exchange."""
    outside = Outside(rules=LOOPBACK)
    bundle = make_certificates()[0] if ca_bundle is None else ca_bundle
    try:
        async with serve(handle) as served:
            return await AcrClient(outside).exchange(host or served, "tenant", TOKEN, ca_bundle=bundle)
    finally:
        await outside.close()


async def refused(handle: Handler, **where: str) -> LoginProblem:
    """Why nothing comes of it."""
    with pytest.raises(LoginError) as caught:
        await exchange(handle, **where)
    return caught.value.problem


def answering(status: int, body: str) -> Handler:
    """Answer everything so."""

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    return handle


async def test_an_answer_in_pieces_is_put_together() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in ('{"refresh_', 'token": "', "x" * 5000, '"}'):
            await response.write(piece.encode())
            await asyncio.sleep(0.01)
        await response.write_eof()
        return response

    assert await exchange(handle) == "x" * 5000


@pytest.mark.parametrize("status", [200, 401, 503])
@pytest.mark.parametrize("body", ["[" * 60_000, '{"errors":' * 6_000, "x" * 200_000, "", "null", '{"errors": {}}'])
async def test_an_answer_that_is_none_is_told(status: int, body: str) -> None:
    problem = await refused(answering(status, body))
    wanted = {200: Reason.REGISTRY_UNREACHABLE, 401: Reason.EXCHANGE_REFUSED, 503: Reason.REGISTRY_UNREACHABLE}
    assert problem.reason is wanted[status]


@pytest.mark.parametrize("token", ["x" * 20_000, "\U0001f511"])
async def test_what_no_header_can_hold_is_no_token(token: str) -> None:
    """Tokens are kept, and a connector's allowedRegistries may name a stranger's registry."""
    problem = await refused(answering(200, json.dumps({"refresh_token": token})))
    assert problem.reason is Reason.REGISTRY_UNREACHABLE
    assert "holds no refresh_token" in problem.detail


@pytest.mark.parametrize("host", ["contoso..azurecr.io", f"{'a' * 64}.azurecr.io"])
async def test_a_host_that_cannot_be_asked_for_is_told(host: str) -> None:
    problem = await refused(answering(200, "{}"), host=host)
    assert problem.reason is Reason.REGISTRY_UNREACHABLE


async def test_certificates_with_a_comment_in_any_language_are_trusted() -> None:
    bundle = "# Prüfstelle\n" + make_certificates()[0]
    assert await exchange(answering(200, '{"refresh_token": "x"}'), ca_bundle=bundle) == "x"


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
@pytest.mark.parametrize(
    "form", [TOKEN, json.dumps(TOKEN).replace("/", "\\/"), "opaque-entra-token%2Fwith%2Bsigns%3D%3D"]
)
async def test_a_token_that_comes_back_as_an_echo_is_told_to_nobody(status: int, form: str) -> None:
    for body in (f"you sent {form}", json.dumps({"errors": [{"code": "X", "message": f"you sent {form}"}]})):
        problem = await refused(answering(status, body))
        assert "opaque-entra" not in problem.message, problem.message


async def test_half_an_answer_shows_nothing_of_the_token_in_it() -> None:
    problem = await refused(answering(200, '{"refresh_token": "an-opaque-refresh-token'))
    assert "opaque" not in problem.message


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, '{"errors": [{"code": "UNAUTHORIZED"}]}', Reason.PUSH_NOT_ALLOWED),
        (401, "", Reason.PUSH_NOT_ALLOWED),
        (400, '{"errors": [{"code": "DENIED", "message": "requested access is denied"}]}', Reason.PUSH_NOT_ALLOWED),
        (400, "", Reason.EXCHANGE_REFUSED),
        (403, '{"errors": [{"code": "DENIED"}]}', Reason.REGISTRY_NETWORK_DENIED),
        (404, "", Reason.EXCHANGE_REFUSED),
        (302, "", Reason.EXCHANGE_REFUSED),
        (429, "", Reason.REGISTRY_UNREACHABLE),
        (503, "", Reason.REGISTRY_UNREACHABLE),
    ],
)
async def test_only_a_refusal_says_that_a_push_is_not_allowed(status: int, body: str, reason: Reason) -> None:
    outside = Outside(rules=LOOPBACK)
    try:
        async with serve(answering(status, body)) as host:
            with pytest.raises(LoginError) as caught:
                await AcrClient(outside).fetch_access_token(host, "x", ["s"], ca_bundle=make_certificates()[0])
    finally:
        await outside.close()
    assert caught.value.problem.reason is reason


@pytest.mark.parametrize(
    ("handle", "where"),
    [
        (answering(200, "<html>not a registry</html>"), {}),
        (answering(200, "{}"), {}),
        (answering(401, "Unauthorized"), {}),
        (answering(404, "404 page not found"), {}),
        (answering(503, '{"kind": "Status", "code": 503}'), {}),
        (answering(200, '{"refresh_token": "x"}'), {"ca_bundle": ""}),
        (answering(200, '{"refresh_token": "x"}'), {"host": "127.0.0.1:1"}),
        (answering(200, '{"refresh_token": "x"}'), {"host": "nothing.invalid"}),
    ],
    ids=["a page", "JSON", "401", "404", "503", "certificate", "closed port", "no such host"],
)
async def test_what_is_inside_the_network_is_not_told(handle: Handler, where: dict[str, str]) -> None:
    outside = Outside(rules=InsideRules())
    try:
        async with serve(handle) as served:
            host, bundle = where.get("host", served), where.get("ca_bundle", make_certificates()[0])
            with pytest.raises(LoginError) as caught:
                await AcrClient(outside).exchange(host, "tenant", TOKEN, ca_bundle=bundle)
    finally:
        await outside.close()
    assert caught.value.problem == unreachable(host, UNTOLD)


async def test_a_certificate_that_is_not_trusted_is_told_with_what_to_do() -> None:
    """The registry is there and its name is right, so neither of these is to be looked at."""
    problem = await refused(answering(200, '{"refresh_token": "x"}'), ca_bundle="")
    assert (problem.reason, problem.temporary) == (Reason.CERTIFICATE_NOT_TRUSTED, True)
    assert "caBundle" in problem.message
    assert "trustedCertificates" in problem.message
    assert "unable to get local issuer certificate" in problem.message
    assert "PLUGIN_SKIP_TLS_VERIFY" not in problem.message, "the operator itself checks each certificate"


async def test_a_registry_inside_the_network_says_itself_why_it_refuses() -> None:
    outside = Outside(rules=InsideRules())
    try:
        async with serve(answering(401, '{"errors": [{"code": "UNAUTHORIZED", "message": "not you"}]}')) as host:
            with pytest.raises(LoginError) as caught:
                await AcrClient(outside).exchange(host, "tenant", TOKEN, ca_bundle=make_certificates()[0])
    finally:
        await outside.close()
    assert "UNAUTHORIZED not you" in caught.value.problem.detail


@pytest.mark.parametrize("body", ['{"errors": [{"code": "TOOMANYREQUESTS"}]}', ""])
async def test_a_registry_that_asks_for_a_pause_gets_it_from_whom_it_asked(body: str) -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(str((await request.post())["access_token"]))
        return web.Response(status=429, text=body, headers={"Retry-After": "120"})

    async def refuse(token: str) -> LoginProblem:
        with pytest.raises(LoginError) as caught:
            await client.exchange(host, "tenant", token, ca_bundle=make_certificates()[0])
        return caught.value.problem

    outside = Outside(rules=LOOPBACK)
    client = AcrClient(outside)
    try:
        async with serve(handle) as host:
            first = await refuse("one")
            assert (first.reason, first.retry_after_seconds) == (Reason.REGISTRY_UNREACHABLE, 120)
            again = await refuse("one")
            assert (again.message, again.retry_after_seconds > 0) == (first.message, True)
            assert asked == ["one"]
            await refuse("another")
            assert asked == ["one", "another"]
    finally:
        await outside.close()
