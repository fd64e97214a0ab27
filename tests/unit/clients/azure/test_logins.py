"""The login Secret of build pods is made, kept fresh, and never anybody else's."""

import asyncio
import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.clients.azure.sharedlogins import SharedLogins
from buildandpush.clients.errors import ConflictError
from buildandpush.core.azure.connector import parse_connector
from buildandpush.core.azure.credential import Connector
from buildandpush.core.facts import LoginNeed, LoginSecretRef, Waiting
from tests.unit.clients.fake_registry import make_certificates
from tests.unit.fake_azure import NOW, make_sources
from tests.unit.handlers.fake_api import FakeApi, Write

HOST = "contoso.azurecr.io"


def b64(text: str) -> str:
    """As Secrets hold their values."""
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def api() -> FakeApi:
    """A cluster with a connector and its Secret."""
    fake = FakeApi()
    put_connector(fake)
    put_password(fake, "first")
    return fake


def put_connector(api: FakeApi, **changes: Any) -> None:
    """Write the connector."""
    spec = {"registryCredentials": {"secretRef": {"name": "acr-push"}}, "registries": [HOST], **changes}
    known = api.objects.get((meta.CONNECTOR_PLURAL, "shop", "acr"))
    uid = {"uid": known["metadata"]["uid"]} if known else {}
    api.put(meta.CONNECTOR_PLURAL, {"metadata": {"namespace": "shop", "name": "acr", **uid}, "spec": spec})


def put_password(api: FakeApi, password: str) -> None:
    """Write the user's Secret."""
    api.put(
        "secrets",
        {
            "metadata": {"namespace": "shop", "name": "acr-push"},
            "data": {"username": b64("push"), "password": b64(password)},
        },
    )


async def ensure(
    api: FakeApi, *, registry: str = HOST, connector: str = "acr", now: datetime = NOW
) -> LoginSecretRef | Waiting:
    """The login, or what it waits for."""
    logins = make_sources(api.connect(), None, lambda: now).logins
    return await logins.ensure_login("shop", (LoginNeed(connector, (registry,), (f"{registry}/shop/web",)),))


def made(api: FakeApi) -> dict[str, Any]:
    """The login Secret."""
    (found,) = [body for body in api.all("secrets") if body["metadata"]["name"] != "acr-push"]
    return found


def password_in(secret: dict[str, Any]) -> str:
    """The password that build pods would log in with."""
    config = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
    return base64.b64decode(config["auths"][HOST]["auth"]).decode().removeprefix("push:")


async def test_login_is_made_once(api: FakeApi) -> None:
    first = await ensure(api)
    assert isinstance(first, LoginSecretRef)
    assert first.secret_name == made(api)["metadata"]["name"]
    assert password_in(made(api)) == "first"
    writes = len(api.writes)
    assert await ensure(api) == first
    assert len(api.writes) == writes, "a login that is up to date is left alone"


async def test_new_password_reaches_the_login_in_place(api: FakeApi) -> None:
    first = await ensure(api)
    put_password(api, "second")
    second = await ensure(api)
    assert isinstance(first, LoginSecretRef)
    assert isinstance(second, LoginSecretRef)
    assert first.secret_name == second.secret_name
    assert password_in(made(api)) == "second"


async def test_certificate_comes_and_goes_with_the_connectors(api: FakeApi) -> None:
    put_connector(api, caBundle=make_certificates()[0])
    with_ca = await ensure(api)
    assert f"ca-{HOST}.crt" in made(api)["data"]
    put_connector(api)
    without = await ensure(api)
    assert set(made(api)["data"]) == {".dockerconfigjson", "login.json"}
    assert isinstance(with_ca, LoginSecretRef)
    assert isinstance(without, LoginSecretRef)
    assert (with_ca.ca_hosts, without.ca_hosts) == ((HOST,), ())


async def test_other_hosts_have_another_login(api: FakeApi) -> None:
    one = await ensure(api)
    put_connector(api, registries=[HOST, "base.azurecr.io"])
    other = await ensure(api)
    assert isinstance(one, LoginSecretRef)
    assert isinstance(other, LoginSecretRef)
    assert one.secret_name != other.secret_name


@pytest.mark.parametrize(
    "foreign",
    [
        {"labels": {}},
        {"labels": {meta.LABEL_LOGIN: "true"}, "ownerReferences": []},
        {"labels": {meta.LABEL_LOGIN: "true"}, "ownerReferences": [{"uid": "somebody"}]},
    ],
)
async def test_secret_of_somebody_elses_is_never_touched(api: FakeApi, foreign: dict[str, Any]) -> None:
    await ensure(api)
    name = made(api)["metadata"]["name"]
    body = {"metadata": {"namespace": "shop", "name": name, **foreign}, "data": {"theirs": "eA=="}}
    api.drop("secrets", "shop", name)
    theirs = api.put("secrets", body)
    api.writes.clear()
    found = await ensure(api)
    assert isinstance(found, Waiting)
    assert found.reason is Reason.NAME_COLLISION
    assert name in found.message
    assert api.writes == []
    assert made(api) == theirs


async def test_login_made_by_another_meanwhile_is_taken(api: FakeApi) -> None:
    """Two workers make the login of one connector at the same time."""
    await ensure(api)
    ours = made(api)
    api.drop("secrets", "shop", ours["metadata"]["name"])

    def race(write: Write) -> None:
        api.before_write = lambda _: None
        api.put("secrets", ours)

    api.before_write = race
    found = await ensure(api)
    assert isinstance(found, LoginSecretRef)
    assert made(api)["data"] == ours["data"]


async def test_login_changed_meanwhile_is_not_overwritten(api: FakeApi) -> None:
    await ensure(api)
    put_password(api, "second")

    def race(write: Write) -> None:
        api.before_write = lambda _: None
        changed = made(api)
        changed["metadata"]["labels"] = {}
        api.put("secrets", changed)

    api.before_write = race
    try:
        found = await ensure(api)
    except ConflictError:
        found = await ensure(api)  # the queue comes again
    assert isinstance(found, Waiting)
    assert password_in(made(api)) == "first", "it was somebody else's by then"


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ((meta.CONNECTOR_PLURAL, "acr"), Reason.CONNECTOR_MISSING),
        (("secrets", "acr-push"), Reason.SECRET_MISSING),
    ],
)
async def test_what_is_missing_is_waited_for(api: FakeApi, missing: tuple[str, str], reason: Reason) -> None:
    body = api.get(missing[0], "shop", missing[1])
    api.drop(missing[0], "shop", missing[1])
    found = await ensure(api)
    assert isinstance(found, Waiting)
    assert found.reason is reason
    assert missing[1] in found.message
    assert api.writes == []
    api.put(missing[0], body)
    assert isinstance(await ensure(api), LoginSecretRef)


async def test_registry_that_the_connector_does_not_serve_gets_no_login(api: FakeApi) -> None:
    found = await ensure(api, registry="evil.example")
    assert isinstance(found, Waiting)
    assert found.reason is Reason.CONNECTOR_INVALID
    assert api.writes == []


async def test_password_is_in_no_answer(api: FakeApi) -> None:
    put_password(api, "hunter22")
    assert "hunter22" not in repr(await ensure(api))


async def test_a_password_is_looked_at_again_each_hour_while_a_build_runs(api: FakeApi) -> None:
    now = NOW
    logins = make_sources(api.connect(), None, lambda: now).logins
    needs = (LoginNeed("acr", (HOST,), (f"{HOST}/shop/web",)),)
    first = await logins.ensure_login("shop", needs)
    assert isinstance(first, LoginSecretRef)
    assert first.renew_at == NOW + timedelta(hours=1)
    put_password(api, "second")
    now = NOW + timedelta(minutes=59)
    await logins.ensure_login("shop", needs, renewal=True)
    assert password_in(made(api)) == "first"
    now = NOW + timedelta(hours=1)
    again = await logins.ensure_login("shop", needs, renewal=True)
    assert password_in(made(api)) == "second"
    assert isinstance(again, LoginSecretRef)
    assert again.secret_name == first.secret_name


async def test_a_passwords_login_is_written_once_an_hour_and_not_with_every_build(api: FakeApi) -> None:
    await ensure(api)
    writes = len(api.writes)
    for minutes, more in ((30, 0), (59, 0), (60, 1)):
        await ensure(api, now=NOW + timedelta(minutes=minutes))
        assert len(api.writes) == writes + more


async def test_a_passwords_login_that_no_build_uses_is_removed(api: FakeApi) -> None:
    now = NOW
    logins = make_sources(api.connect(), None, lambda: now).logins
    found = await logins.ensure_login("shop", (LoginNeed("acr", (HOST,), (f"{HOST}/shop/web",)),))
    assert isinstance(found, LoginSecretRef)
    connector = parse_connector(api.get(meta.CONNECTOR_PLURAL, "shop", "acr"))
    assert isinstance(connector, Connector)
    name = str(found.secret_name)
    now = NOW + timedelta(minutes=119)
    assert not await logins.remove_login(connector, name)
    now = NOW + timedelta(hours=2)
    assert logins.logins_of(connector.uid)[name].expires_at == now
    assert await logins.remove_login(connector, name)
    assert logins.logins_of(connector.uid) == {}


async def test_a_login_of_before_without_an_end_gets_one(api: FakeApi) -> None:
    await ensure(api)
    secret = made(api)
    record = json.loads(base64.b64decode(secret["data"]["login.json"]))
    secret["data"]["login.json"] = b64(json.dumps([{**record[0], "issuedAt": None, "expiresAt": None}]))
    api.put("secrets", secret)
    await ensure(api)
    assert json.loads(base64.b64decode(made(api)["data"]["login.json"]))[0]["expiresAt"]


async def test_a_login_that_is_somebody_elses_is_not_told_as_ours(api: FakeApi) -> None:
    await ensure(api)
    name = made(api)["metadata"]["name"]
    api.drop("secrets", "shop", name)
    logins = make_sources(api.connect(), None, lambda: NOW).logins

    def race(write: Write) -> None:
        api.before_write = lambda _: None
        api.put("secrets", {"metadata": {"namespace": "shop", "name": name}, "data": {"theirs": "eA=="}})

    api.before_write = race
    found = await logins.ensure_login("shop", (LoginNeed("acr", (HOST,), (f"{HOST}/shop/web",)),))
    assert isinstance(found, Waiting)
    assert logins.logins_of(api.get(meta.CONNECTOR_PLURAL, "shop", "acr")["metadata"]["uid"]) == {}


async def test_a_login_that_is_just_being_made_is_not_taken_for_gone(api: FakeApi) -> None:
    """Removal of the one before finds no Secret while the next is on its way to the API server."""
    now = NOW
    logins = make_sources(api.connect(), None, lambda: now).logins
    needs = (LoginNeed("acr", (HOST,), (f"{HOST}/shop/web",)),)
    first = await logins.ensure_login("shop", needs)
    assert isinstance(first, LoginSecretRef)
    name = str(first.secret_name)
    connector = parse_connector(api.get(meta.CONNECTOR_PLURAL, "shop", "acr"))
    assert isinstance(connector, Connector)
    api.drop("secrets", "shop", name)
    now = NOW + timedelta(hours=3)
    removed: list[bool] = []

    async def look() -> None:
        removed.append(await logins.remove_login(connector, name))

    tasks: list[asyncio.Task[None]] = []

    def race(write: Write) -> None:
        api.before_write = lambda _: None
        tasks.append(asyncio.ensure_future(look()))

    api.before_write = race
    await logins.ensure_login("shop", needs)
    await asyncio.gather(*tasks)
    assert removed == [False]
    assert name in logins.logins_of(connector.uid)


async def test_builds_that_ask_at_the_same_time_ask_the_api_server_once(api: FakeApi) -> None:
    logins = make_sources(api.connect(), None, lambda: NOW, logins_class=SharedLogins).logins
    needs = (LoginNeed("acr", (HOST,), (f"{HOST}/shop/web",)),)
    first = await logins.ensure_login("shop", needs)
    api.requests.clear()
    found = await asyncio.gather(*(logins.ensure_login("shop", needs) for _ in range(20)))
    assert found == [first] * 20
    assert len(api.requests) == 2 * 3, "connector, its Secret and the login: for the first, then for all the others"
    api.requests.clear()
    given = await asyncio.gather(*(logins.find_credentials("shop", "acr", HOST) for _ in range(20)))
    assert len(set(given)) == 1
    assert len(api.requests) == 2 * 2


async def test_a_password_that_is_corrected_while_others_ask_is_the_one_that_counts(api: FakeApi) -> None:
    logins = make_sources(api.connect(), None, lambda: NOW, logins_class=SharedLogins).logins
    needs = (LoginNeed("acr", (HOST,), (f"{HOST}/shop/web",)),)
    before = asyncio.create_task(logins.ensure_login("shop", needs))
    for _ in range(100):
        if any(request.endswith("/secrets/acr-push") for request in api.requests):
            break
        await asyncio.sleep(0)
    put_password(api, "second")
    await logins.ensure_login("shop", needs)
    assert password_in(made(api)) == "second"
    await before
