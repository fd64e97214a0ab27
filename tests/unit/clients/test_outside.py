"""Connections to the outside: certificates as users write them, answers that do not end, sessions that come and go."""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from buildandpush.clients import outside as module
from buildandpush.clients.outside import Outside
from tests.unit.clients.fake_registry import make_certificates

CA = make_certificates()[0]


def subjects(context: ssl.SSLContext) -> list[Any]:
    """Whom a context trusts."""
    return [found["subject"] for found in context.get_ca_certs()]


@pytest.mark.parametrize(
    "bundle",
    [
        CA,
        f"# Zertifizierungsstelle für Bücher\n{CA}\n# Ende ✓\n",
        CA.replace("\n", "\r\n"),
        f"{CA}{CA}",
        CA.replace("CERTIFICATE", "TRUSTED CERTIFICATE") + CA,
    ],
)
async def test_certificates_are_found_between_comments(bundle: str) -> None:
    module._load_trust.cache_clear()  # OpenSSL may have loaded the usual certificates into one that others used
    assert len(subjects(Outside().trust(bundle))) == 1


@pytest.mark.parametrize(
    "bundle",
    [
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nno end",
        f"{CA}-----BEGIN CERTIFICATE-----\nno end",
        f"-----BEGIN CERTIFICATE-----\n{CA}",
        "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nünsinn\n-----END CERTIFICATE-----",
    ],
)
async def test_certificates_that_are_none_are_told(bundle: str) -> None:
    with pytest.raises(ssl.SSLError):
        Outside().trust(bundle)


async def test_certificates_are_read_once_good_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual ones take some 50 ms to read, and connectors are looked at again and again."""
    made: list[ssl.SSLContext] = []
    usual = ssl.create_default_context

    def make() -> ssl.SSLContext:
        made.append(usual())
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", make)
    nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    for bundle in (f"{CA}# once", nonsense) * 3:
        with suppress(ssl.SSLError):
            Outside().trust(bundle)
    assert len(made) == 2


@pytest.mark.parametrize("path", ["/no/such/file", __file__])
async def test_a_file_of_certificates_that_cannot_be_read_is_told(path: str) -> None:
    with pytest.raises(ssl.SSLError):
        Outside(path).trust()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sessions at most beside the usual one, and nobody uses one for longer than a moment."""
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)
    monkeypatch.setattr(module, "RETIREMENT_SECONDS", 0.01)


@pytest.mark.usefixtures("few")
async def test_the_session_used_longest_ago_is_closed_once_nobody_can_use_it() -> None:
    outside = Outside()
    usual = outside.session()
    first, second = (outside.session(f"{CA}# {number}") for number in (1, 2))
    assert outside.session(f"{CA}# 1") is first
    outside.session(f"{CA}# 3")
    assert not second.closed, "somebody may be reading from it"
    await asyncio.sleep(0.05)
    assert [session.closed for session in (usual, first, second)] == [False, False, True]
    await outside.close()
    assert usual.closed
    assert first.closed


async def test_sessions_that_are_retired_are_closed_at_the_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 1)
    outside = Outside()
    sessions: list[aiohttp.ClientSession] = [outside.session(f"{CA}# {number}") for number in range(3)]
    assert not any(session.closed for session in sessions)
    await outside.close()
    assert all(session.closed for session in sessions)
