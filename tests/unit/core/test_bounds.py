"""A status never outgrows its bound, whatever specs, logs and registries bring."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from buildandpush.api.reasons import Reason
from buildandpush.api.spec import MAX_TAGS
from buildandpush.api.status import MAX_URL, BuildAndPushACRStatus
from buildandpush.core.decide import decide
from buildandpush.core.world import AskLinks, AskLog, AskProof, AskReadBack, Links, ReadBack, Resource
from tests.unit.core.factories import (
    DIGEST,
    LOGIN,
    NOW,
    OWNER,
    container,
    login_question,
    pod,
    pod_name,
    resource,
    spec,
    terminated,
    world,
)
from tests.unit.core.test_decide import after

BOUND = 128 * 1024
HOST = "registry.azurecr.io"
REPOSITORY = HOST + "/" + "r" * (512 - len(HOST) - 1)
ANY_TEXT = st.text(max_size=6000) | st.sampled_from(['"\\' * 3000, "\U0001f600" * 2000, "é\n" * 3000, "\x1b[31m" * 900])


def largest(**changes: Any) -> dict[str, Any]:
    """A spec with everything that the status repeats at its longest."""
    tags = [f"{number:02}" + "t" * 126 for number in range(MAX_TAGS)]
    return spec(repository=REPOSITORY, tags=tags, connectorRef="c" * 253, subscriptionId="s" * 256, **changes)


LOGINS = [login_question("c" * 253, REPOSITORY, renewal=renewal) for renewal in (False, True)]


def answers_for(of: Resource, log: str, problem: str) -> dict[Any, Any]:
    """Every question such a run may ask."""
    run = of.status.run
    assert run is not None
    tags = tuple(run.builds[0].tags)
    read_back = ReadBack(dict.fromkeys(tags, "sha256:" + "b" * 64), digest_found=True, problem=problem)
    links = Links(Reason.LINKS_RESOLVED, "", tuple((tag, "u" * MAX_URL) for tag in tags))
    return {
        AskLinks(REPOSITORY, tags, "c" * 253, "s" * 256): links,
        **dict.fromkeys(LOGINS, LOGIN),
        AskLog(run.builds[0].pod_name, "kaniko"): log,
        AskLog(run.builds[0].pod_name, "source"): log,
        AskReadBack(REPOSITORY, tags, DIGEST, "c" * 253): read_back,
        AskProof(REPOSITORY, (DIGEST,), f"{OWNER.uid}/{run.number}", "c" * 253): DIGEST,
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
def test_the_status_stays_within_128_kib(log: str, message: str, problem: str, codes: list[int]) -> None:
    now, current = NOW, resource(largest())
    for number, code in enumerate(codes, start=1):
        asked = replace(current, rebuild=f"{number:0128}", spec=largest(target=str(number)), generation=number)
        login = dict.fromkeys(LOGINS, LOGIN)
        started = after(decide(world(asked, answers=login, now=now)), asked)
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
        assert current.status.run is not None
        assert current.status.run.finished_at is not None
        assert size(current.status) <= BOUND
