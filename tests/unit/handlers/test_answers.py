"""Questions are answered from the API server itself, and what comes back holds no secret."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from buildandpush.clients.errors import UnavailableError
from buildandpush.core.build.questions import (
    Answer,
    AskAdmission,
    AskCacheTrouble,
    AskInputs,
    AskLivePod,
    AskLog,
    AskPodEvents,
    AskProof,
    AskPushed,
    AskReadBack,
    AskTags,
    Question,
)
from buildandpush.core.facts import Inputs, LoginSecretRef, Proof, Pushed, ReadBack, Waiting
from buildandpush.core.fingerprint import is_fingerprint
from buildandpush.core.foreign import MAX_LOG, Admitted
from buildandpush.core.pod.failurewords import how_command_ended
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.redact import WITHHELD
from buildandpush.handlers.answers import answer_question
from buildandpush.handlers.informers.store import read_resource
from buildandpush.handlers.podlogs import LIMIT_BYTES
from tests.unit.core.factories import login_question
from tests.unit.fake_azure import make_sources
from tests.unit.handlers.cluster import Cluster, FakeReader

READ_BACK = AskReadBack("contoso.azurecr.io/shop/web", ("latest",), "sha256:" + "a" * 64, "acr")


@pytest.fixture
async def cluster() -> Cluster:
    """A cluster whose resource has a build pod."""
    made = Cluster()
    await made.settle()
    return made


async def ask(cluster: Cluster, question: Question) -> Answer:
    """The answer."""
    resource = read_resource(cluster.api.get("buildandpushacrs", "shop", "web"))
    sources = make_sources(cluster.api.connect(), cluster.registry, lambda: cluster.now)
    return await answer_question(sources, resource, question, cluster.now)


def log_of(cluster: Cluster, text: str) -> AskLog:
    """Have the pod log a text, and ask for it."""
    name = cluster.pod["metadata"]["name"]
    cluster.api.logs[name] = text
    return AskLog(name, "kaniko")


async def test_live_pod_is_the_api_servers_own(cluster: Cluster) -> None:
    name = cluster.pod["metadata"]["name"]
    found = await ask(cluster, AskLivePod(name))
    assert isinstance(found, PodObservation)
    assert found.uid == cluster.pod["metadata"]["uid"]
    cluster.api.drop("pods", "shop", name)
    assert await ask(cluster, AskLivePod(name)) is None


async def test_log_is_told_without_the_password(cluster: Cluster) -> None:
    question = log_of(cluster, "error: login push:hunter22-secret refused\nhttps://u:pw12@host/\n")
    text = await ask(cluster, question)
    assert isinstance(text, str)
    assert "refused" in text
    assert "hunter22" not in text
    assert "pw12" not in text


async def test_the_end_of_a_log_is_its_end_however_long_its_lines_are(cluster: Cluster) -> None:
    """A RUN line that prints a bundle of scripts must not push kaniko's last word out."""
    secret = "hunter22-secret"
    question = log_of(cluster, "\n".join(f"{number} " + "x" * 15_000 + secret for number in range(100)) + "\nthe end")
    text = await ask(cluster, question)
    assert isinstance(text, str)
    assert text.endswith("\nthe end")
    assert len(text) <= 64 * 1024
    assert secret[-5:] not in text


async def test_cache_trouble_is_found_far_up_in_a_log_and_told_without_secrets(cluster: Cluster) -> None:
    trouble = "WARN[0002] Error uploading layer to cache: push:hunter22-secret is DENIED"
    question = log_of(cluster, f"it began\n{trouble}\n" + "and went on\n" * 900)
    assert "cache" not in str(await ask(cluster, question))
    assert await ask(cluster, AskCacheTrouble(question.pod)) == "push:*** is DENIED"


async def test_a_log_without_cache_trouble_is_not_looked_through_for_secrets(cluster: Cluster) -> None:
    question = log_of(cluster, "and went on\n" * 900)
    cluster.api.requests.clear()
    assert await ask(cluster, AskCacheTrouble(question.pod)) is None
    assert [request.rsplit("/", 1)[1] for request in cluster.api.requests] == ["log"]


async def test_a_line_longer_than_any_log_that_is_read_hides_no_end(cluster: Cluster) -> None:
    """A runtime may be set to write lines of any length, and the kubelet's limit keeps the beginning."""
    question = log_of(cluster, f"{'x' * 2 * 2**20}\nand\nmore\nthe end\n")
    text = await ask(cluster, question)
    assert isinstance(text, str)
    assert text.endswith("the end")


@pytest.mark.parametrize(
    "junk",
    ["://a:", "eyJAAAAAAAA", "eyJAAAAAAAA.AAAAAAAA", "error pushing image: ", "x\n", "\x1b[0;", "\x1b]", '"auth":"'],
)
async def test_kanikos_last_word_stands_out_of_what_the_command_printed_beside_it(cluster: Cluster, junk: str) -> None:
    """They write to two streams, and the runtime brings what it has of either."""
    said = "error building image: failed to execute command: waiting for process to exit: exit status 3"
    log = log_of(cluster, junk * (300_000 // len(junk)) + f"{said}\n" + junk * (1800 // len(junk)))
    text = await ask(cluster, log)
    assert isinstance(text, Admitted)
    assert how_command_ended(text) == "exit status 3"


PASSWORD = "hunter22-secret"
BEFORE_END = LIMIT_BYTES - 7
"""Where in a line the password begins that is read up to its middle."""


@pytest.mark.parametrize(
    "log",
    [
        pytest.param("X " * 1000 + PASSWORD + " Y" * (MAX_LOG - 3), id="the beginning"),
        pytest.param("X " * (BEFORE_END // 2) + "X" * (BEFORE_END % 2) + PASSWORD + " Y" * 2**19, id="the end"),
    ],
)
async def test_of_a_secret_that_is_read_in_part_nothing_is_told(cluster: Cluster, log: str) -> None:
    text = await ask(cluster, log_of(cluster, log))
    assert isinstance(text, str)
    assert len(text) > 1000
    assert [PASSWORD[at : at + 4] for at in range(len(PASSWORD) - 3) if PASSWORD[at : at + 4] in text] == []


async def test_secrets_beyond_number_show_nothing_of_a_log() -> None:
    """They cannot all be looked for, and one that is not looked for would be told."""
    cluster = Cluster()
    lines = base64.b64encode("\n".join(f"line-{number}" for number in range(20_000)).encode()).decode()
    cluster.api.put("secrets", {**SECRET, "data": {"token": lines}})
    cluster.apply(buildSecrets=[{"id": "npm", "secretName": "npm", "key": "token"}])
    await cluster.settle()
    assert await ask(cluster, log_of(cluster, "line-19999 " * 1000)) == WITHHELD


def tell_of_pod(cluster: Cluster, uid: str, message: str) -> None:
    """A kubelet writes an Event about a pod."""
    event = {
        "metadata": {"namespace": "shop", "name": f"{uid}.{message}"},
        "involvedObject": {"kind": "Pod", "uid": uid},
        "type": "Warning",
        "reason": "FailedMount",
        "message": message,
        "lastTimestamp": "2026-11-24T12:00:00Z",
    }
    cluster.api.put("events", event)


async def test_events_of_this_very_pod_are_read(cluster: Cluster) -> None:
    pod = cluster.pod["metadata"]
    tell_of_pod(cluster, pod["uid"], "no such driver")
    tell_of_pod(cluster, "another", "of another")
    found = await ask(cluster, AskPodEvents(pod["name"], pod["uid"]))
    assert [event.message for event in found] == ["no such driver"]  # type: ignore[union-attr]
    assert "GET /api/v1/namespaces/shop/events" in cluster.api.requests


async def test_events_that_may_not_be_read_hold_nothing_up(cluster: Cluster) -> None:
    """As with the rights of a chart that is older than the operator."""
    pod = cluster.pod["metadata"]
    cluster.api.refuse = lambda verb, plural, name: (403, "forbidden") if plural == "events" else None
    assert await ask(cluster, AskPodEvents(pod["name"], pod["uid"])) == ()


async def test_log_that_is_gone_is_empty(cluster: Cluster) -> None:
    assert await ask(cluster, AskLog(cluster.pod["metadata"]["name"], "kaniko")) == ""
    assert await ask(cluster, AskLog("no-such-pod", "kaniko")) == ""


@pytest.mark.parametrize(("minutes", "given_up"), [(1, False), (3, True)])
async def test_a_kubelet_that_gives_out_no_log_holds_no_run_up_for_long(
    minutes: int, given_up: bool, cluster: Cluster
) -> None:
    """The API server answers in its place, with 500 and its reason."""
    cluster.end_kaniko(1)
    question = log_of(cluster, "unheard")
    cluster.api.refuse = lambda verb, plural, name: (500, "dial tcp :10250: timeout") if plural == "pods/log" else None
    cluster.now += timedelta(minutes=minutes)
    if not given_up:
        with pytest.raises(UnavailableError):
            await ask(cluster, question)
        return
    assert await ask(cluster, question) == ""
    cluster.api.refuse = lambda verb, plural, name: (500, "etcd is away")
    with pytest.raises(UnavailableError):
        await ask(cluster, question)


async def test_a_run_whose_node_gives_out_no_log_comes_to_its_end(cluster: Cluster) -> None:
    cluster.end_kaniko(1)
    cluster.api.refuse = lambda verb, plural, name: (500, "dial tcp :10250: timeout") if plural == "pods/log" else None
    cluster.watch()
    with pytest.raises(UnavailableError):
        await cluster.reconcile()
    cluster.now += timedelta(minutes=3)
    await cluster.settle()
    assert cluster.ready == ("False", "BuildFailed")


SECRET = {
    "metadata": {"namespace": "shop", "name": "npm"},
    "data": {"token": base64.b64encode(b"t0ken-of-npm").decode()},
}


async def test_what_the_run_could_read_is_masked_though_the_spec_names_it_no_more() -> None:
    cluster = Cluster()
    cluster.api.put("secrets", SECRET)
    cluster.apply(buildSecrets=[{"id": "npm", "secretName": "npm", "key": "token"}])
    await cluster.settle()
    question = log_of(cluster, "npm ERR! t0ken-of-npm is not allowed, says push")
    cluster.apply(onChange="Queue", target="x")
    text = await ask(cluster, question)
    assert text == "npm ERR! *** is not allowed, says push", "a user name is no secret"


async def test_what_was_pushed_is_found_though_its_name_is_masked_in_the_log() -> None:
    """A Secret may hold the registry's or the image's name beside what it keeps."""
    cluster = Cluster()
    data = {**SECRET["data"], "registry": base64.b64encode(b"contoso.azurecr.io").decode()}
    cluster.api.put("secrets", {**SECRET, "data": data})
    cluster.apply(buildSecrets=[{"id": "npm", "secretName": "npm", "key": "token"}])
    await cluster.settle()
    question = log_of(cluster, f"INFO[0007] Pushed contoso.azurecr.io/shop/web@{READ_BACK.digest}")
    cluster.apply(onChange="Queue", target="x")
    assert "contoso" not in str(await ask(cluster, question))
    pushed = Pushed((READ_BACK.digest,))
    assert await ask(cluster, AskPushed(question.pod, "contoso.azurecr.io/shop/web")) == pushed
    assert await ask(cluster, AskPushed(question.pod, "contoso.azurecr.io/shop/api")) == Pushed()


async def test_a_secret_with_colours_in_it_is_masked_too(cluster: Cluster) -> None:
    question = log_of(cluster, "found hunter22-\x1b[01;31msecret\x1b[0m here")
    assert await ask(cluster, question) == "found *** here"


async def test_registry_is_asked_with_the_connectors_login(cluster: Cluster) -> None:
    found = await ask(cluster, READ_BACK)
    assert isinstance(found, ReadBack)
    assert found.digest_found
    assert cluster.registry.asked == [READ_BACK.digest]


@pytest.mark.parametrize(("plural", "name"), [("azureconnectors", "acr"), ("secrets", "acr-push")])
async def test_without_a_login_the_registry_is_not_read(plural: str, name: str, cluster: Cluster) -> None:
    """A pushed image waits for the login. The other questions only count the registry as not readable."""
    cluster.api.drop(plural, "shop", name)
    found = await ask(cluster, READ_BACK)
    assert isinstance(found, Waiting)
    assert name in found.message
    proof = await ask(cluster, AskProof("contoso.azurecr.io/shop/web", ("latest",), "uid/1", "acr"))
    assert proof == Proof(None, found.message)
    tags = await ask(cluster, AskTags("contoso.azurecr.io/shop/web", ("latest",), "acr"))
    assert tags == ReadBack({}, digest_found=False, problem=found.message)


@pytest.mark.parametrize("question", [AskLivePod("p"), AskLog("p", "kaniko"), READ_BACK])
async def test_no_answer_is_for_the_queue_to_repeat(question: Any, cluster: Cluster) -> None:
    cluster.api.refuse = lambda verb, plural, name: (503, "come again")
    with pytest.raises(UnavailableError):
        await ask(cluster, question)


async def test_registry_that_lost_the_image_says_so(cluster: Cluster) -> None:
    cluster.registry = FakeReader(digest=None)
    found = await ask(cluster, READ_BACK)
    assert isinstance(found, ReadBack)
    assert not found.digest_found
    assert not found.problem


# ---- what a run is made with


async def inputs_of(cluster: Cluster, *keys: tuple[str, str]) -> dict[str, str]:
    found = await ask(cluster, AskInputs(("acr",), keys))
    assert isinstance(found, Inputs)
    return dict(found.versions)


async def test_inputs_are_told_apart_by_what_they_hold_and_by_nothing_else(cluster: Cluster) -> None:
    before = await inputs_of(cluster)
    secret = cluster.api.get("secrets", "shop", "acr-push")
    touched = {**secret, "metadata": {**secret["metadata"], "annotations": {"touched": "now"}}}
    cluster.api.put("secrets", {**touched, "data": {**secret["data"], "note": "bmV3"}})
    assert await inputs_of(cluster) == before
    cluster.api.put("secrets", {**secret, "data": {**secret["data"], "password": "bmV3"}})
    after = await inputs_of(cluster)
    assert after.keys() == before.keys() == {"Secret/acr-push"}
    assert after != before


async def test_the_keys_of_build_secrets_count_one_by_one(cluster: Cluster) -> None:
    cluster.api.put("secrets", {**SECRET, "data": {"token": "b25l", "other": "b25l"}})
    key = ("Secret/npm", "token")
    before = await inputs_of(cluster, key)
    assert before.keys() == {"Secret/acr-push", "Secret/npm"}
    cluster.api.put("secrets", {**SECRET, "data": {"token": "b25l", "other": "dHdv"}})
    assert await inputs_of(cluster, key) == before
    cluster.api.put("secrets", {**SECRET, "data": {"token": "dHdv", "other": "b25l"}})
    assert await inputs_of(cluster, key) != before


async def test_what_cannot_be_read_is_no_change(cluster: Cluster) -> None:
    assert await inputs_of(cluster, ("Secret/none", "key")) == {}
    cluster.api.drop("azureconnectors", "shop", "acr")
    assert await inputs_of(cluster) == {}


async def test_two_resources_do_not_show_that_they_use_one_secret(cluster: Cluster) -> None:
    mine = await inputs_of(cluster)
    body = cluster.api.get("buildandpushacrs", "shop", "web")
    cluster.api.put("buildandpushacrs", {**body, "metadata": {**body["metadata"], "uid": "another"}})
    theirs = await inputs_of(cluster)
    assert mine.keys() == theirs.keys()
    assert mine != theirs


async def test_a_login_and_the_look_at_it_later_agree(cluster: Cluster) -> None:
    login = await ask(cluster, login_question())
    assert isinstance(login, LoginSecretRef)
    assert dict(login.inputs) == await inputs_of(cluster)
    assert cluster.status["run"]["inputs"] == dict(login.inputs)
    assert all(is_fingerprint(told) for _, told in login.inputs)


# ---- a pod that is only offered


@pytest.mark.parametrize(
    ("status", "message", "taken"),
    [
        (0, "", True),
        (403, 'violates PodSecurity "restricted:latest"', False),
        (403, "maximum memory usage per Container is 100Mi, but limit is 500Mi", False),
        (422, "spec.nodeSelector: Invalid value", False),
        (403, "pods is forbidden: exceeded quota: small", True),
        (409, "pods already exists", True),
        (400, "admission webhook policy.test does not support dry run", True),
        (404, "namespaces not found", False),
        (403, 'admission webhook "x" denied the request: no', False),
        (409, 'admission webhook "x" denied the request: not now', True),
        (500, "failed calling webhook", False),
    ],
)
async def test_the_api_server_is_asked_whether_it_takes_a_pod_by_now(
    status: int, message: str, taken: bool, cluster: Cluster
) -> None:
    if status:
        cluster.api.refuse = lambda verb, plural, name: (
            (status, message) if (verb, plural) == ("POST", "pods") else None
        )
    written = cluster.api.written()
    manifest = {"metadata": {"name": "web-r2", "namespace": "shop"}}
    assert await ask(cluster, AskAdmission("web-r2", manifest)) is taken
    assert cluster.api.written() == written
