"""Every reason is explained, in whole sentences."""

import re

import pytest

from buildandpush.api.explanations import EXPLANATIONS, explain
from buildandpush.api.reasons import Reason


@pytest.mark.parametrize("reason", Reason)
def test_reason_has_cause_and_remedy_as_sentences(reason: Reason) -> None:
    explanation = explain(reason)
    for sentence in (explanation.cause, explanation.remedy):
        assert sentence.endswith(".")
        assert sentence == sentence.strip()
        assert "\n" not in sentence
    assert len(explanation.cause) + len(explanation.remedy) < 512, (
        "cause, detail and remedy must fit into one message of 1 KiB"
    )


def test_nothing_but_reasons_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_reason_is_one_camel_case_word_that_a_condition_takes(reason: Reason) -> None:
    assert re.fullmatch("[A-Z][A-Za-z0-9]{1,62}", reason)
    assert reason.name == re.sub(r"(?<!^)(?=[A-Z])", "_", reason.value).upper()
