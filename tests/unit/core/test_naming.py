"""Names: valid, short, stable, and one for each thing."""

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api import meta
from buildandpush.core import naming

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL_VALUE = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

_PARTS = st.text("abz09-", min_size=1, max_size=20).map(lambda text: text.strip("-") or "x")
names = st.lists(_PARTS, min_size=1, max_size=3).map(lambda parts: ".".join(parts)[:63].strip("-."))
uids = st.uuids().map(str)
runs = st.integers(1, 10**9)
builds = st.integers(0, 63)
attempts = st.integers(1, 99)


@given(names, uids, runs, builds, attempts)
def test_pod_name_is_a_dns_label(name: str, uid: str, run: int, build: int, attempt: int) -> None:
    pod = naming.build_pod_name(name, uid, run=run, build=build, attempt=attempt)
    other = naming.build_pod_name(name, uid, run=run, build=build, attempt=attempt, taken=pod)
    for made in (pod, other):
        assert DNS_LABEL.fullmatch(made)
        assert len(made) <= meta.MAX_NAME
    assert other != pod


@given(st.text(max_size=80), uids)
def test_pod_name_is_a_dns_label_whatever_the_resource_is_called(name: str, uid: str) -> None:
    assert DNS_LABEL.fullmatch(naming.build_pod_name(name, uid, run=1, build=0, attempt=1))


@given(names, uids, runs, builds, attempts)
def test_pod_name_is_the_same_each_time(name: str, uid: str, run: int, build: int, attempt: int) -> None:
    first, second = (naming.build_pod_name(name, uid, run=run, build=build, attempt=attempt) for _ in range(2))
    assert first == second


@given(names, uids, st.lists(st.tuples(runs, builds, attempts), min_size=2, max_size=8, unique=True))
def test_each_attempt_has_a_pod_name_of_its_own(name: str, uid: str, places: list[tuple[int, int, int]]) -> None:
    pods = {naming.build_pod_name(name, uid, run=run, build=build, attempt=number) for run, build, number in places}
    assert len(pods) == len(places)


@given(names, st.lists(uids, min_size=2, max_size=2, unique=True))
def test_a_resource_made_again_meets_no_pods_of_its_namesake(name: str, two: list[str]) -> None:
    first, second = (naming.build_pod_name(name, uid, run=1, build=0, attempt=1) for uid in two)
    assert first != second


def test_resources_whose_names_begin_alike_do_not_meet_in_one_pod_name() -> None:
    """Of 24 bits, as names once had, 20,000 uids shared a dozen."""
    stem = "payment-service-integration-tests-"
    uids = [str(uuid.UUID(int=number)) for number in range(20_000)]
    pods = {naming.build_pod_name(f"{stem}{uid[-5:]}", uid, run=1, build=0, attempt=1) for uid in uids}
    assert len(pods) == len(uids)


def test_pod_names_do_not_change_between_releases() -> None:
    """A release that names pods otherwise has to find the pods that the former one made by the names in the status."""
    uid = "11111111-2222-3333-4444-555555555555"
    first = naming.build_pod_name("web", uid, run=7, build=0, attempt=2)
    assert first == "web-666ff6ccaa-r7-b0-a2"
    assert naming.build_pod_name("web", uid, run=7, build=0, attempt=2, taken=first) == "web-9ef106f4fa-r7-b0-a2"


@pytest.mark.parametrize(
    ("name", "attempt", "former"),
    [
        ("web-666ff6-r7-b0-a1", 1, None),
        ("web-666ff6-r7-b0-a2", 2, "web-666ff6-r7-b0-a1"),
        ("web-666ff6ccaa-r7-b0-a10", 10, "web-666ff6ccaa-r7-b0-a9"),
    ],
)
def test_the_former_pods_name_follows_from_the_pods(name: str, attempt: int, former: str | None) -> None:
    assert naming.former_pod_name(name, attempt) == former


@given(names, runs, builds, attempts)
def test_pod_labels_are_values_a_label_can_hold(name: str, run: int, build: int, attempt: int) -> None:
    labels = naming.build_pod_labels(name, run=run, build=build, attempt=attempt, spec_hash="v1:" + "f" * 64)
    for key, value in labels.items():
        assert LABEL_VALUE.fullmatch(value), key
        assert len(value) <= 63, key


def test_spec_hashes_that_differ_have_labels_that_differ() -> None:
    assert naming.spec_hash_label("v1:" + "a" * 64) != naming.spec_hash_label("v2:" + "a" * 64)
    assert naming.spec_hash_label("v1:" + "a" * 64) != naming.spec_hash_label("v1:" + "b" * 64)


@given(st.lists(uids, min_size=1, max_size=3), st.lists(names, min_size=1, max_size=3))
def test_login_secret_name_is_one_for_a_set_of_connectors_and_hosts(connectors: list[str], hosts: list[str]) -> None:
    name = naming.login_secret_name(tuple(connectors), tuple(hosts))
    assert name == naming.login_secret_name(tuple(reversed(connectors)), tuple(reversed(hosts)))
    assert DNS_LABEL.fullmatch(name)


def test_login_secret_name_differs_by_connector_and_by_host() -> None:
    found = {
        naming.login_secret_name(("u1",), ("a.azurecr.io",)),
        naming.login_secret_name(("u2",), ("a.azurecr.io",)),
        naming.login_secret_name(("u1",), ("b.azurecr.io",)),
        naming.login_secret_name(("u1", "u2"), ("a.azurecr.io",)),
        naming.login_secret_name(("u1",), ("a.azurecr.io", "b.azurecr.io")),
    }
    assert len(found) == 5


@given(names, st.text(max_size=20), st.text(max_size=20))
def test_event_name_is_valid_and_one_for_a_happening(name: str, first: str, second: str) -> None:
    event = naming.event_name(name, "uid", first, second)
    assert DNS_SUBDOMAIN.fullmatch(event)
    assert len(event) <= 253
    assert event == naming.event_name(name, "uid", first, second)


def test_event_name_differs_by_each_part() -> None:
    found = {naming.event_name("web", *parts) for parts in (("u", "r1", "A"), ("u", "r2", "A"), ("u", "r1", "B"))}
    assert len(found) == 3


@pytest.mark.proves("connectorRef")
@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("acr", "acr"),
        ("my-acr", "my-acr"),
        ("My_ACR", "my-acr"),
        ("account.My_ACR", "my-acr"),
        ("org.My_ACR", "my-acr"),
        ("account.my$acr", "my-acr"),
        ("_acr_", "acr"),
        ("team.acr", "team.acr"),
        ("accounting", "accounting"),
    ],
)
def test_connector_reference_is_a_name_or_a_pipelines_identifier(reference: str, name: str) -> None:
    assert naming.connector_name(reference) == name


def test_an_image_names_its_run_and_the_spec_that_it_was_made_of() -> None:
    """A restored status gives the number of a run out again."""
    label = naming.run_label("uid", run=3, build=0, spec_hash="v2:0123456789abcdef")
    assert label == "uid/3@0123456789ab"
    assert naming.run_label("uid", run=3, build=2, spec_hash="v2:0123456789abcdef") == "uid/3-2@0123456789ab"
    by_an_earlier_release = "uid/3"
    assert naming.names_run(label, label)
    assert naming.names_run(by_an_earlier_release, label)
    others = ("uid/3@f00", "uid/3-2@0123456789ab", "uid/33@0123456789ab", "", None)
    assert not any(naming.names_run(other, label) for other in others)
