"""How many requests go out, in time that the tests pass."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.clients.recent import MAX_ENTRIES
from buildandpush.clients.traffic.buckets import ASKER, READS, Buckets


class Time:
    """A clock that stands still until somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("path", "counted"),
    [
        ("/v2/shop/web/manifests/1.0", True),
        ("/v2/shop/web/blobs/sha256:0", True),
        ("/v2/shop/web/tags/list", True),
        ("/acr/v1/shop/web/_tags/1.0", True),
        ("/oauth2/token", False),
        ("/contoso.com/oauth2/v2.0/token", False),
    ],
)
async def test_what_a_registry_counts(path: str, counted: bool) -> None:
    buckets = Buckets(clock=Time())
    await buckets.wait("contoso.azurecr.io", path)
    assert bool(len(buckets._due)) == counted


def test_the_limit_is_that_of_the_tiers_basic_and_standard() -> None:
    assert READS == 5000


@given(st.lists(st.sampled_from([0.0, 0.0, 0.01, 1.0, 40.0]), min_size=1, max_size=300))
def test_no_minute_has_more_requests_than_the_limit(pauses: list[float]) -> None:
    time = Time()
    buckets = Buckets(clock=time)
    sent: list[float] = []
    for pause in pauses:
        time.now += pause
        sent += [time.now + buckets.reserve("contoso.azurecr.io", "") for _ in range(100)]
    assert sent == sorted(sent), "each in its turn"
    within = [index + 1 - bisect_left(sent, at - 59.9) for index, at in enumerate(sent)]
    assert max(within) <= READS


def test_requests_wait_evenly_once_a_burst_is_over() -> None:
    time = Time()
    buckets = Buckets(clock=time)
    waits = [buckets.reserve("contoso.azurecr.io", "") for _ in range(502)]
    assert waits[:500] == [0.0] * 500
    assert waits[500:] == pytest.approx([60 / 4500, 120 / 4500])


@pytest.mark.parametrize(("host", "asker"), [("other", "me"), ("contoso", "you")])
def test_nobody_waits_for_what_others_have_asked(host: str, asker: str) -> None:
    buckets = Buckets(clock=Time())
    assert max(buckets.reserve("contoso", "me") for _ in range(1000)) > 0
    assert buckets.reserve(host, asker) == 0


async def test_a_request_waits_as_its_own_identity() -> None:
    time = Time()
    buckets = Buckets(clock=time, sleep=time.sleep)
    ASKER.set("me")
    for _ in range(500):
        await buckets.wait("contoso", "/v2/shop/web/manifests/1.0")
    assert time.now == 1000
    await buckets.wait("contoso", "/v2/shop/web/manifests/1.0")
    assert time.now == pytest.approx(1000 + 60 / 4500)
    ASKER.set("you")
    before = time.now
    await buckets.wait("contoso", "/v2/shop/web/manifests/1.0")
    assert time.now == before


def test_hosts_that_tenants_make_up_take_bounded_memory() -> None:
    buckets = Buckets(clock=Time())
    for number in range(MAX_ENTRIES + 100):
        buckets.reserve(f"host-{number}", "")
    assert len(buckets._due) == MAX_ENTRIES
