"""Sources that a pod could not be made with, and what a pod reads for the others."""

from typing import Any

import pytest

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.plan import BuildPlan, parse_spec, plan_build
from tests.unit.core.factories import SETTINGS, spec


def planned(source: dict[str, Any]) -> BuildPlan:
    return plan_build(parse_spec(spec(source=source)), SETTINGS, run_number=1)


def config_map(*paths: str) -> dict[str, Any]:
    items = [{"key": f"k{number}", "path": path} for number, path in enumerate(paths)]
    return {"configMap": {"name": "web", "items": items}}


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["..x/Dockerfile"], "begins with two dots"),
        (["..Dockerfile"], "begins with two dots"),
        (["a", "a/b"], "'a' is a file and the folder of 'a/b'"),
        (["a/b/c", "a-b", "a/b"], "'a/b' is a file and the folder of 'a/b/c'"),
    ],
)
def test_paths_that_the_kubelet_cannot_lay_out_are_refused(paths: list[str], words: str) -> None:
    """The API server would refuse the pod, or the pod would wait for its volume until its timeout."""
    with pytest.raises(SpecInvalidError, match="^source.configMap.items: ") as caught:
        planned(config_map(*paths))
    assert words in str(caught.value)


def test_paths_that_only_look_alike_are_taken() -> None:
    plan = planned(config_map("a", "a.b", "ab/c", "x/..y"))
    assert plan.input_keys == tuple(("ConfigMap/web", f"k{number}") for number in range(4))


def test_the_pod_reads_the_login_of_its_source() -> None:
    plan = planned({"git": {"url": "https://git.example/x.git", "credentialsRef": {"name": "git-login"}}})
    assert plan.input_keys == (("Secret/git-login", ""),)
