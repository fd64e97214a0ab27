"""Azure's refusals: the number is kept, the remedy fits it, and nothing foreign grows long."""

from typing import Any

import pytest

from buildandpush.api.explanations import GOES_ON
from buildandpush.api.reasons import Reason
from buildandpush.core.azure import aadsts
from buildandpush.core.azure.errors import (
    MAX_FOREIGN,
    classify_access,
    classify_entra,
    classify_exchange,
    classify_node,
    clip_foreign,
    unreachable,
)
from buildandpush.core.foreign import Admitted

TRACE = " Trace ID: 1a2b Correlation ID: 3c4d Timestamp: 2026-01-02 03:04:05Z"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("AADSTS7000215: Invalid client secret provided.", "secret's value, not its id"),
        ("AADSTS7000222: The provided client secret keys for app 'x' are expired.", "new client secret"),
        ("AADSTS700016: Application with identifier 'x' was not found in the directory.", "clientId"),
        ("AADSTS90002: Tenant 'x' not found.", "tenantId"),
        ("AADSTS700213: No matching federated identity record found for presented assertion subject", "subject"),
        ("AADSTS700027: The certificate with identifier used to sign the client assertion is not", "certificate"),
        ("AADSTS53003: Access has been blocked by Conditional Access policies.", "Conditional Access"),
        ("AADSTS7000229: The client application x is missing service principal in the tenant y.", "az ad sp create"),
        ("AADSTS1000502: The provided certificate is not within its specified validity window.", "has expired"),
        ("AADSTS7000214: Certificate has been revoked.", "revoked"),
        ("AADSTS50034: The user account does not exist in the directory.", "client id of an application"),
        ("AADSTS70002: Error validating credentials.", "secret's value, not its id"),
        ("AADSTS700025: Client is public so neither 'client_assertion' nor 'client_secret' should be", "public client"),
        ("AADSTS70025: The client 'x' has no configured federated identity credentials.", "subject"),
        ("AADSTS70021: No matching federated identity record found for presented assertion.", "api://AzureADTokenExch"),
        ("AADSTS700211: No matching federated identity record found for presented assertion issuer", "issuer"),
        ("AADSTS700212: No matching federated identity record found for presented assertion audience", "audience"),
        ("AADSTS700238: Workload identity federation is disallowed by policy.", "forbids federated credentials"),
        ("AADSTS90061: Request to External OIDC endpoint failed.", "answer from the internet"),
        ("AADSTS90038: The specified tenant belongs to another national cloud.", "cloud"),
        ("AADSTS500021: Access to 'x' tenant is denied.", "proxy"),
    ],
)
def test_the_number_stays_and_brings_its_remedy(text: str, remedy: str) -> None:
    problem = classify_entra(text + TRACE, 401)
    assert problem.reason is Reason.LOGIN_FAILED
    assert not problem.temporary
    assert text.split(":", maxsplit=1)[0] in problem.message
    assert remedy in problem.message
    assert "Trace ID" not in problem.message, "it differs each time, so the status would be written each time"


@pytest.mark.parametrize("number", [90033, 90055, 50033, 90012])
def test_a_refusal_that_says_to_come_again_is_temporary_whatever_its_status(number: int) -> None:
    problem = classify_entra(Admitted(f"AADSTS{number}: The service is temporarily unavailable."), 400)
    assert (problem.reason, problem.temporary) == (Reason.LOGIN_UNAVAILABLE, True)


def test_each_number_has_one_remedy_that_is_a_sentence() -> None:
    listed = [number for numbers in aadsts._NUMBERS.values() for number in numbers]
    assert len(listed) == len(set(listed))
    assert not set(listed) & aadsts.TEMPORARY
    assert [number for number, text in aadsts.REMEDIES.items() if not text.endswith(GOES_ON)] == []
    assert max(map(len, aadsts.REMEDIES.values())) < 400, "cause, Azure's words and remedy fit into one message"


def test_the_words_before_the_number_are_left_out() -> None:
    text = "Microsoft Entra ID error '(invalid_client) AADSTS7000215: Invalid client secret provided.'"
    assert classify_entra(text, 401).detail == "AADSTS7000215: Invalid client secret provided."


def test_a_number_nobody_knows_gets_the_reasons_own_remedy() -> None:
    message = classify_entra("AADSTS999999: something new", 400).message
    assert "AADSTS999999" in message
    assert message.endswith("Correct the connector or its Secret. The run goes on by itself.")


@pytest.mark.parametrize("status", [None, 200, 302, 399, 429, 500, 503])
def test_what_goes_away_by_itself_is_temporary(status: int | None) -> None:
    problem = classify_entra("come again", status)
    assert (problem.reason, problem.temporary) == (Reason.LOGIN_UNAVAILABLE, True)


@pytest.mark.parametrize(
    ("status", "reason", "temporary"),
    [
        (401, Reason.EXCHANGE_REFUSED, False),
        (400, Reason.EXCHANGE_REFUSED, False),
        (403, Reason.REGISTRY_NETWORK_DENIED, False),
        (404, Reason.EXCHANGE_REFUSED, False),
        (302, Reason.EXCHANGE_REFUSED, False),
        (429, Reason.REGISTRY_UNREACHABLE, True),
        (503, Reason.REGISTRY_UNREACHABLE, True),
    ],
)
def test_a_registrys_refusal_is_told_by_its_status(status: int, reason: Reason, temporary: bool) -> None:
    problem = classify_exchange("contoso.azurecr.io", status, "UNAUTHORIZED authentication required")
    assert (problem.reason, problem.temporary) == (reason, temporary)
    assert f"contoso.azurecr.io answered {status}" in problem.message


def test_a_foreign_page_is_cut_to_one_short_line() -> None:
    page = "<html>\n" + "\x1b[31m<p>no</p>\n" * 500
    for problem in (classify_entra(page, 400), classify_exchange("h", 400, page), unreachable("h", page)):
        assert len(problem.detail.encode()) <= MAX_FOREIGN
        assert "\n" not in problem.detail
        assert "\x1b" not in problem.detail


@pytest.mark.parametrize(("status", "refused"), [(400, True), (None, False), (200, False), (404, False), (503, False)])
def test_a_node_refuses_an_identity_with_400_alone(status: int | None, refused: bool) -> None:
    problem = classify_node("Identity not found", status)
    assert (problem.reason is Reason.LOGIN_FAILED, problem.temporary) == (refused, not refused)
    assert ("managedIdentity.clientId" in problem.message) is refused


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, "", Reason.PUSH_NOT_ALLOWED),
        (400, "DENIED requested access is denied", Reason.PUSH_NOT_ALLOWED),
        (400, "UNSUPPORTED", Reason.EXCHANGE_REFUSED),
        (404, "denied", Reason.EXCHANGE_REFUSED),
        (302, "", Reason.EXCHANGE_REFUSED),
        (403, "DENIED", Reason.REGISTRY_NETWORK_DENIED),
        (503, "", Reason.REGISTRY_UNREACHABLE),
    ],
)
def test_a_push_is_refused_by_who_knows_the_caller(status: int, body: str, reason: Reason) -> None:
    problem = classify_access("contoso.azurecr.io", status, body)
    assert problem.reason is reason
    assert f"contoso.azurecr.io answered {status}" in problem.message


FIREWALL = "DENIED: client with IP '20.0.0.7' is not allowed access, refer https://aka.ms/acr/firewall"


@pytest.mark.parametrize("status", [400, 401, 403, 503])
@pytest.mark.parametrize("classify", [classify_access, classify_exchange])
def test_a_firewalls_words_name_the_address_whatever_the_status(classify: Any, status: int) -> None:
    problem = classify("contoso.azurecr.io", status, Admitted(FIREWALL))
    assert (problem.reason, problem.temporary) == (Reason.REGISTRY_NETWORK_DENIED, False)
    assert "address 20.0.0.7" in problem.message


def test_foreign_words_lose_the_tokens_in_them() -> None:
    assert "c2lnbmF0dXJl" not in clip_foreign("sent eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhY3IifQ.c2lnbmF0dXJl")
