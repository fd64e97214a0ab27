"""How many requests go out, in time that the tests pass."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.clients.buckets import ASKER, Buckets, Kind, classify_request
from buildandpush.clients.recent import MAX_ENTRIES


class Time:
    """A clock that stands still until somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("method", "path", "kinds"),
    [
        ("GET", "/v2/shop/web/manifests/1.0", (Kind.READ,)),
        ("HEAD", "/v2/shop/web/manifests/1.0", (Kind.READ,)),
        ("GET", "/acr/v1/shop/web/_tags/1.0", (Kind.READ,)),
        ("GET", "/v2/shop/web/referrers/sha256:0", (Kind.READ, Kind.REFERRERS)),
        ("PUT", "/v2/shop/web/manifests/1.0", (Kind.WRITE,)),
        ("POST", "/v2/shop/web/blobs/uploads/", (Kind.WRITE,)),
        ("PATCH", "/acr/v1/shop/web/_tags/1.0", (Kind.WRITE,)),
        ("DELETE", "/acr/v1/shop/web/_tags/1.0", (Kind.DELETE,)),
        ("POST", "/oauth2/token", ()),
        ("POST", "/contoso.com/oauth2/v2.0/token", ()),
    ],
)
def test_what_a_request_counts_as(method: str, path: str, kinds: tuple[Kind, ...]) -> None:
    assert classify_request(method, path) == kinds


def test_the_limits_are_those_of_the_tiers_basic_and_standard() -> None:
    assert {kind.name: kind.value for kind in Kind} == {"READ": 5000, "WRITE": 1000, "DELETE": 500, "REFERRERS": 250}


@given(st.sampled_from(Kind), st.lists(st.sampled_from([0.0, 0.0, 0.01, 1.0, 40.0]), min_size=1, max_size=300))
def test_no_minute_has_more_requests_than_the_limit(kind: Kind, pauses: list[float]) -> None:
    time = Time()
    buckets = Buckets(clock=time)
    sent: list[float] = []
    for pause in pauses:
        time.now += pause
        sent += [time.now + buckets.reserve("contoso.azurecr.io", "", kind) for _ in range(25)]
    assert sent == sorted(sent), "each in its turn"
    within = [index + 1 - bisect_left(sent, at - 59.9) for index, at in enumerate(sent)]
    assert max(within) <= kind.value


def test_requests_wait_evenly_once_a_burst_is_over() -> None:
    time = Time()
    buckets = Buckets(clock=time)
    waits = [buckets.reserve("contoso.azurecr.io", "", Kind.REFERRERS) for _ in range(27)]
    assert waits[:25] == [0.0] * 25
    assert waits[25:] == pytest.approx([60 / 225, 120 / 225])


@pytest.mark.parametrize(
    ("host", "asker", "kind"),
    [("other", "me", Kind.DELETE), ("contoso", "you", Kind.DELETE), ("contoso", "me", Kind.WRITE)],
)
def test_nobody_waits_for_what_others_have_asked(host: str, asker: str, kind: Kind) -> None:
    buckets = Buckets(clock=Time())
    assert max(buckets.reserve("contoso", "me", Kind.DELETE) for _ in range(100)) > 0
    assert buckets.reserve(host, asker, kind) == 0


async def test_a_request_waits_for_each_of_its_classes_as_its_own_identity() -> None:
    time = Time()
    buckets = Buckets(clock=time, sleep=time.sleep)
    ASKER.set("me")
    for _ in range(25):
        await buckets.wait("GET", "contoso", "/v2/shop/web/referrers/sha256:0")
    assert time.now == 1000
    await buckets.wait("GET", "contoso", "/v2/shop/web/referrers/sha256:0")
    assert time.now == pytest.approx(1000 + 60 / 225)
    ASKER.set("you")
    before = time.now
    await buckets.wait("GET", "contoso", "/v2/shop/web/referrers/sha256:0")
    assert time.now == before


def test_hosts_that_tenants_make_up_take_bounded_memory() -> None:
    buckets = Buckets(clock=Time())
    for number in range(MAX_ENTRIES + 100):
        buckets.reserve(f"host-{number}", "", Kind.READ)
    assert len(buckets._due) == MAX_ENTRIES
