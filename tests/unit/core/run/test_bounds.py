"""A status never outgrows its bound, whatever specs, logs and registries bring."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from buildandpush.api.reasons import Reason
from buildandpush.api.repository import LONGEST_IMAGE
from buildandpush.api.spec import MAX_BASE_CONNECTORS, MAX_BUILD_SECRETS, MAX_MAP_ENTRIES, MAX_TAGS
from buildandpush.api.status import MAX_INPUTS, MAX_URL, BuildAndPushACRStatus
from buildandpush.core import naming
from buildandpush.core.build.questions import (
    Answer,
    AskCacheTrouble,
    AskInputs,
    AskLinks,
    AskLivePod,
    AskLog,
    AskLogin,
    AskObjects,
    AskProof,
    AskPushed,
    AskReadBack,
    Question,
)
from buildandpush.core.build.status import derive_needs
from buildandpush.core.build.world import Resource
from buildandpush.core.facts import Inputs, Links, Proof, Pushed, ReadBack
from buildandpush.core.fingerprint import digest_values, fingerprint
from buildandpush.core.pod.readback import Claim, Report, render_report
from buildandpush.core.run.decide import decide
from buildandpush.core.spec.buildsecrets import input_keys
from buildandpush.core.spec.plan import parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import (
    DIGEST,
    LOGIN,
    NOW,
    OWNER,
    SETTINGS,
    container,
    pod,
    pod_name,
    reader_pod,
    resource,
    spec,
    terminated,
    world,
)
from tests.unit.core.scenes import after

BOUND = 128 * 1024
"""Of the 1.5 MiB that etcd takes in one request, managed fields and the spec included."""
HOST = ".".join(["r" * 63, "r" * 63, "r" * 63, "r" * 61, "io"])
REPOSITORY = f"{HOST}/{'r' * LONGEST_IMAGE}"
"""512 characters, with the longest name of a host and the longest of an image."""
ANY_TEXT = st.text(max_size=6000) | st.sampled_from(['"\\' * 3000, "\U0001f600" * 2000, "é\n" * 3000, "\x1b[31m" * 900])


CLAIM = Claim(REPOSITORY, (), DIGEST, "")


def long_name(start: str) -> str:
    """A name of an object as long as Kubernetes takes it."""
    return start + "n" * (253 - len(start))


def largest(**changes: Any) -> dict[str, Any]:
    """A spec with everything that the status repeats at its longest."""
    return spec(
        repository=REPOSITORY,
        tags=[f"{number:02}" + "t" * 126 for number in range(MAX_TAGS)],
        connectorRef="c" * 253,
        subscriptionId="s" * 256,
        baseImageConnectorRefs=[long_name(f"base{number}") for number in range(MAX_BASE_CONNECTORS)],
        remoteCacheImage=f"{HOST}/{'l' * LONGEST_IMAGE}",
        buildSecrets=[
            {"id": f"id{number}", "secretName": long_name(f"secret{number}"), "key": "k"}
            for number in range(MAX_BUILD_SECRETS)
        ],
        buildArgsFrom=[
            {"name": f"A{number}", "configMapName": long_name(f"map{number}"), "key": "k"}
            for number in range(MAX_MAP_ENTRIES)
        ],
        source={"git": {"url": "https://git.example/x.git", "credentialsRef": {"name": long_name("git")}}},
        **changes,
    )


VERSION = fingerprint(digest_values({"key": "value"}), OWNER.uid)
LARGEST = plan_build(parse_spec(largest()), SETTINGS, Occasion(1))
NEEDS = derive_needs(LARGEST.effective(SETTINGS))
OBJECTS = input_keys(LARGEST.options.secret_files, LARGEST.options.arg_sources, LARGEST.source)
SECRETS = tuple((f"Secret/{long_name(f'login{number}')}", VERSION) for number in range(len(NEEDS)))

ALWAYS: dict[Question, Answer] = {
    **{AskLogin(NEEDS, renewal): replace(LOGIN, inputs=SECRETS) for renewal in (False, True)},
    AskObjects(OBJECTS): Inputs(tuple((place, VERSION) for place, _ in OBJECTS)),
    AskInputs((), OBJECTS): Inputs(),
    AskInputs(tuple(need.connector for need in NEEDS), OBJECTS): Inputs(),
}
"""What is asked before there is a pod, and before there is another run."""


def answers_for(of: Resource, log: str, problem: str) -> dict[Question, Answer]:
    """Every question such a run may ask."""
    run = of.status.run
    assert run is not None
    tags = tuple(run.builds[0].tags)
    read_back = ReadBack(dict.fromkeys(tags, "sha256:" + "b" * 64), digest_found=True, problem=problem)
    label = naming.run_label(OWNER.uid, run=run.number, build=0, spec_hash=run.spec_hash)
    links = Links(Reason.LINKS_RESOLVED, "", tuple((tag, "u" * MAX_URL) for tag in tags))
    return {
        **ALWAYS,
        AskLinks(REPOSITORY, tags, "c" * 253, "s" * 256): links,
        AskLog(run.builds[0].pod_name, "kaniko"): log,
        AskCacheTrouble(run.builds[0].pod_name): log,
        AskLog(run.builds[0].pod_name, "source"): log,
        AskReadBack(REPOSITORY, tags, DIGEST, "c" * 253): read_back,
        AskPushed(run.builds[0].pod_name, REPOSITORY): Pushed((DIGEST,)),
        AskProof(REPOSITORY, (DIGEST,), label, "c" * 253): Proof(DIGEST),
    }


def size(status: BuildAndPushACRStatus) -> int:
    """Bytes of the status as it is written."""
    return len(json.dumps(status.to_dict(), ensure_ascii=False).encode())


@given(
    log=ANY_TEXT,
    message=ANY_TEXT,
    problem=ANY_TEXT,
    codes=st.lists(st.sampled_from([0, 1, 7]), min_size=1, max_size=25),
)
@settings(max_examples=40, deadline=None)
def test_the_largest_spec_has_a_status_that_the_api_server_takes(
    log: str, message: str, problem: str, codes: list[int]
) -> None:
    now, current = NOW, resource(largest())
    for number, code in enumerate(codes, start=1):
        asked = replace(current, rebuild=f"{number:0128}", spec=largest(target=str(number)), generation=number)
        gone = {AskLivePod(pod_name(number - 1)): None}
        started = after(decide(world(asked, answers={**ALWAYS, **gone}, now=now)), asked)
        ended = pod(
            number,
            phase="Succeeded" if code == 0 else "Failed",
            message=message,
            initContainerStatuses=[container("source", terminated=terminated(0, message=message))],
            containerStatuses=[
                container("kaniko", terminated=terminated(code, message=DIGEST if code == 0 else message))
            ],
        )
        assert ended.name == pod_name(number)
        now += timedelta(minutes=1)
        answers = answers_for(started, log, problem)
        current = after(decide(world(started, pods=(ended,), answers=answers, now=now)), started)
        if code == 0 and problem:  # the registry cannot be read, by a pod neither
            assert size(current.status) <= BOUND
            report = render_report(Report(ReadBack({}, digest_found=False, problem=problem)), CLAIM)
            reader = reader_pod(report, run=number)
            current = after(decide(world(current, pods=(ended, reader), answers=answers, now=now)), current)
        assert current.status.run is not None
        assert current.status.run.finished_at is not None
        assert len(current.status.run.inputs or {}) == MAX_INPUTS
        assert size(current.status) <= BOUND
        # What the API server would refuse, the model refuses too, on reading.
        BuildAndPushACRStatus.model_validate(current.status.to_dict())
