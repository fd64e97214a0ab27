"""The field and the words of what a model does not take."""

from typing import Any

import pytest

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.plan import parse_spec
from tests.unit.core.factories import spec


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"firstRunNumber": 2**40}, "firstRunNumber: "),
        ({"firstRunNumber": "soon"}, "firstRunNumber: "),
        ({"runAsUser": ["1"]}, "runAsUser: "),
        ({"runAsUser": {"uid": 1}}, "runAsUser: "),
        ({"tags": ["v1", 2]}, "tags.1: "),
        ({"buildArgs": {"a.b": ["1"]}}, "buildArgs.a.b: "),
        ({"buildArgsFrom": [{"name": "TOKEN"}]}, "buildArgsFrom.0."),
        ({"source": {"git": {"revision": "main"}}}, "source.git.url: it is missing"),
    ],
)
def test_the_field_is_named_as_a_user_writes_it(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecInvalidError) as refused:
        parse_spec(spec(**changes))
    assert str(refused.value).startswith(told)
    assert "constrained" not in str(refused.value)
