"""What runs in the read-back pod: a login from a file, a registry over real TLS, and one report."""

import base64
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from buildandpush.api import meta
from buildandpush.core.facts import ReadBack
from buildandpush.core.pod.readback import Claim, Report, render_claim
from buildandpush.readback import __main__ as program
from buildandpush.readback.__main__ import Places, main, read_back
from tests.unit.clients.fake_registry import FakeRegistry, serve_registry

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
CONFIG = "sha256:" + "c" * 64
BASIC = {"auth": base64.b64encode(b"push:hunter22").decode()}


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    """A registry with the image under both tags."""
    async with serve_registry() as running:
        running.references = {DIGEST: DIGEST, "latest": DIGEST, "1.2": DIGEST}
        yield running


@pytest.fixture
def places(registry: FakeRegistry, tmp_path: Path) -> Places:
    """The files of a pod that logs in to the registry."""
    return put_files(tmp_path, registry.host, BASIC, registry.ca_bundle)


def put_files(folder: Path, host: str, entry: dict[str, str], ca: str = "") -> Places:
    """The files of a pod with this login."""
    found = Places(folder / "config.json", folder / "ca.crt", folder / "certificates", folder / "report")
    found.login.write_text(json.dumps({"auths": {host: entry}}))
    if ca:
        found.ca.write_text(ca)
    return found


def claim(registry: FakeRegistry, **changes: Any) -> Claim:
    return replace(Claim(f"{registry.host}/shop/web", ("latest", "1.2"), DIGEST, "uid/1"), **changes)


async def ask(registry: FakeRegistry, places: Places, **changes: Any) -> Report:
    """What the pod reports without any patience."""
    return await read_back(claim(registry, **changes), places, patience_seconds=-1)


async def ask_patiently(registry: FakeRegistry, places: Places) -> Report:
    """What it reports in the end."""
    return await read_back(claim(registry), places, patience_seconds=60, waits=(0.0,))


def label(registry: FakeRegistry, value: str) -> None:
    """Give the image a config with this run label."""
    registry.bodies[DIGEST] = json.dumps({"config": {"digest": CONFIG}}).encode()
    registry.bodies[CONFIG] = json.dumps({"config": {"Labels": {meta.IMAGE_LABEL_RUN: value}}}).encode()


async def test_an_image_that_is_there_under_every_tag_is_reported(registry: FakeRegistry, places: Places) -> None:
    assert await ask(registry, places) == Report(ReadBack({"latest": DIGEST, "1.2": DIGEST}, digest_found=True))
    sent = {request.headers["Authorization"] for request in registry.seen}
    assert sent == {f"Basic {BASIC['auth']}"}


@pytest.mark.parametrize(("value", "own"), [("uid/1", True), ("uid/2", False)])
async def test_of_a_tag_that_has_moved_it_says_whose_image_the_digest_is(
    value: str, own: bool, registry: FakeRegistry, places: Places
) -> None:
    registry.references["latest"] = OTHER
    label(registry, value)
    found = await ask(registry, places)
    assert (found.own, found.read_back.digest_found, dict(found.read_back.tags)) == (
        own, True, {"latest": OTHER, "1.2": DIGEST},
    )  # fmt: skip


async def test_a_digest_that_is_not_there_is_reported(registry: FakeRegistry, places: Places) -> None:
    del registry.references[DIGEST]
    found = await ask(registry, places)
    assert (found.read_back.problem, found.read_back.digest_found) == ("", False)


@pytest.mark.parametrize("status", [403, 404, 429, 503, 0])
async def test_a_registry_that_fails_or_lags_for_a_while_is_waited_for(
    status: int, registry: FakeRegistry, places: Places
) -> None:
    registry.passing = [status] * 6
    assert (await ask_patiently(registry, places)).read_back.digest_found


async def test_a_registry_that_fails_for_good_is_a_problem(registry: FakeRegistry, places: Places) -> None:
    registry.status = 503
    assert "503" in (await ask(registry, places)).read_back.problem


async def test_a_renewed_login_is_used(registry: FakeRegistry, places: Places, tmp_path: Path) -> None:
    """The kubelet brings it into the pod while it runs."""
    registry.challenge = "Basic"
    found = await ask(registry, places)
    assert "401" in found.read_back.problem
    put_files(tmp_path, registry.host, {"registrytoken": "let-me-in"})
    registry.challenge, registry.realm = None, f"https://{registry.host}/oauth2/token"
    assert (await ask(registry, places)).read_back.digest_found
    assert registry.tokens == 0, "a token of the registry's is sent as it is"


async def test_a_password_is_exchanged_where_the_registry_says_so(registry: FakeRegistry, places: Places) -> None:
    registry.realm = f"https://{registry.host}/oauth2/token"
    assert (await ask(registry, places)).read_back.digest_found
    assert registry.tokens == 1


async def test_a_token_is_taken_to_no_token_service(registry: FakeRegistry, tmp_path: Path) -> None:
    places = put_files(tmp_path, registry.host, {"registrytoken": "ended"}, registry.ca_bundle)
    registry.realm = f"https://{registry.host}/oauth2/token"
    assert "401" in (await ask(registry, places)).read_back.problem
    assert not [request for request in registry.seen if request.path == "/oauth2/token"]


class TestTls:
    async def test_an_unknown_certificate_is_a_problem_and_no_login_is_sent(
        self, registry: FakeRegistry, tmp_path: Path
    ) -> None:
        found = await ask(registry, put_files(tmp_path, registry.host, BASIC))
        assert "certificate" in found.read_back.problem.lower()
        assert registry.seen == []

    async def test_the_installers_certificates_count(self, registry: FakeRegistry, tmp_path: Path) -> None:
        places = put_files(tmp_path, registry.host, BASIC)
        places.certificates.mkdir()
        (places.certificates / "trusted.crt").write_text(registry.ca_bundle)
        assert (await ask(registry, places)).read_back.digest_found

    async def test_it_is_not_checked_where_the_build_did_not_check_it(
        self, registry: FakeRegistry, tmp_path: Path
    ) -> None:
        places = put_files(tmp_path, registry.host, BASIC)
        assert (await ask(registry, places, tls="unverified")).read_back.digest_found

    async def test_plain_http_is_spoken_where_the_build_spoke_it(self, registry: FakeRegistry, tmp_path: Path) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", registry.handle)
        async with TestServer(app, host="127.0.0.1") as server:
            host = f"127.0.0.1:{server.port}"
            places = put_files(tmp_path, host, BASIC)
            repository = f"{host}/shop/web"
            assert (await ask(registry, places, repository=repository)).read_back.problem
            assert (await ask(registry, places, repository=repository, tls="plain")).read_back.digest_found


class TestProgram:
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{closed.getsockname()[1]}"
        self.places = put_files(tmp_path, self.host, BASIC)
        monkeypatch.setattr(program, "Places", lambda report: self.places)
        monkeypatch.setattr(program, "WAITS_SECONDS", (0.0,))
        self.claim = render_claim(Claim(f"{self.host}/shop/web", ("latest",), DIGEST, "uid/1"))

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        code = main([*arguments])
        return code, json.loads(self.places.report.read_text())

    @pytest.mark.parametrize("arguments", [(), ("{",), ("[]",), ('{"repository": "x"}',)])
    def test_without_a_claim_it_says_so(self, arguments: tuple[str, ...]) -> None:
        code, report = self.run(*arguments)
        assert (code, "cannot be asked" in report["problem"]) == (1, True)

    @pytest.mark.parametrize(
        "config", ["", "{", "[]", '{"auths": []}', '{"auths": {"other": {}}}', '{"auths": {"HOST": 5}}']
    )
    def test_without_a_login_it_says_so(self, config: str) -> None:
        self.places.login.write_text(config.replace("HOST", self.host))
        code, report = self.run(self.claim)
        assert (code, self.host in report["problem"]) == (1, True)

    def test_without_the_file_it_says_so(self) -> None:
        self.places.login.unlink()
        code, report = self.run(self.claim)
        assert (code, bool(report["problem"])) == (1, True)

    def test_a_report_is_left_where_the_kubelet_reads_it(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async def found(asked: Claim, places: Places) -> Report:
            assert (render_claim(asked), places) == (self.claim, self.places)
            return Report(ReadBack({"latest": DIGEST}, digest_found=True))

        monkeypatch.setattr(program, "read_back", found)
        code, report = self.run(self.claim)
        assert (code, report) == (0, {"found": True, "own": False, "moved": {}})
        assert json.loads(capsys.readouterr().out) == report


async def test_a_pause_that_the_registry_asks_for_is_longer_than_the_pods_own(
    registry: FakeRegistry, places: Places
) -> None:
    registry.passing, registry.retry_after = [429] * 3, "120"
    report = await ask_patiently(registry, places)
    assert "429" in report.read_back.problem, "it would not end in time"
