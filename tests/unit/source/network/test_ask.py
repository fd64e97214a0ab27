"""A request to an API: sent as it is, and answered once and within limits."""

import socket
from collections.abc import Iterator

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.network import connection as module
from buildandpush.source.network.ask import Answer, Request, ask
from buildandpush.source.network.connection import PLAIN, UNVERIFIED
from buildandpush.source.report import SourceError
from tests import fileserver
from tests.fileserver import FileServer, serve_files
from tests.webserver import Certificate, make_certificate

HOST = "api.invalid"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("pki"), f"DNS:{HOST}")


@pytest.fixture
def server(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """The server; every host is this machine, since no test may leave it."""
    monkeypatch.setattr(module, "resolve_host", lambda *_: ["127.0.0.1"])
    with serve_files(certificate) as running:
        yield running


def asked(server: FileServer, certificate: Certificate, answer: fileserver.Answer, **headers: str) -> Answer:
    server.answers["/tokens?of=1"] = [answer]
    request = Request("POST", server.url("/tokens?of=1", HOST), "the address", headers, b'{"a": 1}')
    return ask(request, certificate.certificate, max_bytes=20)


def test_the_request_is_sent_as_it_is(server: FileServer, certificate: Certificate) -> None:
    answer = asked(server, certificate, fileserver.Answer(b'{"b": 2}', 201, {"X-Left": "7"}), Authorization="Bearer x")
    assert (answer.status, answer.headers["X-Left"], answer.read_object()) == (201, "7", {"b": 2})
    assert server.bodies == [b'{"a": 1}']
    assert server.seen[0][1]["Authorization"] == "Bearer x"


def test_a_redirect_is_not_followed(server: FileServer, certificate: Certificate) -> None:
    answer = asked(server, certificate, fileserver.Answer(b"", 302, {"Location": server.url("/other", HOST)}))
    assert (answer.status, len(server.seen)) == (302, 1)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b"\xff", b"[" * 20], ids=["none", "html", "list", "odd", "deep"]
)
def test_what_is_no_object_is_an_empty_one(server: FileServer, certificate: Certificate, body: bytes) -> None:
    assert asked(server, certificate, fileserver.Answer(body)).read_object() == {}


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (fileserver.Answer(b"x" * 21), Reason.SOURCE_INVALID, "answers with more than 20 bytes"),
        (fileserver.Answer(b"x" * 9, missing=3), Reason.SOURCE_UNREACHABLE, "broke off after 6 of 9 bytes"),
    ],
)
def test_an_answer_is_read_whole_and_within_its_limit(
    server: FileServer, certificate: Certificate, answer: fileserver.Answer, reason: Reason, words: str
) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        asked(server, certificate, answer)
    assert caught.value.reason is reason


@pytest.mark.parametrize("value", ["hunter22\nX: y", "hunter22\u20ac"])
def test_a_header_that_cannot_be_sent_is_not_told(server: FileServer, certificate: Certificate, value: str) -> None:
    with pytest.raises(SourceError, match="a header for api.invalid holds") as caught:
        asked(server, certificate, fileserver.Answer(), Authorization=value)
    assert "hunter22" not in str(caught.value)
    assert server.seen == []


def test_an_untrusted_server_is_told_as_such(server: FileServer) -> None:
    with pytest.raises(SourceError) as caught:
        ask(Request("GET", server.url("/", HOST), "the address"))
    assert caught.value.reason is Reason.CERTIFICATE_NOT_TRUSTED


def test_a_certificate_is_not_looked_at_only_where_the_caller_says_so(server: FileServer) -> None:
    server.answers["/"] = [fileserver.Answer(b"{}")]
    assert ask(Request("GET", server.url("/", HOST), "the address"), tls=UNVERIFIED).status == 200


def test_http_is_asked_only_where_the_caller_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "resolve_host", lambda *_: ["127.0.0.1"])
    with serve_files(None) as running:
        running.answers["/"] = [fileserver.Answer(b"{}")]
        url = f"http://{HOST}:{running.port}/"
        assert ask(Request("GET", url, "the address"), tls=PLAIN).status == 200
        with pytest.raises(SourceError, match="is no https address"):
            ask(Request("GET", url, "the address"), tls=UNVERIFIED)
        assert running.seen[0][1]["Host"] == f"{HOST}:{running.port}"


def test_only_https_is_asked() -> None:
    with pytest.raises(SourceError, match="the API's address, 'http://api.invalid/', is no https address"):
        ask(Request("GET", "http://api.invalid/", "the API's address"))


def test_a_server_that_sends_a_byte_now_and_then_holds_nobody(server: FileServer, certificate: Certificate) -> None:
    """Each byte is within the limit of a step, so there is one for all of them."""
    answer = fileserver.Answer(b"{}" + b" " * 10_000, pause_seconds=0.05)
    server.answers["/"] = [answer]
    request = Request("GET", server.url("/", HOST), "the address")
    with pytest.raises(SourceError, match="api.invalid: no whole answer within 0.5 s") as caught:
        ask(request, certificate.certificate, seconds=0.5)
    assert caught.value.reason is Reason.SOURCE_UNREACHABLE


def test_addresses_share_the_time_and_few_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS may name thousands of addresses that say nothing."""
    tried: list[tuple[str, float]] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        tried.append((address[0], timeout))
        raise TimeoutError("timed out")

    monkeypatch.setattr(module, "resolve_host", lambda *_: [f"192.0.2.{number}" for number in range(200)])
    monkeypatch.setattr(module.socket, "create_connection", connect)
    with pytest.raises(SourceError, match="timed out"):
        ask(Request("GET", f"https://{HOST}/", "the address"))
    assert len(tried) == 16
    assert sum(timeout for _, timeout in tried) == 60
