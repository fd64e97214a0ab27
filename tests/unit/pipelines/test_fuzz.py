"""No document makes the import end in another way than with resources or with its one error."""

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.pipelines.fuzz import KEYS, WORDS, pipelines, run, values
from tests.unit.pipelines.shapefiles import NAMES, SHAPES, render


@settings(max_examples=100, deadline=None)
@given(values, values)
def test_any_document(value: Any, beside: Any) -> None:
    run(yaml.safe_dump(value), beside=yaml.safe_dump(beside))


@settings(max_examples=120, deadline=None)
@given(pipelines, st.lists(values, max_size=2))
def test_any_pipeline_with_steps(pipeline: Any, beside: list[Any]) -> None:
    text = yaml.safe_dump(pipeline, allow_unicode=True)
    first = run(text, beside=yaml.safe_dump_all(beside))
    second = run(text, beside=yaml.safe_dump_all(beside))
    assert first is None or second is None or render(first) == render(second)


@settings(max_examples=100, deadline=None)
@given(
    st.text(),
    st.lists(
        st.sampled_from((*WORDS, *KEYS, ": ", "\n", "  ", "- ", "{", "}", "[", "]", ",", "&a ", "*a")), max_size=30
    ),
)
def test_any_text(text: str, words: list[str]) -> None:
    run(text, "".join(words), text.join(words))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(NAMES), st.integers(0, 4000), st.integers(0, 40), st.sampled_from((*WORDS, "\n", "\t", "- ", "["))
)
def test_any_change_of_a_shape(name: str, place: int, length: int, word: str) -> None:
    """A part of a good pipeline is lost, and something else stands in its place."""
    path = next(iter(sorted((SHAPES / name).glob("pipeline.*")) or sorted(SHAPES.glob(f"{name}.*"))))
    text = path.read_text()
    place = place % len(text)
    run(text[:place] + word + text[place + length :])
