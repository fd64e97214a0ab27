"""Reading an image back from a registry that is there over real TLS."""

import asyncio
import base64
import gc
import json
import socket
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from buildandpush.api import meta
from buildandpush.api.addresses import AddressRules, parse_networks
from buildandpush.api.reasons import Reason
from buildandpush.clients import registry as registryclient
from buildandpush.clients.image import is_at
from buildandpush.clients.outside import Outside
from buildandpush.clients.registry import RegistryClient
from buildandpush.clients.traffic.places import NAMESPACE
from buildandpush.core.azure.errors import UNTOLD
from buildandpush.core.azure.login import Credentials
from buildandpush.core.facts import Proof, ReadBack, Waiting
from tests.pinned import LOOPBACK, InsideRules
from tests.unit.clients.fake_registry import FakeRegistry, make_certificates, serve, serve_registry

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
CONFIG = "sha256:" + "c" * 64
TAGS = ("latest", "1.2")


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    """A registry with the image under both tags."""
    async with serve_registry() as running:
        running.references = {DIGEST: DIGEST, "latest": DIGEST, "1.2": DIGEST}
        yield running


class OutsideAndInside(InsideRules):
    """127.0.0.1 is on the internet, and all others are inside the cluster's network."""

    def is_public(self, address: str) -> bool:
        """Whether everybody may learn how a host at this address answers."""
        return address == "127.0.0.1"


def login(registry: FakeRegistry, **changes: object) -> Credentials:
    """The login for that registry."""
    values = {
        "hosts": (registry.host,),
        "username": "push",
        "password": "hunter22 é",
        "ca_bundle": registry.ca_bundle,
        **changes,
    }
    return Credentials(**values)  # type: ignore[arg-type]


async def read(call: Callable[[RegistryClient], Awaitable[Any]], *, lag_seconds: tuple[float, ...] = ()) -> Any:
    """What a client of its own finds."""
    outside = Outside(rules=LOOPBACK)
    try:
        return await call(RegistryClient(outside, lag_seconds=lag_seconds))
    finally:
        await outside.close()


async def ask(registry: FakeRegistry, **changes: object) -> ReadBack:
    """What the registry says of the image."""
    return await read(
        lambda client: client.read_back(f"{registry.host}/shop/web", TAGS, DIGEST, login(registry, **changes))
    )


async def test_image_that_is_there_is_found_under_every_tag(registry: FakeRegistry) -> None:
    assert await ask(registry) == ReadBack({"latest": DIGEST, "1.2": DIGEST}, digest_found=True)


async def test_registry_is_asked_with_the_login_and_for_every_kind_of_manifest(registry: FakeRegistry) -> None:
    await ask(registry)
    assert {request.path for request in registry.seen} == {
        f"/v2/shop/web/manifests/{reference}" for reference in (DIGEST, *TAGS)
    }
    for request in registry.seen:
        kind, _, value = request.headers["Authorization"].partition(" ")
        assert (kind, base64.b64decode(value).decode()) == ("Basic", "push:hunter22 é")
        for manifest in ("oci.image.index", "oci.image.manifest", "manifest.list.v2", "docker.distribution.manifest"):
            assert manifest in request.headers["Accept"]


async def test_missing_tag_names_nothing(registry: FakeRegistry) -> None:
    del registry.references["1.2"]
    assert await ask(registry) == ReadBack({"latest": DIGEST, "1.2": None}, digest_found=True)


async def test_moved_tag_names_what_it_was_moved_to(registry: FakeRegistry) -> None:
    registry.references["latest"] = OTHER
    assert await ask(registry) == ReadBack({"latest": OTHER, "1.2": DIGEST}, digest_found=True)


async def test_missing_digest_is_not_found(registry: FakeRegistry) -> None:
    del registry.references[DIGEST]
    found = await ask(registry)
    assert not found.digest_found
    assert found.problem == ""


@pytest.mark.parametrize("named", ["x", "latest", "sha256:" + "a" * 5000, "sha256: https://u:hunter22@h/" + "a" * 32])
async def test_what_is_no_digest_is_not_told_as_one(registry: FakeRegistry, named: str) -> None:
    registry.references["latest"] = named
    found = await ask(registry)
    assert found.problem == f"{registry.host} did not say which digest latest names"


async def test_registry_that_names_no_digest_cannot_deny_one(registry: FakeRegistry) -> None:
    """The header is only recommended; its absence proves nothing."""
    registry.tells_digest = False
    found = await ask(registry)
    assert found.digest_found or found.problem


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_registry_that_does_not_answer_the_question_is_a_problem(registry: FakeRegistry, status: int) -> None:
    registry.status = status
    found = await ask(registry)
    assert (found.digest_found, dict(found.tags)) == (False, {})
    assert str(status) in found.problem
    assert registry.host in found.problem


async def test_redirect_is_not_followed_and_no_login_goes_there(registry: FakeRegistry) -> None:
    async with serve_registry() as elsewhere:
        registry.location = f"https://{elsewhere.host}"
        found = await ask(registry)
        assert elsewhere.seen == []
    assert found.problem


@pytest.mark.parametrize("trouble", ["401", "no digest", "certificate", "closed port"])
async def test_what_is_inside_the_network_is_not_told(trouble: str, registry: FakeRegistry) -> None:
    registry.status = 401 if trouble == "401" else 200
    registry.tells_digest = trouble != "no digest"
    host = "127.0.0.1:1" if trouble == "closed port" else registry.host
    credentials = login(registry, ca_bundle="" if trouble == "certificate" else registry.ca_bundle, hosts=(host,))
    outside = Outside(rules=InsideRules())
    client = RegistryClient(outside, lag_seconds=())
    back = await client.read_back(f"{host}/shop/web", TAGS, DIGEST, credentials)
    tags = await client.read_tags(f"{host}/shop/web", TAGS, credentials)
    proof = await client.find_proof(f"{host}/shop/web", TAGS, "uid/1", credentials)
    await outside.close()
    assert {back.problem, tags.problem, proof.problem} == {f"{host}: {UNTOLD}"}


async def test_a_blob_is_not_fetched_from_a_forbidden_address(registry: FakeRegistry) -> None:
    """A registry may be a stranger's, and send the operator wherever it likes."""
    came: list[object] = []
    label(registry, "uid/1")
    elsewhere = await asyncio.start_server(lambda _, writer: came.append(writer.close()), "127.0.0.2", 0)
    registry.blob_location = f"https://127.0.0.2:{elsewhere.sockets[0].getsockname()[1]}/blob"
    counts = []
    for networks in (["127.0.0.1"], ["127.0.0.0/8"]):
        outside = Outside(rules=AddressRules(allowed=parse_networks(networks)))
        found = await RegistryClient(outside).find_proof(f"{registry.host}/shop/web", TAGS, "uid/1", login(registry))
        await outside.close()
        assert found.digest is None
        counts.append(len(came))
    elsewhere.close()
    assert counts == [0, 1]


@pytest.mark.parametrize("place", ["https://127.0.0.2:1/blob", "https://127.0.0.2:port/blob", "https://[/blob"])
async def test_of_storage_inside_the_network_nothing_is_told_though_a_registry_outside_names_it(
    place: str, registry: FakeRegistry
) -> None:
    """A stranger's registry could otherwise find out with it what is there."""
    label(registry, "uid/1")
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.2", 0)
    registry.blob_location = place.replace("port", str(listening.sockets[0].getsockname()[1]))
    outside = Outside(rules=OutsideAndInside())
    found = await RegistryClient(outside).find_proof(f"{registry.host}/shop/web", TAGS, "uid/1", login(registry))
    await outside.close()
    listening.close()
    assert found.problem == f"the storage that {registry.host} names: {UNTOLD}"


async def test_certificate_of_an_unknown_ca_is_a_problem_and_no_login_is_sent(registry: FakeRegistry) -> None:
    found = await ask(registry, ca_bundle="")
    assert "certificate" in found.problem.lower()
    assert registry.seen == []


async def test_certificate_for_another_name_is_a_problem(registry: FakeRegistry) -> None:
    host = registry.host.replace("127.0.0.1", "localhost")
    found = await read(
        lambda client: client.read_back(f"{host}/shop/web", TAGS, DIGEST, login(registry, hosts=(host,)))
    )
    assert found.problem
    assert registry.seen == []


async def test_registry_that_cannot_be_reached_is_a_problem() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{closed.getsockname()[1]}"
        found = await read(
            lambda client: client.read_back(f"{host}/shop/web", TAGS, DIGEST, Credentials((host,), "push", "pw"))
        )
    assert host in found.problem


async def test_host_that_the_connector_does_not_serve_is_never_asked(registry: FakeRegistry) -> None:
    found = await ask(registry, hosts=("contoso.azurecr.io",))
    assert registry.host in found.problem
    assert registry.seen == []


@pytest.mark.parametrize(
    "changes",
    [
        {"ca_bundle": "no certificate"},
        {"ca_bundle": "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"},
        {"username": "with:colon"},
    ],
)
async def test_login_that_cannot_be_used_is_a_problem(registry: FakeRegistry, changes: dict[str, str]) -> None:
    assert (await ask(registry, **changes)).problem


async def test_password_is_in_no_problem(registry: FakeRegistry) -> None:
    registry.status = 401
    assert "hunter22" not in (await ask(registry)).problem


async def test_tags_alone_can_be_read(registry: FakeRegistry) -> None:
    del registry.references["1.2"]
    found = await read(lambda client: client.read_tags(f"{registry.host}/shop/web", TAGS, login(registry)))
    assert dict(found.tags) == {"latest": DIGEST, "1.2": None}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
async def test_all_tags_are_listed_page_by_page(count: int, registry: FakeRegistry) -> None:
    registry.references = {f"1.{number}": DIGEST for number in range(count)}
    found = await read(lambda client: client.list_tags(f"{registry.host}/shop/web", login(registry)))
    assert found == tuple(f"1.{number}" for number in range(count))


async def test_tags_that_the_registry_does_not_tell_are_not_known(registry: FakeRegistry) -> None:
    registry.status = 403
    assert await read(lambda client: client.list_tags(f"{registry.host}/shop/web", login(registry))) is None


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"tags": null}', b'{"tags": [1, null]}', b'{"tags": 5}', b"<html>"])
async def test_a_list_of_tags_that_is_none_breaks_nothing(body: bytes, registry: FakeRegistry) -> None:
    registry.odd_tags = body
    found = await read(lambda client: client.list_tags(f"{registry.host}/shop/web", login(registry)))
    assert not found


async def test_a_registry_whose_pages_never_end_is_left(registry: FakeRegistry) -> None:
    registry.odd_tags = b'{"tags": ["again"]}'
    found = await read(lambda client: client.list_tags(f"{registry.host}/shop/web", login(registry)))
    assert found == ("again",) * 100


@pytest.mark.parametrize("tag", ["\U0001f511" * 128, "a" * 129, "a b", "", ".a", "a\n"])
async def test_what_cannot_be_a_tag_is_none(tag: str, registry: FakeRegistry) -> None:
    """One odd character makes a text four times as large in memory, and a registry may list 100,000."""
    registry.odd_tags = json.dumps({"tags": ["good", tag]}).encode()
    found = await read(lambda client: client.list_tags(f"{registry.host}/shop/web", login(registry)))
    assert set(found) == {"good"}


async def test_of_many_long_tags_no_more_are_listed_than_fit_into_memory(registry: FakeRegistry) -> None:
    registry.odd_tags = json.dumps({"tags": [f"{number:05}".ljust(128, "x") for number in range(3000)]}).encode()
    found = await read(lambda client: client.list_tags(f"{registry.host}/shop/web", login(registry)))
    assert 4 * 2**20 <= sum(map(len, found)) < 5 * 2**20


async def test_a_namespace_has_one_list_of_tags_at_a_time_and_another_its_own() -> None:
    busy, gate = Counter[str](), asyncio.Event()
    most = busy.copy()

    async def handle(request: web.Request) -> web.Response:
        tenant = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")[0]
        busy[tenant] += 1
        most[tenant] = max(most[tenant], busy[tenant])
        if len(most) == 2:
            gate.set()
        await gate.wait()
        busy[tenant] -= 1
        return web.json_response({"tags": ["1"]})

    async def list_for(client: RegistryClient, host: str, tenant: str) -> Any:
        NAMESPACE.set(tenant)
        credentials = Credentials((host,), tenant, "hunter22", make_certificates()[0])
        return await client.list_tags(f"{host}/shop/web", credentials)

    async with serve(handle) as host, asyncio.timeout(20):
        tenants = ("evil", "evil", "evil", "shop")
        found = await read(
            lambda client: asyncio.gather(*(asyncio.create_task(list_for(client, host, name)) for name in tenants))
        )
    assert found == [("1",)] * 4
    assert most == {"evil": 1, "shop": 1}


async def test_a_list_of_tags_that_takes_long_is_asked_for_again_later(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it a run would begin with the first number, and runs after it would overwrite images."""
    monkeypatch.setattr(registryclient, "LIST_SECONDS", 0.0)
    registry.references = {"1.0": DIGEST}
    found = await read(lambda client: client.list_tags(f"{registry.host}/shop/web", login(registry)))
    assert isinstance(found, Waiting)
    assert (found.reason, registry.host in found.message) == (Reason.REGISTRY_UNREACHABLE, True)
    assert "firstRunNumber" in found.remedy


async def test_a_registry_that_wants_a_pause_is_asked_for_its_tags_again_later(registry: FakeRegistry) -> None:
    registry.passing, registry.retry_after = [429], "120"
    found = await read(lambda client: client.list_tags(f"{registry.host}/shop/web", login(registry)))
    assert isinstance(found, Waiting)
    assert "answered 429" in found.message


async def test_nobody_waits_for_long_until_others_have_their_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that waits works for nobody, and a namespace may make all of its resources anew at once."""
    monkeypatch.setattr(registryclient, "TURN_SECONDS", 0.0)
    come, gate = asyncio.Event(), asyncio.Event()

    async def handle(_: web.Request) -> web.Response:
        come.set()
        await gate.wait()
        return web.json_response({"tags": ["1"]})

    async def list_twice(client: RegistryClient, host: str) -> tuple[Any, ...]:
        credentials = Credentials((host,), "shop", "hunter22", make_certificates()[0])
        first = asyncio.create_task(client.list_tags(f"{host}/shop/web", credentials))
        await come.wait()
        second = await client.list_tags(f"{host}/shop/web", credentials)
        gate.set()
        return await first, second, await client.list_tags(f"{host}/shop/web", credentials)

    async with serve(handle) as host, asyncio.timeout(20):
        first, second, third = await read(lambda client: list_twice(client, host))
    assert (first, third) == (("1",), ("1",))
    assert isinstance(second, Waiting)
    assert second.reason is Reason.QUEUED


async def test_a_page_of_tags_that_are_none_is_asked_for_once(registry: FakeRegistry) -> None:
    registry.odd_tags = b'{"tags": ["a b"]}'
    assert await read(lambda client: client.list_tags(f"{registry.host}/shop/web", login(registry))) == ()
    assert len([request for request in registry.seen if request.path.endswith("/tags/list")]) == 1


def label(registry: FakeRegistry, value: str | None) -> None:
    """Give the image a config with this run label."""
    labels = {} if value is None else {meta.IMAGE_LABEL_RUN: value}
    registry.bodies[DIGEST] = json.dumps({"config": {"digest": CONFIG}}).encode()
    registry.bodies[CONFIG] = json.dumps({"config": {"Labels": labels}}).encode()


async def prove(registry: FakeRegistry, run: str = "uid/1") -> str | None:
    """The digest that is proven to be this run's."""
    return (await find_proof(registry, run)).digest


async def find_proof(registry: FakeRegistry, run: str = "uid/1") -> Proof:
    """What the registry says of the image whose tags these are."""
    found = await read(lambda client: client.find_proof(f"{registry.host}/shop/web", TAGS, run, login(registry)))
    assert isinstance(found, Proof)
    return found


@pytest.mark.parametrize("value", ["uid/1@abc", "uid/1"], ids=["", "by an earlier release"])
async def test_image_that_carries_the_runs_label_is_proof(registry: FakeRegistry, value: str) -> None:
    label(registry, value)
    assert await prove(registry, "uid/1@abc") == DIGEST


@pytest.mark.parametrize("value", ["uid/2@abc", "uid/11@abc", "uid/1@abd", "uid/1-1", "", None])
async def test_image_of_another_run_is_no_proof(registry: FakeRegistry, value: str | None) -> None:
    label(registry, value)
    assert await prove(registry, "uid/1@abc") is None


@pytest.mark.parametrize("moved", [{"latest": OTHER}, {"latest": None}])
async def test_tags_that_do_not_all_name_one_image_are_no_proof(
    registry: FakeRegistry, moved: dict[str, str | None]
) -> None:
    label(registry, "uid/1")
    changed = {**registry.references, **moved}
    registry.references = {key: value for key, value in changed.items() if value is not None}
    assert await prove(registry) is None


@pytest.mark.parametrize(
    "manifest", [b"", b"{", b"[]", b"null", b'{"config": null}', b'{"config": "x"}', b'{"config": {}}', b"[" * 100_000]
)
async def test_manifest_that_is_none_is_no_proof(registry: FakeRegistry, manifest: bytes) -> None:
    registry.bodies[DIGEST] = manifest
    assert await prove(registry) is None


@pytest.mark.parametrize("config", [b"", b"[]", b'{"config": "x"}', b'{"config": {"Labels": []}}'])
async def test_image_config_that_is_none_is_no_proof(registry: FakeRegistry, config: bytes) -> None:
    label(registry, "uid/1")
    registry.bodies[CONFIG] = config
    assert await prove(registry) is None


async def test_of_a_manifest_nothing_is_held_while_its_config_is_fetched() -> None:
    """It may have 4 MiB, one odd character makes it four times as large in memory, and the config may come slowly."""
    manifest = json.dumps({"config": {"digest": CONFIG}, "x": "\U0001f511" + "x" * 2**21}, ensure_ascii=False).encode()
    held: list[int] = []

    async def handle(request: web.Request) -> web.Response:
        if "/blobs/" in request.path:
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
            return web.Response(body=b"{}")
        body = manifest if request.method == "GET" else b""
        return web.Response(body=body, headers={"Docker-Content-Digest": DIGEST})

    async with serve(handle) as host:
        credentials = Credentials((host,), "push", "hunter22", make_certificates()[0])
        tracemalloc.start()
        found = await read(lambda client: client.read_back(f"{host}/shop/web", TAGS, DIGEST, credentials))
        await read(lambda client: client.find_proof(f"{host}/shop/web", TAGS, "uid/1", credentials))
        tracemalloc.stop()
    assert found.digest_found
    assert len(held) == 2
    assert max(held) < 4 * len(manifest)


async def test_endless_manifest_is_no_proof(registry: FakeRegistry) -> None:
    registry.bodies[DIGEST] = b"x" * (5 * 2**20)
    assert await prove(registry) is None


@pytest.mark.parametrize(("status", "passing"), [(500, True), (429, True), (403, False)])
async def test_unreadable_registry_proves_nothing_and_denies_nothing(
    status: int, passing: bool, registry: FakeRegistry
) -> None:
    registry.status = status
    found = await find_proof(registry)
    assert (found.digest, found.passing) == (None, passing)
    assert str(status) in found.problem


async def test_registry_that_wants_a_token_is_asked_for_one_once(registry: FakeRegistry) -> None:
    """An ACR answers a user name and password with the address of its token service."""
    registry.realm = f"https://{registry.host}/oauth2/token"
    assert await ask(registry) == ReadBack({"latest": DIGEST, "1.2": DIGEST}, digest_found=True)
    assert registry.tokens == 1


@pytest.mark.parametrize("status", [429, 500, 503, 0])
async def test_registry_that_fails_once_is_asked_again(registry: FakeRegistry, status: int) -> None:
    """The end of a build is told once: one bad moment must not leave it unverified for good."""
    registry.passing = [status] * 4

    async def patient(client: RegistryClient) -> ReadBack:
        return await client.read_back(f"{registry.host}/shop/web", TAGS, DIGEST, login(registry))

    assert await read(patient, lag_seconds=(0.0, 0.0)) == ReadBack({"latest": DIGEST, "1.2": DIGEST}, digest_found=True)


@pytest.mark.parametrize("status", [401, 403])
async def test_registry_that_refuses_is_not_asked_again(registry: FakeRegistry, status: int) -> None:
    registry.status = status
    refused = await read(
        lambda client: client.read_back(f"{registry.host}/shop/web", TAGS, DIGEST, login(registry)),
        lag_seconds=(60.0,),
    )
    assert str(status) in refused.problem


@pytest.mark.parametrize("challenge", ["Bearer realm=", "Bearer realm", "Bearer", 'Bearer realm="https://h:99999"', ""])
async def test_challenge_that_cannot_be_read_is_a_problem(registry: FakeRegistry, challenge: str) -> None:
    registry.challenge = challenge
    assert (await ask(registry)).problem == f"{registry.host} answered 401"


@pytest.mark.parametrize("digest", ["x", "sha512:" + "a" * 128, "sha256:../../v2", "sha256:" + "a" * 65])
async def test_proof_is_a_digest_or_none(registry: FakeRegistry, digest: str) -> None:
    registry.references = {"latest": digest, "1.2": digest, digest: digest}
    registry.bodies = {digest: json.dumps({"config": {"digest": CONFIG}}).encode()}
    registry.bodies[CONFIG] = json.dumps({"config": {"Labels": {meta.IMAGE_LABEL_RUN: "uid/1"}}}).encode()
    assert await prove(registry) is None


@pytest.mark.parametrize("host", ["contoso..azurecr.io", f"{'a' * 64}.azurecr.io"])
async def test_host_that_no_client_can_ask_for_is_a_problem(registry: FakeRegistry, host: str) -> None:
    credentials = login(registry, hosts=(host,))
    found = await read(lambda client: client.read_back(f"{host}/shop/web", TAGS, DIGEST, credentials))
    assert found.problem


@pytest.mark.parametrize(
    "realm", ["https://elsewhere.test/token", "http://{host}/oauth2/token", "nonsense", "https://[::1"]
)
async def test_login_is_taken_to_no_other_token_service(registry: FakeRegistry, realm: str) -> None:
    registry.realm = realm.format(host=registry.host)
    assert (await ask(registry)).problem == f"{registry.host} answered 401"
    assert not [request for request in registry.seen if request.path == "/oauth2/token"]


@pytest.mark.parametrize(
    ("realm", "host", "own"),
    [
        ("https://c.azurecr.io/oauth2/token", "c.azurecr.io", True),
        ("https://c.azurecr.io:443/oauth2/token", "c.azurecr.io", True),
        ("https://C.azurecr.io/oauth2/token", "c.azurecr.io", True),
        ("https://c.azurecr.io/oauth2/token", "c.azurecr.io:443", True),
        ("https://c.azurecr.io:8443/oauth2/token", "c.azurecr.io:8443", True),
        ("https://c.azurecr.io:8443/oauth2/token", "c.azurecr.io", False),
        ("http://c.azurecr.io/oauth2/token", "c.azurecr.io", False),
        ("https://c.azurecr.io.evil.test/oauth2/token", "c.azurecr.io", False),
        ("https://c.azurecr.io@evil.test/oauth2/token", "c.azurecr.io", False),
        ("/oauth2/token", "c.azurecr.io", False),
    ],
)
def test_a_login_is_exchanged_at_the_registrys_own_address_only(realm: str, host: str, own: bool) -> None:
    """With the port that https has anyway, or without it."""
    assert is_at(URL(realm), URL(f"https://{host}")) is own


class TestPause:
    """A registry that asks for fewer requests gets none from the same login before its time is over."""

    QUESTIONS: tuple[Callable[[RegistryClient, FakeRegistry], Awaitable[Any]], ...] = (
        lambda client, at: client.read_back(f"{at.host}/shop/web", TAGS, DIGEST, login(at)),
        lambda client, at: client.read_tags(f"{at.host}/shop/web", TAGS, login(at)),
        lambda client, at: client.find_proof(f"{at.host}/shop/web", TAGS, "uid/1", login(at)),
        lambda client, at: client.list_tags(f"{at.host}/shop/web", login(at)),
    )

    @pytest.mark.parametrize(("first", "asked"), [(0, 3), (1, 2), (2, 2), (3, 1)])
    async def test_no_question_is_asked_before_it_is_over(self, registry: FakeRegistry, first: int, asked: int) -> None:
        registry.passing, registry.retry_after = [429] * asked, "120"

        async def ask_all(client: RegistryClient) -> None:
            await self.QUESTIONS[first](client, registry)
            async with asyncio.timeout(10):
                await registry.passed.wait()  # what was asked at the same time is still on its way
            for question in self.QUESTIONS:
                answer = await question(client, registry)
                if isinstance(answer, Waiting):
                    assert registry.host in answer.message
                    continue
                assert (answer.passing, 0 < answer.retry_after_seconds <= 120) == (True, True)
                assert registry.host in answer.problem
            assert len(registry.seen) == asked

        await read(ask_all, lag_seconds=(60.0,))

    async def test_another_login_is_not_held_up(self, registry: FakeRegistry) -> None:
        registry.passing, registry.retry_after = [429] * 3, "120"

        async def ask_as_two(client: RegistryClient) -> list[ReadBack]:
            return [
                await client.read_back(f"{registry.host}/shop/web", TAGS, DIGEST, login(registry, username=name))
                for name in ("one", "another")
            ]

        one, another = await read(ask_as_two)
        assert (one.digest_found, another.digest_found) == (False, True)

    async def test_a_short_one_is_waited_out_at_once(self, registry: FakeRegistry) -> None:
        registry.passing, registry.retry_after = [429] * 3, "1"
        loop = asyncio.get_running_loop()
        began = loop.time()
        found = await read(
            lambda client: client.read_back(f"{registry.host}/shop/web", TAGS, DIGEST, login(registry)),
            lag_seconds=(0.0,),
        )
        assert found.digest_found
        assert loop.time() - began >= 1
