"""How one run becomes several builds: the looping strategies of a pipeline's step."""

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from buildandpush.api.base import ANYTHING, ApiModel, cel, rules

MAX_BUILDS: Final = 64
"""Builds of a run."""
MAX_AXES: Final = 16
MAX_ITEMS: Final = 64
"""Values of an axis, items of repeat, and entries of exclude."""
MAX_VALUE: Final = 256
"""Characters of one value. The status has it too."""
MAX_EXPRESSION: Final = 1024
"""Characters of a text that has expressions in it, or that stands for a list."""
MAX_CONCURRENCY: Final = 999
"""Pipelines have larger numbers than there are builds here. Such a number limits nothing."""
RESERVED: Final = ("exclude", "maxConcurrency", "nodeName")
"""What stands beside the axes of a matrix."""

_CONCURRENCY: Final = (
    "How many of the builds run at the same time. 0: all. A text with the number counts as well. Default: all. "
    "Example: 2"
)


def _number(field: str, lowest: int, highest: int) -> Any:
    """The rule of a number that may stand in quotes."""
    pattern = "^[0-9]{1,3}$"
    in_range = f"int(string(self)) >= {lowest} && int(string(self)) <= {highest}"
    return rules(
        cel(
            f"string(self).matches('{pattern}') && {in_range}",
            expression=f"'{field}: ' + string(self) + ' is none; write a number from {lowest} to {highest}'",
            message=f"{field} must be a number from {lowest} to {highest}",
        ),
        **{"x-kubernetes-int-or-string": True, "maxLength": 3},
    )


_MaxConcurrency = Annotated[int | str, Field(json_schema_extra=_number("maxConcurrency", 0, MAX_CONCURRENCY))]
_Times = Annotated[int | str, Field(json_schema_extra=_number("times", 1, MAX_BUILDS))]
_Parallelism = Annotated[int | str, Field(json_schema_extra=_number("parallelism", 1, MAX_BUILDS))]

_Values = Annotated[
    Any,
    Field(
        # A list, or the text of an expression: an untyped leaf takes both. The operator checks what is in it.
        json_schema_extra={
            "x-kubernetes-leaf": True, "maxItems": MAX_ITEMS, "maxLength": MAX_EXPRESSION, "maxProperties": 0,
        },
    ),
]  # fmt: skip
_NodeName = Annotated[str, Field(max_length=MAX_EXPRESSION)]


class Matrix(ApiModel):
    """Axes by name, and what is said about their combinations."""

    # By its alias alone: `node_name` is the name of an axis.
    model_config = ConfigDict(
        extra="allow", populate_by_name=False, json_schema_extra={"maxProperties": MAX_AXES + len(RESERVED)}
    )

    exclude: list[dict[str, Any]] | None = Field(
        None,
        max_length=MAX_ITEMS,
        description="Combinations that are not built. An entry takes out each combination that has all of its values. "
        'Example: [{"python": "3.11", "base": "alpine"}]',
        json_schema_extra=ANYTHING,
    )
    max_concurrency: _MaxConcurrency | None = Field(None, description=_CONCURRENCY)
    node_name: _NodeName | None = Field(
        None, description="How a pipeline names its steps. No effect: the status numbers the builds."
    )

    @property
    def axes(self) -> dict[str, Any]:
        """The values of each axis as they are written, by name. The API server sorts the names, and so does this."""
        return dict(sorted((self.model_extra or {}).items()))


class Repeat(ApiModel):
    """A number of builds, or one for each item of a list."""

    items: _Values | None = Field(
        None,
        description="A list with one value for each build, which is <+repeat.item> there; or an expression that gives "
        'a list. Example: ["3.11", "3.12"]',
    )
    times: _Times | None = Field(
        None,
        description="How many builds there are, in place of items. <+strategy.iteration> counts them from 0. "
        "Example: 2",
    )
    max_concurrency: _MaxConcurrency | None = Field(None, description=_CONCURRENCY)
    node_name: _NodeName | None = Field(
        None, description="How a pipeline names its steps. No effect: the status numbers the builds."
    )
    start: int | str | None = Field(
        None,
        description="Where a pipeline begins in items. It is refused: list the items that are wanted.",
        json_schema_extra={"x-kubernetes-int-or-string": True, "maxLength": 10},
    )
    end: int | str | None = Field(
        None,
        description="Where a pipeline ends in items. It is refused: list the items that are wanted.",
        json_schema_extra={"x-kubernetes-int-or-string": True, "maxLength": 10},
    )
    partition_size: int | str | None = Field(
        None,
        description="How many items of a pipeline come together. It is refused: each item is a build.",
        json_schema_extra={"x-kubernetes-int-or-string": True, "maxLength": 10},
    )
    unit: str | None = Field(
        None, max_length=16, description="What start, end and partitionSize count in. No effect without them."
    )


class Strategy(ApiModel):
    """Several builds in one run, by exactly one of matrix, repeat and parallelism."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "[has(self.matrix), has(self.repeat), has(self.parallelism)].filter(x, x).size() <= 1",
                message="strategy: give exactly one of matrix, repeat and parallelism",
            )
        )
    )

    matrix: Matrix | None = Field(
        None,
        description="Axes with their values; each combination is one build. A value is a text, a number, true, false, "
        "or an object of those: <+matrix.version> or <+matrix.service.name> stands for it in the build. An expression "
        "that gives a list can stand in place of a list. Quote versions, since 3.10 without quotes is the number 3.1. "
        f"Up to {MAX_AXES} axes, and {MAX_BUILDS} builds. "
        'Example: {"version": ["3.11", "3.12"], "base": ["slim", "alpine"]}',
    )
    repeat: Repeat | None = Field(None, description='The same build several times. Example: {"items": ["a", "b"]}')
    parallelism: _Parallelism | None = Field(
        None,
        description="How many builds there are, as with repeat.times. <+strategy.iteration> counts them from 0. "
        "Example: 4",
    )
    max_concurrency: _MaxConcurrency | None = Field(
        None, description="The same as maxConcurrency in matrix and in repeat, and the one for parallelism. Example: 2"
    )
