"""Logins of Azure identities: exchanged once, renewed in time, refused with patience, never anybody else's."""

import asyncio
import base64
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.api.connector import MAX_LOGINS
from buildandpush.api.reasons import Reason
from buildandpush.api.urls import AZURE_REPOS, AZURE_STORAGE
from buildandpush.clients.azure.logins import Logins
from buildandpush.core.azure.connector import LoggedIn, parse_connector
from buildandpush.core.azure.credential import Connector, Resolved
from buildandpush.core.azure.errors import LoginProblem
from buildandpush.core.azure.login import NULL_GUID, read_login_secret
from buildandpush.core.facts import LoginNeed, LoginSecretRef, Waiting
from buildandpush.core.naming import GIT_TOKEN_KEY, STORAGE_TOKEN_KEY
from tests.unit.fake_azure import NOW, FakeAzure, make_sources
from tests.unit.handlers.fake_api import FakeApi

HOST = "contoso.azurecr.io"
WEB = f"{HOST}/shop/web"
CLIENT = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
NEED = LoginNeed("acr", (HOST,), (WEB,))


@dataclass
class World:
    """A cluster with one connector of a service principal, and Azure."""

    api: FakeApi = field(default_factory=FakeApi)
    azure: FakeAzure = field(default_factory=FakeAzure)
    now: datetime = NOW
    logins: Logins = field(init=False)

    def __post_init__(self) -> None:
        self.put_connector()
        self.put_secret("first")
        self.restart()

    def restart(self, **settings: Any) -> None:
        sources = make_sources(self.api.connect(), None, lambda: self.now, self.azure, **settings)
        self.logins = sources.logins

    def put_connector(self, name: str = "acr", annotations: dict[str, str] | None = None, **changes: Any) -> None:
        principal = {"tenantId": "contoso.com", "clientId": CLIENT, "secretRef": {"name": "sp"}}
        known = self.api.objects.get((meta.CONNECTOR_PLURAL, "shop", name))
        metadata = {"namespace": "shop", "name": name, "annotations": annotations or {}}
        metadata |= {"uid": known["metadata"]["uid"]} if known else {}
        body = {"metadata": metadata, "spec": {"servicePrincipal": principal, **changes}}
        self.api.put(meta.CONNECTOR_PLURAL, body)

    def put_secret(self, value: str) -> None:
        data = {"clientSecret": base64.b64encode(value.encode()).decode()}
        self.api.put("secrets", {"metadata": {"namespace": "shop", "name": "sp"}, "data": data})

    def connector(self, name: str = "acr") -> Connector:
        found = parse_connector(self.api.get(meta.CONNECTOR_PLURAL, "shop", name))
        assert isinstance(found, Connector)
        return found

    async def ensure(self, *needs: LoginNeed, renewal: bool = False) -> LoginSecretRef | Waiting:
        return await self.logins.ensure_login("shop", needs or (NEED,), renewal=renewal)

    def secret(self, login: LoginSecretRef | Waiting) -> dict[str, Any]:
        assert isinstance(login, LoginSecretRef), login
        found: dict[str, Any] = self.api.get("secrets", "shop", str(login.secret_name))
        return found

    def auths(self, login: LoginSecretRef | Waiting) -> dict[str, dict[str, str]]:
        assert isinstance(login, LoginSecretRef), login
        secret = self.api.get("secrets", "shop", str(login.secret_name))
        auths: dict[str, dict[str, str]] = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]
        return auths


def refusing(step: str, problem: LoginProblem) -> Any:
    """Refuse one step."""
    return lambda asked, host: problem if asked == step else None


NOT_ALLOWED = LoginProblem(Reason.PUSH_NOT_ALLOWED, "401")
DENIED = LoginProblem(Reason.LOGIN_FAILED, "AADSTS7000215: Invalid client secret provided.")
BUSY = LoginProblem(Reason.LOGIN_UNAVAILABLE, "429", temporary=True)


@pytest.fixture
def world() -> World:
    return World()


async def test_pods_get_the_registrys_token_and_never_the_secret(world: World) -> None:
    login = await world.ensure()
    entry = world.auths(login)[HOST]
    username, _, token = base64.b64decode(entry["auth"]).decode().partition(":")
    assert username == NULL_GUID
    assert token.count(".") == 2
    held = world.api.get("secrets", "shop", str(login.secret_name))["data"]  # type: ignore[union-attr]
    assert not [key for key, value in held.items() if b"first" in base64.b64decode(value)]


async def test_twenty_builds_at_once_cost_one_exchange(world: World) -> None:
    needs = [LoginNeed("acr", (HOST,), (f"{HOST}/shop/web{number % 4}",)) for number in range(20)]
    found = await asyncio.gather(*(world.ensure(need) for need in needs))
    assert len({login.secret_name for login in found if isinstance(login, LoginSecretRef)}) == 1
    assert world.azure.exchanges == [("acr", HOST)]
    assert len(world.azure.accesses) == 4, "the right to push is asked once for each repository"


async def test_an_operator_that_starts_anew_exchanges_nothing(world: World) -> None:
    await world.ensure()
    world.restart()
    await world.ensure()
    assert len(world.azure.exchanges) == 1


@pytest.mark.parametrize(
    ("life", "minutes", "exchanges"),
    [
        (timedelta(hours=3), 89, 1),
        (timedelta(hours=3), 90, 2),
        (timedelta(minutes=15), 4, 1),
        (timedelta(minutes=15), 5, 2),
        (timedelta(minutes=3), 1, 1),
        (timedelta(minutes=3), 2, 2),
    ],
)
async def test_a_login_is_renewed_at_half_its_life(world: World, life: timedelta, minutes: int, exchanges: int) -> None:
    world.azure.life = life
    first = await world.ensure()
    before = world.auths(first)
    world.now += timedelta(minutes=minutes)
    again = await world.ensure(renewal=True)
    assert isinstance(first, LoginSecretRef)
    assert isinstance(again, LoginSecretRef)
    assert again.secret_name == first.secret_name
    assert len(world.azure.exchanges) == exchanges
    assert (world.auths(again) != before) is (exchanges == 2)


async def test_a_build_on_its_way_costs_no_request_until_the_login_is_due(world: World) -> None:
    await world.ensure()
    requests = len(world.api.requests)
    for _ in range(10):
        await world.ensure(renewal=True)
    assert len(world.api.requests) == requests


async def test_a_new_secret_logs_in_afresh(world: World) -> None:
    await world.ensure()
    world.put_secret("second")
    await world.ensure()
    assert len(world.azure.exchanges) == 2


async def test_the_verify_annotation_logs_in_afresh(world: World) -> None:
    await world.ensure()
    world.put_connector(annotations={meta.ANNOTATION_VERIFY: "now"})
    await world.ensure()
    assert len(world.azure.exchanges) == 2


@pytest.mark.parametrize("problem", [DENIED, BUSY])
async def test_a_refusal_is_not_asked_for_again_at_once(world: World, problem: LoginProblem) -> None:
    world.azure.refuse = refusing("token", problem)
    for _ in range(5):
        found = await world.ensure()
        assert isinstance(found, Waiting)
        assert found.reason is problem.reason
    assert len(world.azure.tokens) == 1
    waits = []
    for _ in range(8):
        before = world.now
        while len(world.azure.tokens) == len(waits) + 1:
            world.now += timedelta(seconds=10)
            await world.ensure()
        waits.append((world.now - before).total_seconds())
    assert waits == [10, 30, 90, 270, 300, 300, 300, 300]


async def test_a_server_that_asks_for_a_pause_gets_it(world: World) -> None:
    world.azure.refuse = refusing("token", replace(BUSY, retry_after_seconds=120))
    await world.ensure()
    world.now += timedelta(seconds=119)
    await world.ensure()
    assert len(world.azure.tokens) == 1
    world.now += timedelta(seconds=1)
    await world.ensure()
    assert len(world.azure.tokens) == 2


async def test_a_refusal_from_before_the_clock_went_back_is_not_remembered(world: World) -> None:
    """A node that has just started may be hours ahead, and without a network."""
    world.azure.refuse = refusing("token", BUSY)
    await world.ensure()
    world.azure.refuse = lambda step, host: None
    world.now -= timedelta(hours=8)
    assert isinstance(await world.ensure(), LoginSecretRef)


async def test_the_first_wait_is_the_installers(world: World) -> None:
    world.restart(first_backoff_seconds=1)
    world.azure.refuse = refusing("token", DENIED)
    await world.ensure()
    world.now += timedelta(seconds=1)
    await world.ensure()
    assert len(world.azure.tokens) == 2
    world.now += timedelta(seconds=2)
    await world.ensure()
    assert len(world.azure.tokens) == 2, "the next wait is three times as long"


async def test_a_corrected_secret_is_tried_at_once(world: World) -> None:
    world.azure.refuse = refusing("token", DENIED)
    await world.ensure()
    world.azure.refuse = lambda step, host: None
    world.put_secret("right")
    assert isinstance(await world.ensure(), LoginSecretRef)


async def test_a_secret_that_is_only_touched_is_no_other_login(world: World) -> None:
    await world.ensure()
    secret = world.api.get("secrets", "shop", "sp")
    secret["metadata"]["annotations"] = {"touched": "now"}
    world.api.put("secrets", secret)
    await world.ensure()
    assert len(world.azure.exchanges) == 1


async def test_nothing_is_written_while_the_login_fails(world: World) -> None:
    world.azure.refuse = refusing("exchange", DENIED)
    await world.ensure()
    assert world.api.writes == []


async def test_without_the_right_to_push_no_pod_is_made(world: World) -> None:
    world.azure.actions = ("pull",)
    found = await world.ensure()
    assert isinstance(found, Waiting)
    assert found.reason is Reason.PUSH_NOT_ALLOWED
    assert WEB in found.message
    assert "pull" in found.message
    world.azure.actions = ("pull", "push")
    world.now += timedelta(seconds=10)
    assert isinstance(await world.ensure(), LoginSecretRef)
    assert len(world.azure.exchanges) == 2, "a new role stands only in a login made afresh"


async def test_a_repository_login_is_for_exactly_the_runs_repositories(world: World) -> None:
    world.put_connector(loginScope="Repository")
    cache = f"{HOST}/shop/web/cache"
    login = await world.ensure(LoginNeed("acr", (HOST,), (WEB, cache)))
    assert set(world.auths(login)[HOST]) == {"registrytoken"}
    assert world.azure.accesses == [(HOST, ("shop/web", "shop/web/cache"))]
    assert world.azure.pulls == [], "the connector names no registry for base images"
    other = await world.ensure(LoginNeed("acr", (HOST,), (f"{HOST}/shop/api",)))
    assert isinstance(login, LoginSecretRef)
    assert isinstance(other, LoginSecretRef)
    assert login.secret_name != other.secret_name
    world.restart()
    await world.ensure(LoginNeed("acr", (HOST,), (WEB, cache)))
    assert len(world.azure.exchanges) == 1, "the token of before is good still"


async def test_a_repository_login_pulls_the_source_and_may_not_push_there(world: World) -> None:
    world.put_connector(loginScope="Repository")
    need = LoginNeed("acr", (HOST,), (WEB,), pull=(f"{HOST}/source/shop", "quay.io/shop"))
    login, other = await world.ensure(need), await world.ensure(replace(need, pull=()))
    assert world.azure.accesses == [(HOST, ("shop/web", "source/shop")), (HOST, ("shop/web",))]
    assert world.azure.scopes[0] == (
        "repository:shop/web:pull,push,metadata_read",
        "repository:source/shop:pull",
    )
    assert isinstance(login, LoginSecretRef)
    assert isinstance(other, LoginSecretRef)
    assert login.secret_name != other.secret_name
    pushes = await world.ensure(replace(need, push=(WEB, f"{HOST}/source/shop"), pull=()))
    assert isinstance(pushes, LoginSecretRef)
    assert pushes.secret_name != login.secret_name, "a token to push is no token to pull"


BASE = "base.azurecr.io"


async def test_a_repository_login_pulls_from_the_connectors_other_registries(world: World) -> None:
    world.put_connector(loginScope="Repository", registries=[HOST, BASE])
    login = await world.ensure()
    assert {host: set(entry) for host, entry in world.auths(login).items()} == {
        HOST: {"registrytoken"},
        BASE: {"registrytoken"},
    }
    assert world.azure.accesses == [(BASE, ()), (HOST, ("shop/web",))]
    assert world.azure.pulls == [BASE, HOST]


async def test_a_connector_for_base_images_may_give_pulls_only(world: World) -> None:
    world.put_connector("base", registries=[BASE], loginScope="Repository")
    login = await world.ensure(NEED, LoginNeed("base"))
    assert {host: set(entry) for host, entry in world.auths(login).items()} == {HOST: {"auth"}, BASE: {"registrytoken"}}
    assert (BASE, ()) in world.azure.accesses
    assert world.azure.pulls == [BASE]


@pytest.mark.parametrize(("tells", "asked"), [(True, 1), (False, 2)])
async def test_a_registry_with_roles_for_repositories_gives_a_token_for_the_runs_own(
    world: World, tells: bool, asked: int
) -> None:
    world.azure.abac, world.azure.tells_abac = frozenset({HOST}), tells
    world.put_connector(loginScope="Repository", registries=[HOST])
    login = await world.ensure()
    assert set(world.auths(login)[HOST]) == {"registrytoken"}
    assert world.azure.accesses == [(HOST, ("shop/web",))] * asked
    await world.ensure(LoginNeed("acr", (HOST,), (f"{HOST}/shop/api",)))
    assert len(world.azure.accesses) == asked + 1, "what the registry refuses is not asked for again"


async def test_such_a_registry_is_left_out_where_base_images_may_come_from(world: World) -> None:
    world.azure.abac = frozenset({BASE})
    world.put_connector(loginScope="Repository", registries=[HOST, BASE])
    assert set(world.auths(await world.ensure())) == {HOST}


async def test_such_a_registry_for_base_images_is_told(world: World) -> None:
    world.azure.abac = frozenset({BASE})
    world.put_connector("base", registries=[BASE], loginScope="Repository")
    found = await world.ensure(NEED, LoginNeed("base"))
    assert isinstance(found, Waiting)
    assert found.reason is Reason.CONNECTOR_INVALID
    assert "base.azurecr.io gives connector 'base' no token that pulls from all" in found.message
    assert "loginScope Registry" in found.message


async def test_a_pull_from_everywhere_is_no_right_to_push(world: World) -> None:
    world.azure.pull_only = frozenset({"shop/web"})
    world.put_connector(loginScope="Repository", registries=[HOST])
    found = await world.ensure()
    assert isinstance(found, Waiting)
    assert found.reason is Reason.PUSH_NOT_ALLOWED
    assert len(world.azure.accesses) == 1


async def test_a_busy_registry_is_not_asked_twice(world: World) -> None:
    world.put_connector(loginScope="Repository", registries=[HOST])
    world.azure.refuse = refusing("access", BUSY)
    assert isinstance(await world.ensure(), Waiting)
    assert len(world.azure.accesses) == 1


async def test_two_connectors_share_one_login_secret(world: World) -> None:
    world.put_connector("base", registries=["base.azurecr.io"])
    login = await world.ensure(NEED, LoginNeed("base"))
    assert set(world.auths(login)) == {HOST, "base.azurecr.io"}
    owners = world.api.get("secrets", "shop", str(login.secret_name))["metadata"]["ownerReferences"]  # type: ignore[union-attr]
    assert {owner["name"] for owner in owners} == {"acr", "base"}


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ({"registries": [HOST]}, "both serve"),
        ({}, "names no registries"),
        ({"registries": ["b.example.com"]}, "allowedRegistries"),
    ],
)
async def test_base_connectors_that_cannot_serve_are_told(world: World, base: dict[str, Any], words: str) -> None:
    world.put_connector("base", **base)
    found = await world.ensure(NEED, LoginNeed("base"))
    assert isinstance(found, Waiting)
    assert found.reason is Reason.CONNECTOR_INVALID
    assert words in found.message
    assert world.azure.exchanges == []


async def test_a_look_alike_host_gets_no_token(world: World) -> None:
    host = "x.azurecr.io.evil.test"
    found = await world.ensure(LoginNeed("acr", (host,), (f"{host}/shop/web",)))
    assert isinstance(found, Waiting)
    assert found.reason is Reason.CONNECTOR_INVALID
    assert (world.azure.tokens, world.azure.exchanges) == ([], [])


@pytest.mark.parametrize("scope", ["Registry", "Repository"])
async def test_a_cache_that_may_only_be_pulled_costs_no_build(world: World, scope: str) -> None:
    world.azure.pull_only = frozenset({"shared/cache"})
    world.put_connector(loginScope=scope)
    need = LoginNeed("acr", (HOST,), (WEB,), (f"{HOST}/shared/cache",))
    assert isinstance(await world.ensure(need), LoginSecretRef)
    assert world.azure.accesses[-1] == (HOST, ("shop/web", "shared/cache"))
    world.azure.pull_only = frozenset({"shop/web"})
    world.restart()
    world.now += timedelta(hours=2)
    refused = await world.ensure(LoginNeed("acr", (HOST,), (WEB,), (f"{HOST}/shared/other",)))
    assert isinstance(refused, Waiting)
    assert refused.reason is Reason.PUSH_NOT_ALLOWED


async def test_a_cache_that_no_connector_serves_is_told(world: World) -> None:
    found = await world.ensure(LoginNeed("acr", (HOST,), (WEB, "other.azurecr.io/cache")))
    assert isinstance(found, Waiting)
    assert "other.azurecr.io" in found.message


async def test_the_check_tells_of_the_login_and_costs_the_builds_no_second_one(world: World) -> None:
    world.put_connector(registries=[HOST])
    found = await world.logins.check(world.connector())
    assert isinstance(found, LoggedIn)
    assert found.registries == (HOST,)
    assert found.identity.client_id == CLIENT
    await world.ensure()
    assert len(world.azure.exchanges) == 1


async def test_the_check_tells_of_a_refusal_in_azures_words(world: World) -> None:
    world.azure.refuse = refusing("token", DENIED)
    found = await world.logins.check(world.connector())
    assert isinstance(found, LoginProblem)
    assert "AADSTS7000215" in found.message


async def test_a_login_that_nobody_renewed_is_removed_once_it_has_ended(world: World) -> None:
    login = await world.ensure()
    assert isinstance(login, LoginSecretRef)
    name = str(login.secret_name)
    assert not await world.logins.remove_login(world.connector(), name), "it lives"
    world.now += timedelta(hours=3)
    assert await world.logins.remove_login(world.connector(), name)
    assert not [body for body in world.api.all("secrets") if body["metadata"]["name"] == name]


async def test_a_secret_of_somebody_elses_is_never_removed(world: World) -> None:
    data = {".dockerconfigjson": "e30="}
    world.api.put("secrets", {"metadata": {"namespace": "shop", "name": "theirs"}, "data": data})
    assert not await world.logins.remove_login(world.connector(), "theirs")
    assert world.api.get("secrets", "shop", "theirs")


# ---- a login that lives still


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("step", ["token", "exchange", "access"])
async def test_a_login_that_lives_still_is_used_while_azure_is_away(world: World, step: str, restart: bool) -> None:
    before = world.auths(await world.ensure())
    world.now += timedelta(hours=2)
    world.azure.refuse = refusing(step, BUSY)
    if restart and step != "access":
        world.restart()
        # What the registry allows is not known any more, and asked with the login that lives still.
    login = await world.ensure(renewal=True)
    assert isinstance(login, LoginSecretRef)
    assert (world.auths(login) == before) is (step != "access"), "a login made afresh is good as well"
    assert login.renew_at is not None
    assert login.renew_at == world.now + timedelta(seconds=30) if step != "access" else login.renew_at > world.now
    world.now += timedelta(minutes=5)
    world.azure.refuse = lambda step, host: None
    assert world.auths(await world.ensure(renewal=True)) != before


async def test_a_login_about_to_end_is_not_used_any_more(world: World) -> None:
    await world.ensure()
    world.azure.refuse = refusing("exchange", BUSY)
    world.now += timedelta(hours=2, minutes=59)
    assert isinstance(await world.ensure(), Waiting)


@pytest.mark.parametrize("problem", [DENIED, LoginProblem(Reason.EXCHANGE_REFUSED, "401")])
async def test_a_login_that_is_refused_for_good_is_not_used_any_more(world: World, problem: LoginProblem) -> None:
    await world.ensure()
    world.now += timedelta(hours=2)
    world.azure.refuse = refusing("exchange", problem)
    found = await world.ensure()
    assert isinstance(found, Waiting)
    assert found.reason is problem.reason


async def test_a_login_of_another_secret_is_not_used_while_azure_is_away(world: World) -> None:
    await world.ensure()
    world.put_secret("second")
    world.azure.refuse = refusing("token", BUSY)
    assert isinstance(await world.ensure(), Waiting)


@pytest.mark.parametrize("step", ["exchange", "access"])
async def test_a_repository_login_that_lives_still_is_used_while_azure_is_away(world: World, step: str) -> None:
    world.put_connector(loginScope="Repository")
    before = world.auths(await world.ensure())
    world.restart()
    world.now += timedelta(minutes=70)
    world.azure.refuse = refusing(step, BUSY)
    assert world.auths(await world.ensure()) == before
    world.now += timedelta(minutes=5)
    assert isinstance(await world.ensure(), Waiting)


async def test_a_host_that_may_be_needed_keeps_its_login_while_it_lives(world: World) -> None:
    base = "base.azurecr.io"
    world.put_connector(registries=[HOST, base])
    before = world.auths(await world.ensure())
    assert set(before) == {HOST, base}
    world.now += timedelta(hours=2)
    world.azure.refuse = lambda step, host: DENIED if host == base and step == "exchange" else None
    now = await world.ensure()
    assert world.auths(now)[base] == before[base]
    assert world.auths(now)[HOST] != before[HOST]
    world.now += timedelta(hours=1)
    later = await world.ensure()
    assert set(world.auths(later)) == {HOST}
    (login,) = world.logins.logins_of(world.connector().uid).values()
    assert login.registries == [HOST], "the status tells of the logins that are there"


# ---- what the registry allows


async def test_a_role_that_is_granted_later_is_seen_though_a_login_is_kept(world: World) -> None:
    await world.ensure()
    api = LoginNeed("acr", (HOST,), (f"{HOST}/shop/api",))
    world.azure.refuse = lambda step, host: NOT_ALLOWED if (step, len(world.azure.exchanges)) == ("access", 1) else None
    found = await world.ensure(api)
    assert isinstance(found, Waiting)
    assert found.reason is Reason.PUSH_NOT_ALLOWED
    assert "shop/api" in found.message
    assert isinstance(await world.ensure(api), Waiting)
    assert len(world.azure.exchanges) == 1, "nothing is asked before the time for it"
    world.now += timedelta(seconds=10)
    assert isinstance(await world.ensure(api), LoginSecretRef)
    assert len(world.azure.exchanges) == 2
    assert isinstance(await world.ensure(), LoginSecretRef)


async def test_no_refused_login_comes_back_however_often_it_was_asked(world: World) -> None:
    await world.ensure()
    api = LoginNeed("acr", (HOST,), (f"{HOST}/shop/api",))
    world.azure.refuse = refusing("access", NOT_ALLOWED)
    for exchanges, seconds in ((1, 10), (2, 30), (3, 90), (4, 270)):
        assert isinstance(await world.ensure(api), Waiting)
        assert len(world.azure.exchanges) == exchanges
        world.now += timedelta(seconds=seconds)


async def test_a_refusal_that_lasts_costs_an_exchange_for_each_time_it_is_asked_for(world: World) -> None:
    world.azure.refuse = refusing("access", NOT_ALLOWED)
    for _ in range(60):
        assert isinstance(await world.ensure(), Waiting)
        world.now += timedelta(seconds=10)
    assert len(world.azure.exchanges) == len(world.azure.accesses) == 5  # after 0, 10, 40, 130 and 400 s


@pytest.mark.parametrize(
    "reason", [Reason.EXCHANGE_REFUSED, Reason.REGISTRY_NETWORK_DENIED, Reason.REGISTRY_UNREACHABLE]
)
async def test_what_is_no_word_about_the_push_is_told_as_what_it_is(world: World, reason: Reason) -> None:
    world.azure.refuse = refusing(
        "access", LoginProblem(reason, "302", temporary=reason is Reason.REGISTRY_UNREACHABLE)
    )
    found = await world.ensure()
    assert isinstance(found, Waiting)
    assert found.reason is reason
    world.now += timedelta(seconds=10)
    await world.ensure()
    assert len(world.azure.exchanges) == 1, "the login is as good as before"


# ---- odd tokens


@pytest.mark.parametrize("life", [timedelta(0), timedelta(minutes=-1)])
async def test_a_token_that_has_ended_is_no_login(world: World, life: timedelta) -> None:
    world.azure.life = life
    found = await world.ensure()
    assert isinstance(found, Waiting)
    assert found.reason is Reason.REGISTRY_UNREACHABLE
    assert "ended" in found.message
    assert isinstance(await world.logins.check(world.connector()), LoggedIn), "nobody asked the registry"
    world.azure.life = timedelta(hours=3)
    world.now += timedelta(seconds=10)
    assert isinstance(await world.ensure(), LoginSecretRef)


async def test_a_token_of_yesterday_is_no_login(world: World) -> None:
    world.azure.clock = lambda: world.now - timedelta(days=1)
    found = await world.ensure()
    assert isinstance(found, Waiting)
    assert found.reason is Reason.REGISTRY_UNREACHABLE


# ---- what is told and forgotten


async def test_the_check_tells_when_the_login_ends(world: World) -> None:
    world.put_connector(registries=[HOST])
    found = await world.logins.check(world.connector())
    assert isinstance(found, LoggedIn)
    assert found.expires_at == NOW + timedelta(hours=3)


async def test_a_connector_that_is_gone_is_forgotten(world: World) -> None:
    await world.ensure()
    uid = world.connector().uid
    await world.logins.forget("shop", "acr", uid)
    assert world.azure.forgotten == [uid]
    assert world.logins.logins_of(uid) == {}
    world.api.drop("secrets", "shop", world.api.all("secrets")[-1]["metadata"]["name"])
    login = await world.ensure(renewal=True)
    assert len(world.azure.exchanges) == 2
    assert world.secret(login), "made anew, though a build used it already"


# ---- how many


async def fill(world: World, count: int) -> None:
    """As many login Secrets, one for each repository."""
    world.put_connector(loginScope="Repository")
    for number in range(count):
        need = LoginNeed("acr", (HOST,), (f"{HOST}/shop/web{number}",))
        assert isinstance(await world.ensure(need), LoginSecretRef)


async def test_no_more_logins_are_made_than_can_be_kept_track_of(world: World) -> None:
    await fill(world, MAX_LOGINS)
    status = {"logins": [item.to_dict() for item in world.logins.logins_of(world.connector().uid).values()]}
    found = await world.ensure()
    assert isinstance(found, Waiting)
    assert found.reason is Reason.TOO_MANY_LOGINS
    assert "acr" in found.message
    # An operator that starts anew knows them by the connector's status.
    body = world.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")
    world.api.put(meta.CONNECTOR_PLURAL, {**body, "status": status})
    world.restart()
    assert isinstance(await world.ensure(), Waiting)
    known = LoginNeed("acr", (HOST,), (f"{HOST}/shop/web0",))
    assert isinstance(await world.ensure(known), LoginSecretRef)
    world.now += timedelta(minutes=75)
    used = await world.ensure(known)
    assert isinstance(used, LoginSecretRef)
    (first, *_) = [item["secretName"] for item in status["logins"] if item["secretName"] != used.secret_name]
    assert await world.logins.remove_login(world.connector(), first)
    left = [item for item in status["logins"] if item["secretName"] != first]
    world.api.put(meta.CONNECTOR_PLURAL, {**body, "status": {"logins": left}})
    assert isinstance(await world.ensure(), LoginSecretRef)


async def test_logins_made_side_by_side_are_counted_as_well(world: World) -> None:
    await fill(world, MAX_LOGINS - 1)
    needs = [LoginNeed("acr", (HOST,), (f"{HOST}/shop/api{number}",)) for number in range(4)]
    found = await asyncio.gather(*(world.ensure(need) for need in needs))
    assert sum(isinstance(item, LoginSecretRef) for item in found) == 1
    assert len(world.logins.logins_of(world.connector().uid)) == MAX_LOGINS


async def test_a_login_of_an_unreadable_record_is_made_afresh(world: World) -> None:
    login = await world.ensure()
    secret = world.secret(login)
    for stamp in ("2026-01-02T03:04:05", "now", 5):
        records = [{"host": HOST, "version": "v", "issuedAt": stamp, "expiresAt": stamp}]
        secret["data"]["login.json"] = base64.b64encode(json.dumps(records).encode()).decode()
        world.api.put("secrets", secret)
        world.restart()
        assert set(read_login_secret(world.secret(await world.ensure()))) == {HOST}


async def test_what_is_too_long_for_a_token_is_no_login_of_before(world: World) -> None:
    """Whoever may write Secrets of the namespace could fill the operator's memory with it."""
    login = await world.ensure()
    secret = world.secret(login)
    auths = {"auths": {HOST: {"auth": base64.b64encode(f"{NULL_GUID}:{'x' * 500_000}".encode()).decode()}}}
    secret["data"][".dockerconfigjson"] = base64.b64encode(json.dumps(auths).encode()).decode()
    world.api.put("secrets", secret)
    world.restart()
    made = world.secret(await world.ensure())
    assert len(read_login_secret(made)[HOST].password) < 20_000


# ---- Azure Repos


GIT_NEED = LoginNeed("acr", service=AZURE_REPOS)


def git_token(world: World, login: LoginSecretRef | Waiting) -> str:
    return base64.b64decode(world.secret(login)["data"][GIT_TOKEN_KEY]).decode()


async def test_the_token_for_azure_repos_is_in_no_docker_config(world: World) -> None:
    login = await world.ensure(NEED, GIT_NEED)
    assert list(world.auths(login)) == [HOST]
    assert git_token(world, login).startswith("entra-token-")
    assert git_token(world, login) not in base64.b64decode(world.secret(login)["data"][".dockerconfigjson"]).decode()


async def test_the_token_for_azure_repos_is_made_anew_before_its_end_and_kept_until_then(world: World) -> None:
    first = git_token(world, await world.ensure(NEED, GIT_NEED))
    world.restart()
    world.now += timedelta(minutes=49)
    assert git_token(world, await world.ensure(NEED, GIT_NEED)) == first, "the Secret still holds it"
    world.now += timedelta(minutes=2)
    assert git_token(world, await world.ensure(NEED, GIT_NEED, renewal=True)) != first


async def test_while_azure_is_away_builds_share_a_token_for_azure_repos_that_still_works(world: World) -> None:
    first = git_token(world, await world.ensure(NEED, GIT_NEED))
    world.now += timedelta(minutes=51)
    world.azure.refuse = refusing("token", BUSY)
    for _ in range(2):  # the second is not even asked for: it was refused just now
        assert git_token(world, await world.ensure(GIT_NEED, NEED)) == first


async def test_no_registry_is_asked_for_a_build_that_only_reads_azure_repos(world: World) -> None:
    login = await world.ensure(GIT_NEED)
    assert world.auths(login) == {}
    assert world.azure.exchanges == []


async def test_a_refused_identity_is_told_for_azure_repos_too(world: World) -> None:
    world.azure.refuse = refusing("token", DENIED)
    refused = await world.ensure(GIT_NEED)
    assert isinstance(refused, Waiting)
    assert (refused.reason, refused.message) == (Reason.LOGIN_FAILED, DENIED.detail)


async def test_a_password_is_no_login_to_azure_repos(world: World) -> None:
    body = {"registryCredentials": {"secretRef": {"name": "sp"}}, "registries": [HOST]}
    world.api.put(meta.CONNECTOR_PLURAL, {"metadata": {"namespace": "shop", "name": "push"}, "spec": body})
    data = {key: base64.b64encode(b"x").decode() for key in ("username", "password")}
    world.api.put("secrets", {"metadata": {"namespace": "shop", "name": "sp"}, "data": data})
    refused = await world.ensure(LoginNeed("push", service=AZURE_REPOS))
    assert isinstance(refused, Waiting)
    assert refused.reason is Reason.CONNECTOR_INVALID
    assert "identity of Entra ID" in refused.message


# ---- Azure Storage


async def test_each_service_gets_a_token_of_its_own(world: World) -> None:
    """One for Azure Storage is no use for Azure Repos, and the pod mounts the one that its source needs."""
    login = await world.ensure(NEED, GIT_NEED, LoginNeed("acr", service=AZURE_STORAGE))
    data = world.secret(login)["data"]
    assert data[GIT_TOKEN_KEY] != data[STORAGE_TOKEN_KEY]
    assert list(world.auths(login)) == [HOST]
    assert {"https://storage.azure.com", "499b84ac-1321-427f-aa17-267ca6975798"} < set(world.azure.tokens)
    world.restart()
    again = world.secret(await world.ensure(NEED, GIT_NEED, LoginNeed("acr", service=AZURE_STORAGE)))["data"]
    assert again[STORAGE_TOKEN_KEY] == data[STORAGE_TOKEN_KEY], "the Secret still holds it"


async def test_each_login_is_told_as_it_is_made_renewed_or_refused(world: World) -> None:
    told: list[Reason] = []
    world.restart(on_login=told.append)
    await world.ensure()
    await world.ensure()
    assert told == [Reason.LOGGED_IN], "one that is fresh is not made again"
    world.now += timedelta(hours=2)
    world.azure.refuse = refusing("exchange", BUSY)
    await world.ensure()
    assert told[1:] == [Reason.LOGIN_UNAVAILABLE]
    world.now += timedelta(minutes=10)
    world.azure.refuse = lambda asked, host: None
    await world.ensure()
    assert told[2:] == [Reason.LOGGED_IN]


async def test_the_oldest_login_that_has_not_ended_has_an_age(world: World) -> None:
    world.azure.life = timedelta(hours=3)
    sources = make_sources(world.api.connect(), None, lambda: world.now, world.azure)
    identities, connector = sources.logins._identities, await sources.logins.resolve("shop", "acr")
    assert isinstance(connector, Resolved)
    assert identities.oldest_seconds() == 0
    await identities.log_in(connector, HOST)
    world.now += timedelta(hours=1)
    await identities.log_in(connector, "other.azurecr.io")
    world.now += timedelta(minutes=1)
    assert identities.oldest_seconds() == 3660
    world.now += timedelta(hours=2)
    assert identities.oldest_seconds() == 7260, "the first one has ended"
