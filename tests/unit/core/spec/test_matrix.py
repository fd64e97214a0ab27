"""Which builds a strategy makes of a run."""

import itertools
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.strategy import MAX_BUILDS
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.combination import Combination
from buildandpush.core.spec.matrix import expand_strategy, plan_concurrency
from buildandpush.core.spec.noeffect import find_notes
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import spec
from tests.unit.hostile import check_linear, recipes

GIT = {"git": {"url": "https://git.example/shop.git"}}


def written(strategy: Any, **changes: Any) -> BuildAndPushACRSpec:
    """A spec as it is written."""
    return parse_spec(spec(strategy=strategy, **changes))


def expand(strategy: Any, **changes: Any) -> tuple[Combination, ...]:
    """The builds of run 7."""
    return expand_strategy(written(strategy, **changes), Occasion(7, name="web"))


def matrix(**axes: Any) -> dict[str, Any]:
    """A strategy with these axes."""
    return {"matrix": axes}


@pytest.mark.parametrize(
    ("axes", "builds"),
    [
        ({"a": ["x", "y"]}, [{"a": "x"}, {"a": "y"}]),
        ({"b": ["1", "2"], "a": ["x", "y"]},
         [{"a": "x", "b": "1"}, {"a": "x", "b": "2"}, {"a": "y", "b": "1"}, {"a": "y", "b": "2"}]),
        ({"a": [3.11, 3, True, "", "<+1 + 1>"]}, [{"a": "3.11"}, {"a": "3"}, {"a": "true"}, {"a": ""}, {"a": "2"}]),
        ({"service": [{"name": "web", "port": 80}, {"name": "api", "port": "81"}]},
         [{"service.name": "web", "service.port": "80"}, {"service.name": "api", "service.port": "81"}]),
        ({"a": '<+pipeline.variables.list.split(",")>'}, [{"a": "v1"}, {"a": "v2"}]),
        ({"a": ["<+pipeline.variables.list>-<+pipeline.sequenceId>"]}, [{"a": "v1,v2-7"}]),
        ({"node_name": ["x"], "max_concurrency": ["y"], "axes": ["z"], "json": ["j"]},
         [{"node_name": "x", "max_concurrency": "y", "axes": "z", "json": "j"}]),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_each_combination_is_a_build(axes: dict[str, Any], builds: list[dict[str, str]]) -> None:
    found = expand(matrix(**axes), variables={"list": "v1,v2"})
    assert [dict(each.matrix) for each in found] == builds
    assert [(each.key, each.total) for each in found] == [(str(index), len(builds)) for index in range(len(builds))]


@pytest.mark.parametrize(
    ("exclude", "builds"),
    [
        ([{"a": "x", "b": "1"}], ["x2", "y1", "y2"]),
        ([{"a": "x"}], ["y1", "y2"]),
        ([{"a": "x"}, {"b": 2}], ["y1"]),
        ([{"b": "<+pipeline.variables.off>"}], ["x2", "y2"]),
        ([{"a": "z"}], ["x1", "x2", "y1", "y2"]),
        ([], ["x1", "x2", "y1", "y2"]),
    ],
    ids=str,
)
@pytest.mark.proves("strategy.matrix.exclude")
def test_an_entry_of_exclude_takes_out_what_has_all_of_its_values(exclude: list[Any], builds: list[str]) -> None:
    found = expand(matrix(a=["x", "y"], b=["1", "2"], exclude=exclude), variables={"off": "1"})
    assert ["".join(each.matrix.values()) for each in found] == builds
    assert [each.key for each in found] == [str(index) for index in range(len(builds))]


def test_an_object_is_excluded_as_a_whole() -> None:
    axis = [{"name": "web", "port": 80}, {"name": "api", "port": 80}]
    (left,) = expand(matrix(service=axis, exclude=[{"service": {"port": "80", "name": "web"}}]))
    assert left.matrix == {"service.name": "api", "service.port": "80"}


@pytest.mark.parametrize("strategy", [{"parallelism": 3}, {"parallelism": "3"}, {"repeat": {"times": "3"}}], ids=str)
@pytest.mark.proves("strategy.parallelism", "strategy.repeat.times")
def test_a_number_makes_so_many_builds_alike(strategy: dict[str, Any]) -> None:
    assert expand(strategy) == tuple(Combination(index, 3, postfix=f"_{index}") for index in range(3))


@pytest.mark.proves("strategy.repeat.items")
def test_each_item_of_repeat_is_a_build() -> None:
    assert [(each.item, each.total) for each in expand({"repeat": {"items": ["a", 2]}})] == [("a", 2), ("2", 2)]
    items = '<+pipeline.variables.list.split(",")>'
    assert [each.item for each in expand({"repeat": {"items": items}}, variables={"list": "v1,v2"})] == ["v1", "v2"]


@pytest.mark.parametrize("strategy", [None, {}], ids=str)
def test_without_a_strategy_there_is_one_build(strategy: Any) -> None:
    assert expand(strategy) == (Combination(),)
    assert Combination().key == "0"


def test_a_pipelines_postfix_has_the_place_in_each_axis() -> None:
    assert [each.postfix for each in expand(matrix(b=["1", "2"], a=["x", "y"]))] == ["_0_0", "_0_1", "_1_0", "_1_1"]
    assert [each.postfix for each in expand({"repeat": {"items": ["a", "b"]}})] == ["_0", "_1"]


TOO_MANY = {f"axis{number}": ["1", "2"] for number in range(7)}


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ({"maxConcurrency": 2}, ["strategy: it has none of them; give exactly one of matrix, repeat"]),
        ({"parallelism": 2, "repeat": {"times": 2}}, ["strategy: it has repeat and parallelism; give exactly one"]),
        ({"parallelism": 0}, ["strategy.parallelism: '0' is none; write a number from 1 to 64"]),
        ({"parallelism": "x" * 99}, ["strategy.parallelism:", "write a number"]),
        ({"repeat": {"times": 65}}, ["strategy.repeat.times: '65'", "1 to 64"]),
        ({"repeat": {}}, ["strategy.repeat: give exactly one of items and times"]),
        ({"repeat": {"items": ["a"], "times": 1}}, ["strategy.repeat: give exactly one of items and times"]),
        ({"repeat": {"items": ["a"], "partitionSize": 2}}, ["strategy.repeat.partitionSize:", "list the wanted items"]),
        ({"repeat": {"items": ["a"], "start": 1}}, ["strategy.repeat.start:", "list the wanted items"]),
        ({"repeat": {"items": ["a"], "end": "1"}}, ["strategy.repeat.end:", "list the wanted items"]),
        ({"repeat": {"items": [{"a": "b"}]}}, ["strategy.repeat.items: an item is an object", "strategy.matrix"]),
        ({"repeat": {"items": []}}, ["strategy.repeat.items: it has 0 values; give from 1 to 64"]),
        ({"repeat": {"items": ["a", "a"]}}, ["'a' is given twice; give each value once"]),
        ({"repeat": {"items": "<+stage.output.hosts>"}}, ["strategy.repeat.items: <+stage.output.hosts> is unknown"]),
        (matrix(), ["strategy.matrix: it has no axis"]),
        (matrix(maxConcurrency=2), ["strategy.matrix: it has no axis"]),
        (matrix(**{f"a{number}": ["1"] for number in range(17)}), ["it has 17 axes, more than 16"]),
        (matrix(**{"a b": ["1"]}), ["strategy.matrix: 'a b' is no name; use up to 63 letters"]),
        (matrix(a="1.0"), ["strategy.matrix.a: '1.0' is no list; write for example", 'split(",")']),
        (matrix(a="<+pipeline.variables.one>"), ["strategy.matrix.a: 'v1,v2' is no list"]),
        (matrix(a="<+input>"), ["strategy.matrix.a: <+input> has no value here"]),
        (matrix(a="<+"), ["strategy.matrix.a: at character"]),
        (matrix(a="<+matrix.b>", b=["1"]), ["strategy.matrix.a: <+matrix.b> has no value here"]),
        (matrix(a=["<+codebase.branch>"]), ["strategy.matrix.a: <+codebase.…> speaks of the commit", "write it out"]),
        (matrix(a=[["1"]]), ["strategy.matrix.a: a value is neither a text, a number, true nor false"]),
        (matrix(a=[None]), ["strategy.matrix.a: a value is neither"]),
        (matrix(a=[{"b": {"c": "1"}}]), ["strategy.matrix.a.b: a value is neither"]),
        (matrix(a=[{}]), ["strategy.matrix.a: an object has 0 values"]),
        (matrix(a=[{"b.c": "1"}]), ["strategy.matrix.a: 'b.c' is no name"]),
        (matrix(a=["x" * 257]), ["strategy.matrix.a:", "write up to 256 characters"]),
        (matrix(a=["x\ny"]), ["strategy.matrix.a:", "signs that do not print"]),
        (matrix(a=[str(number) for number in range(65)]), ["strategy.matrix.a: it has 65 values; give from 1 to 64"]),
        (matrix(a=["x", "y", "x"]), ["strategy.matrix.a: 'x' is given twice"]),
        (matrix(a=["1", 1]), ["strategy.matrix.a: '1' is given twice"]),
        (matrix(a=["1"], exclude=[{"c": "1"}]), ["strategy.matrix.exclude: 'c' is no axis; name one of a"]),
        (matrix(a=["1"], exclude=[{}]), ["strategy.matrix.exclude: an entry names no axis"]),
        (matrix(a=["1"], exclude=[{"a": 1}]), ["strategy.matrix.exclude: it leaves no combination to build"]),
        (matrix(**TOO_MANY), ["strategy.matrix: it makes 128 builds, and a run has up to 64; exclude some"]),
        (matrix(**TOO_MANY, a=list("abcdefghi")), ["the axes have 1152 combinations", "up to 64 builds"]),
        (matrix(a=[{f"k{number}": "1" for number in range(9)}], b=[{f"k{number}": "1" for number in range(9)}]),
         ["strategy.matrix: a build has 18 values, more than 16"]),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
@pytest.mark.proves("strategy.repeat.start", "strategy.repeat.end", "strategy.repeat.partitionSize")
def test_what_makes_no_builds_is_refused_with_field_and_remedy(strategy: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SpecInvalidError) as caught:
        expand(strategy, source=GIT, variables={"one": "v1,v2"})
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("strategy", "number"),
    [
        (None, MAX_BUILDS),
        ({"parallelism": 4}, MAX_BUILDS),
        ({"parallelism": 4, "maxConcurrency": "2"}, 2),
        ({"matrix": {"a": ["1"], "maxConcurrency": 2}}, 2),
        ({"matrix": {"a": ["1"], "maxConcurrency": 0}}, MAX_BUILDS),
        ({"matrix": {"a": ["1"], "maxConcurrency": 100}}, MAX_BUILDS),
        ({"matrix": {"a": ["1"], "maxConcurrency": 2}, "maxConcurrency": "2"}, 2),
        ({"repeat": {"times": 4, "maxConcurrency": 3}}, 3),
    ],
    ids=str,
)
@pytest.mark.proves("strategy.maxConcurrency", "strategy.matrix.maxConcurrency", "strategy.repeat.maxConcurrency")
def test_max_concurrency_counts_wherever_pipelines_have_it(strategy: Any, number: int) -> None:
    assert plan_concurrency(written(strategy)) == number


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ({"repeat": {"times": 4, "maxConcurrency": 3}, "maxConcurrency": 2}, "it is given as 2 and as 3; give it once"),
        ({"repeat": {"times": 4, "maxConcurrency": "x"}}, "strategy.repeat.maxConcurrency: 'x' is none"),
        ({"repeat": {"times": 4, "maxConcurrency": ""}}, "strategy.repeat.maxConcurrency: '' is none"),
        ({"parallelism": 2, "maxConcurrency": -1}, "strategy.maxConcurrency: '-1' is none; write a number from 0"),
    ],
    ids=str,
)
def test_a_max_concurrency_that_is_none_is_refused(strategy: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecInvalidError, match=words):
        expand(strategy)


@pytest.mark.proves("strategy.matrix.nodeName", "strategy.repeat.nodeName", "strategy.repeat.unit")
def test_a_name_for_a_pipelines_steps_has_no_effect_and_the_condition_says_so() -> None:
    strategy = {"repeat": {"items": ["a"], "nodeName": "x_<+repeat.item>", "unit": "Count"}}
    assert find_notes(written(strategy)) == (
        "strategy.repeat.nodeName: the status numbers the builds",
        "strategy.repeat.unit: it belongs to settings that are not used here",
    )
    assert "strategy.matrix.nodeName" in find_notes(written(matrix(a=["1"], nodeName="x")))[0]


@pytest.mark.parametrize(
    ("exclude", "named"),
    [
        ([{"a": "3.9"}], ["strategy.matrix.exclude: a '3.9'"]),
        ([{"a": "3.11"}, {"a": 3.9, "b": True}], ["strategy.matrix.exclude: a '3.9'"]),
        ([{"a": 3.11}, {"b": "true"}], []),
        ([{"a": "<+pipeline.variables.x>"}, {"c": "y"}, {"d": {"e": "2"}}, {"nope": "1"}], []),
    ],
    ids=str,
)
def test_an_entry_of_exclude_that_takes_out_nothing_is_told(exclude: list[Any], named: list[str]) -> None:
    axes = {"a": ["3.11", 3.12], "b": [True, None], "c": '<+pipeline.variables.x.split(",")>', "d": [{"e": "1"}]}
    why = "the axis has no such value, so nothing is taken out"
    assert list(find_notes(written(matrix(**axes, exclude=exclude)))) == [f"{each}: {why}" for each in named]


AXES = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d-e", "_f"]),
    st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True),
    min_size=1,
    max_size=3,
)


@given(AXES, st.data())
def test_there_are_as_many_builds_as_combinations_that_no_entry_takes_out(axes: dict[str, Any], data: Any) -> None:
    entries = st.fixed_dictionaries({}, optional={name: st.integers(0, 4) for name in axes}).filter(bool)
    exclude = data.draw(st.lists(entries, max_size=4))
    names = sorted(axes)
    wanted = [
        dict(zip(names, map(str, values), strict=True))
        for values in itertools.product(*(axes[name] for name in names))
        if not any(all(values[names.index(name)] == value for name, value in entry.items()) for entry in exclude)
    ]
    strategy = matrix(**dict(reversed(axes.items())), exclude=exclude)
    if not wanted:
        with pytest.raises(SpecInvalidError, match="leaves no combination"):
            expand(strategy)
        return
    found = expand(strategy)
    assert [dict(each.matrix) for each in found] == wanted
    assert [int(each.key) for each in found] == list(range(len(wanted)))
    assert {each.total for each in found} == {len(wanted)}
    assert len({each.postfix for each in found}) == len(wanted)


def test_the_widest_matrix_is_expanded_at_once() -> None:
    axes = {f"a{number}": ["x", "y"] for number in range(10)}
    exclude = [dict.fromkeys(axes, "x")] * 60 + [{f"a{number}": "x"} for number in range(4)]
    strategy = matrix(**axes, exclude=exclude)
    few = written(matrix(a=["x"]))
    began = time.process_time()
    assert len(expand(strategy)) == MAX_BUILDS
    middle = time.process_time()
    for _ in range(1000):
        expand_strategy(few, Occasion(1))
    assert middle - began < time.process_time() - middle, "1,024 combinations take longer than 1,000 small matrices"


@pytest.mark.timed
@pytest.mark.parametrize("place", ["axis", "value", "object", "item", "exclude"])
def test_a_strangers_text_in_a_strategy_takes_time_in_proportion(place: str) -> None:
    def work(words: str) -> None:
        strategy = {
            "axis": matrix(a=words),
            "value": matrix(a=[words]),
            "object": matrix(a=[{"b": words}]),
            "item": {"repeat": {"items": [words]}},
            "exclude": matrix(a=["1"], exclude=[{"a": words}, {words: "1"}]),
        }[place]
        try:
            expand(strategy)
        except SpecInvalidError as error:
            assert len(str(error)) < 10_000  # noqa: PT017 - each text is refused in other words

    for recipe in recipes(mixed=10):
        check_linear(work, recipe)
