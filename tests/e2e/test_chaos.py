"""Lines of 5 MB that our patterns look for. And refusals by the API server: the status tells them at once, and they
heal. tests/chaos has the faults that happen to many builds."""

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest

from buildandpush.handlers.observability.looplag import TOLD_SECONDS
from devcluster.settings import Settings
from tests.e2e.harness.api import BUILD, Api
from tests.e2e.harness.build import Build, Snapshot, build_manifest
from tests.e2e.harness.fixtures import BuildFactory, connector_manifest, secret_manifest
from tests.e2e.harness.hostile import print_and_fail
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.policy import secrets_used_up, webhook_down
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.waiting import eventually
from tests.unit.hostile import recipes

pytestmark = [pytest.mark.chaos]

HOSTILE = 15


# The texts may look like tokens.
@pytest.mark.prints_login
@pytest.mark.usefixtures("login")
def test_lines_without_an_end_made_of_our_patterns_hold_nobody_up(
    make_build: BuildFactory, operator: OperatorPod
) -> None:
    """Always others of the fragments, between two violent ends of the operator, while good builds go on."""
    chance = random.Random()
    small = {"requests": {"memory": "32Mi"}}
    told = chance.sample([recipe for recipe in recipes(mixed=HOSTILE * 3) if recipe[1] != "\n"], HOSTILE)
    sources = [print_and_fail(unit, begin, end) for begin, unit, end in told]
    hostile = [make_build(f"hostile-{number}", source=one, resources=small) for number, one in enumerate(sources)]
    good = [make_build(f"good-{number}", resources=small) for number in range(HOSTILE // 3)]
    for _ in range(2):
        operator.kill()
        operator.renew()
    for build in good:
        build.wait_succeeded(within=240)
    for build, recipe in zip(hostile, told, strict=True):
        ended = build.wait_end(within=240)
        assert (ended.build["reason"], ended.build["attempt"]) == ("RunFailed", 1), f"{recipe}: {ended}"
    assert operator.held_seconds() < TOLD_SECONDS


REFUSALS: dict[str, tuple[Callable[[Api, str], AbstractContextManager[None]], str, str]] = {
    "webhook-down-for-pods": (partial(webhook_down, resource="pods"), "ApiRefused", "failed calling webhook"),
    "webhook-down-for-secrets": (partial(webhook_down, resource="secrets"), "ApiRefused", "failed calling webhook"),
    "webhook-without-endpoints": (
        partial(webhook_down, resource="pods", service=True),
        "ApiRefused",
        "failed calling webhook",
    ),
    "quota-on-secrets": (secrets_used_up, "QuotaExceeded", "exceeded quota: secrets"),
}
"""What an API server can have against a build, the reason, and the server's own words."""


@pytest.fixture
def neighbour(api: Api, namespace: str, settings: Settings, registry: Registry) -> Iterator[str]:
    """Another namespace with a login, in which nothing is wrong."""
    name = f"{namespace}-neighbour"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    eventually(lambda: api.find("ServiceAccount", "default", name), f"service account of {name}", within=30)
    api.apply(secret_manifest(name, {"username": registry.user, "password": registry.password}))
    api.apply(connector_manifest(name, settings, {}))
    yield name
    api.delete("Namespace", name)


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("case", REFUSALS)
def test_what_the_api_server_refuses_is_told_and_built_once_when_it_may_be(
    make_build: BuildFactory,
    api: Api,
    namespace: str,
    neighbour: str,
    operator: OperatorPod,
    registry: Registry,
    case: str,
) -> None:
    """The operator is killed while the build waits, and a build of another namespace goes on."""
    refuse, reason, words = REFUSALS[case]

    def check_waits(now: Snapshot) -> None:
        assert (now.told("Ready"), now.told("Completed")) == (("Unknown", reason), ("False", reason))
        assert (now.condition("Stalled"), now.status["phase"]) == ({}, "Pending")
        assert words in now.condition("Ready")["message"]
        assert build.pods() == []

    with refuse(api, namespace):
        build = make_build()
        check_waits(build.wait_reason(reason, within=30))
        build.wait_event("Warning", reason)
        operator.kill()
        operator.renew()
        api.create(build_manifest(neighbour, "other", {}))
        Build(api, neighbour, "other").wait_succeeded()
        check_waits(build.read())
    ended = build.wait_succeeded(within=60)
    assert (ended.run["number"], ended.build["attempt"]) == (1, 1)
    assert [pod["metadata"]["uid"] for pod in build.pods()] == [ended.build["podUid"]]
    assert registry.digest(build.repository, "latest") == ended.status["digest"]


@pytest.fixture
def old_crd(api: Api, operator: OperatorPod) -> Iterator[None]:
    """The CRD of an earlier version, from before rebuilds were remembered, beside today's operator."""
    name = "buildandpushacrs.buildandpush.dev"
    installed = api.get("CustomResourceDefinition", name)["spec"]["versions"]
    older = copy.deepcopy(installed)
    status = older[0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    for properties, field in (
        (status, "handledRebuilds"),
        (status, "completedRebuild"),
        (status["run"]["properties"], "rebuild"),
    ):
        del properties[field]
    api.patch("CustomResourceDefinition", name, None, {"spec": {"versions": older}})
    yield
    api.patch("CustomResourceDefinition", name, None, {"spec": {"versions": installed}})
    operator.renew()


@pytest.mark.usefixtures("login", "old_crd")
def test_a_crd_that_forgets_rebuilds_makes_one_run_of_one_and_is_named(
    make_build: BuildFactory, api: Api, operator: OperatorPod
) -> None:
    """At first only what does not come back tells the operator, then the CRD itself, as after an upgrade."""

    def ask_for_rebuild(build: Build) -> None:
        annotations = {"buildandpush.dev/rebuild": "v1"}
        api.patch(BUILD, build.name, build.namespace, {"metadata": {"annotations": annotations}})

    def outdated(build: Build) -> Snapshot:
        return build.wait(lambda now: now.told("CrdCurrent") == ("False", "CrdOutdated"), "CrdCurrent", within=30)

    build, later = make_build(), make_build()
    build.wait_succeeded()
    later.wait_succeeded()
    ask_for_rebuild(build)
    build.wait_succeeded(run=2)
    assert "handledRebuilds" not in build.read().status, "the API server has dropped it"
    assert outdated(build).told("Ready") == ("True", "Succeeded")
    operator.renew()
    eventually(lambda: "crd.outdated" in operator.log(), "a line of log", within=60)
    ask_for_rebuild(later)
    assert outdated(later).run["number"] == 1
    make_build().wait_succeeded()  # time enough for a third run
    assert build.read().run["number"] == 2
    for one in (build, later):
        one.delete()
