"""Azure's refusals: the number is kept, the remedy fits it, and nothing foreign grows long."""

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.core.azure.errors import (
    MAX_FOREIGN,
    classify_access,
    classify_entra,
    classify_exchange,
    classify_node,
    clip_foreign,
    unreachable,
)

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
    ],
)
def test_the_number_stays_and_brings_its_remedy(text: str, remedy: str) -> None:
    problem = classify_entra(text + TRACE, 401)
    assert problem.reason is Reason.LOGIN_FAILED
    assert not problem.temporary
    assert text.split(":", maxsplit=1)[0] in problem.message
    assert remedy in problem.message
    assert "Trace ID" not in problem.message, "it differs each time, so the status would be written each time"


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


def test_foreign_words_lose_the_tokens_in_them() -> None:
    assert "c2lnbmF0dXJl" not in clip_foreign("sent eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhY3IifQ.c2lnbmF0dXJl")
