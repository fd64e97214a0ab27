"""No digest is believed that only kaniko's container speaks of: a RUN line can write its message and its log."""

from typing import Any

import pytest

from buildandpush.core import naming
from tests.e2e.harness.api import Api, Object
from tests.e2e.harness.azure import BASE_HOST, Azure
from tests.e2e.harness.build import FROM, Build, Snapshot, inline
from tests.e2e.harness.fixtures import BuildFactory, ConnectorFactory
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.waiting import eventually

pytestmark = pytest.mark.e2e

FORGED = "sha256:" + "f" * 64


def forging(says: str = "") -> Object:
    """A build whose RUN line leaves a process behind. As long as kaniko lives, it overwrites kaniko's message and
    writes this line into kaniko's log."""
    # Written in place: a file that is cut off first could be found empty.
    loop = f"while :; do printf {FORGED} 1<>/dev/termination-log; {says and f'echo {says}; '}usleep 2000; done"
    quiet = "" if says else " >/dev/null 2>&1"
    start = f"RUN (setsid sh -c '{loop}'{quiet} &) ; until grep -q fff /dev/termination-log; do :; done\n"
    return inline(f"{FROM}{start}RUN echo built > /built\n")


OPERATOR = "azsdk-.*|buildandpush-operator"
"""How the operator names itself to a registry."""


def message_of(build: Build) -> Object:
    """How the build's container ended."""
    found: Object = build.pods()[0]["status"]["containerStatuses"][0]["state"]["terminated"]
    return found


def claims_nothing(ended: Snapshot) -> bool:
    """Whether the status gives out no digest in any form."""
    return not {"digest", "image", "links"} & ended.status.keys() and not ended.status.get("artifacts")


def test_a_forged_termination_message_is_found_out(make_build: BuildFactory, login: None, registry: Registry) -> None:
    build = make_build(source=forging())
    failed = build.wait_failed("DigestNotInRegistry")
    state = message_of(build)
    assert (state["exitCode"], state["message"]) == (0, FORGED), "it was forged"
    assert registry.digest(build.repository, "latest") not in (None, FORGED), "and the image was pushed"
    assert claims_nothing(failed)
    assert FORGED in failed.condition("Ready")["message"]


@pytest.mark.proves("PLUGIN_VERBOSITY")
@pytest.mark.parametrize("flags", [{}, {"PLUGIN_VERBOSITY": "ERROR"}])
def test_a_forged_termination_message_is_found_out_where_the_registry_cannot_be_asked(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, flags: dict[str, Any]
) -> None:
    """kaniko's own log names another digest, which no level of it may leave out."""
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    azure.add_fault({"status": 403, "body": "denied by the firewall"}, host=host, path="/acr/v1/.*")
    build = make_build(repository=f"{host}/shop/web", source=forging(), envVariables=flags)
    build.wait_failed("DigestNotConfirmed")


@pytest.mark.parametrize("in_the_log", [False, True])
def test_a_forged_digest_is_not_believed_while_the_registry_has_too_much_to_do(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, in_the_log: bool
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    azure.add_fault({"status": 503}, host=host, path="/acr/v1/.*")
    says = f"INFO[0009] Pushed {host}/shop/web@{FORGED}" if in_the_log else ""
    build = make_build(repository=f"{host}/shop/web", source=forging(says))
    failed = build.wait_failed("DigestNotConfirmed")
    assert message_of(build)["message"] == FORGED, "it was forged"
    assert claims_nothing(failed)
    assert FORGED in failed.condition("Ready")["message"]


@pytest.fixture
def unreadable(azure: Azure) -> str:
    """A registry that lets everybody in but the operator."""
    host = azure.make_registry()
    azure.add_fault({"status": 403, "body": "denied by the firewall"}, host=host, path="/(acr|v2)/.*", agent=OPERATOR)
    return host


def test_a_pod_reads_the_push_back_where_the_operator_cannot(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory, unreadable: str
) -> None:
    make_connector(azure.make_identity(("AcrPush", unreadable)), unreadable, BASE_HOST)
    build = make_build(repository=f"{unreadable}/shop/web", tags=["latest", "1"])
    ended = build.wait_succeeded(within=120)
    assert ended.told("Verified") == ("True", "Verified")
    reader = naming.read_back_pod_name(ended.build["podName"])
    assert reader in ended.condition("Verified")["message"]
    assert ended.build["platform"].startswith("linux/")
    assert "readBack" not in ended.build
    eventually(lambda: [pod["metadata"]["name"] for pod in build.pods()] == [ended.build["podName"]], "no pod is left")


def test_what_nobody_can_read_is_not_claimed(
    azure: Azure, make_connector: ConnectorFactory, make_build: BuildFactory
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST)
    for path in ("/acr/.*", "/v2/.*/manifests/.*"):
        azure.add_fault({"status": 403, "body": "denied"}, host=host, path=path, agent="(?!kaniko/).*")
    build = make_build(repository=f"{host}/shop/web")
    build.wait_reason("Verifying", within=60)
    failed = build.wait_failed("DigestNotConfirmed", within=120)
    assert claims_nothing(failed)
    assert "403" in failed.condition("Ready")["message"]


def test_beside_another_owners_pod_of_its_name_a_build_takes_another_name(
    make_build: BuildFactory, login: None, api: Api, namespace: str
) -> None:
    build = make_build(suspend=True)
    uid = build.wait_reason("Suspended").uid
    name = naming.build_pod_name(build.name, uid, run=1, build=0, attempt=1)
    gates = {"schedulingGates": [{"name": "e2e.buildandpush.dev/never"}]}
    pod = {"containers": [{"name": "theirs", "image": "theirs"}], **gates}
    theirs = api.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": pod}
    )
    build.edit(suspend=False)
    ended = build.wait_succeeded()
    assert ended.build["podName"] not in ("", name)
    build.wait_event("Warning", "NameCollision")
    assert api.get("Pod", name, namespace)["metadata"]["uid"] == theirs["metadata"]["uid"]
