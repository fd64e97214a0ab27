"""Expressions `<+…>` of a pipeline: those that have a fixed value are written out, the others are told about."""

import re
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from buildandpush.api.spec import MAX_BUILD_ARG
from buildandpush.pipelines.find import FoundStep
from buildandpush.pipelines.inputs import find_default, is_input
from buildandpush.pipelines.notes import Notes, shown
from buildandpush.pipelines.stages import list_stages
from buildandpush.pipelines.values import Map, Value, as_list, as_map, as_text

_EXPRESSION: Final = re.compile(r"<\+([A-Za-z0-9_.$-]{1,200})>")
_ANY: Final = re.compile(r"<\+[^<>]{1,200}>?")
SECRET: Final = re.compile(r"<\+secrets\.getValue\(\s*[\"']([A-Za-z0-9_.$-]{1,200})[\"']\s*\)>")
_MAX_ROUNDS: Final = 8
_MAX_TEXT: Final = 64 * 1024

EXPANDED: Final = (
    "repository", "tags", "dockerfile", "context", "target", "labels", "buildArgs", "remoteCacheImage",
    "when.condition", "source.git.revision", "source.git.paths", "strategy",
)  # fmt: skip
"""Fields in which the operator puts values in place of expressions. docs/expressions.md has them all."""
_EXPANDED_FIRST: Final = frozenset(field for field in EXPANDED if "." not in field)
_STAY: Final = frozenset({*EXPANDED, "remoteCacheRepo"} - {"repository"})
"""Settings of a step in which variables stay. A registry is written out."""
_IN_QUOTES: Final = re.compile(r"""(["'])(<\+[A-Za-z0-9_.$-]{1,200}>)\1""")
_ENDS_TEXT: Final = re.compile(r'["\\]')
_VARIABLES: Final = ("pipeline.variables.", "stage.variables.")
_HOLDERS: Final = ("pipeline", "stage")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_DASHED: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_USED: Final = re.compile(
    r"(?:pipeline|stage)\.variables"
    r"(?:(?:\[|\.get\()[\"']([A-Za-z_][A-Za-z0-9_-]{0,127})[\"'][\])]|\.([A-Za-z_][A-Za-z0-9_]{0,127}))"
)
_LOOPED: Final = ("matrix.", "repeat.", "strategy.", "stage.matrix.", "step.identifierPostFix")
"""What the operator replaces in each build of a strategy."""
_SECRET_FIELDS: Final = ("envDockerSecrets.", "fileDockerSecrets.")
"""Where the operator reads the Secret that an expression names."""

_REMEDIES: Final = (
    ("secrets.", "put the value into a Secret and name it in buildArgsFrom or buildSecrets"),
    ("execution.", "another step makes this value; write the value"),
    ("steps.", "another step makes this value; write the value"),
    ("stage.spec.", "another step makes this value; write the value"),
    ("stepGroup.steps.", "another step makes this value; write the value"),
    ("pipeline.stages.", "another stage makes this value; write the value"),
    ("pipeline.variables.", "write its value, or give the file with --input-set"),
    ("stage.variables.", "write its value, or give the file with --input-set"),
    ("matrix.", "each combination of the matrix has its own value; write one resource for each"),
    ("repeat.", "each round has its own value; write one resource for each"),
    ("trigger.", "nothing here has a trigger; write the value"),
)
"""What has no value in any field, by the beginning of the expression."""


class Values:
    """The value of each expression that a pipeline itself fixes, by the expression without its signs."""

    def __init__(self) -> None:
        # By the identity of a pipeline or stage, which stands here too and so keeps its identity. Many steps share one.
        self._known: dict[tuple[int, str], tuple[Map, dict[str, str]]] = {}

        self._chosen: dict[tuple[int, int], tuple[Map, Map, dict[str, str], dict[str, str], frozenset[str]]] = {}

    def write_step(self, found: FoundStep) -> FoundStep:
        """The step with known expressions written out, in it and around it. In conditions texts stand in quotes."""
        around = found.around
        values = ChainMap(
            _given(_names("step", found.step)),
            self._keep(around.stage, "stage", _values_of_stage),
            self._keep(around.pipeline, "pipeline", _values_of_pipeline),
        )
        carried, staying, asked = self._choose(around.pipeline, around.stage)
        open_values = values.new_child(staying)
        written = replace(
            around,
            pipeline={**around.pipeline, "properties": write_out(around.pipeline.get("properties", {}), values)},
            stage=_write_frame(around.stage, values, open_values),
            groups=tuple(_write_frame(group, values, open_values) for group in around.groups),
            earlier=tuple(replace(step, spec=as_map(write_out(step.spec, values))) for step in around.earlier),
        )
        step = _write_frame(found.step, values, open_values)
        if asked:
            asked &= {*_used_in(found.step), *_used_in(step), *_used_in(around.pipeline.get("properties"))}
        return replace(found, step=step, around=written, variables=carried, asked=asked)

    def _keep(self, holder: Map, kind: str, read: Callable[[Map], dict[str, str]]) -> dict[str, str]:
        place = (id(holder), kind)
        if place not in self._known:
            self._known[place] = (holder, read(holder))
        return self._known[place][1]

    def _choose(self, pipeline: Map, stage: Map) -> tuple[dict[str, str], dict[str, str], frozenset[str]]:
        """The variables that stay expressions; the same as expressions, each without a value; and all variables that
        are asked for at each run."""
        place = (id(pipeline), id(stage))
        if place not in self._chosen:
            carried = _choose_carried(pipeline, stage)
            names = [name for name in carried if _VARIABLE.fullmatch(name)]
            staying = {f"{kind}.variables.{name}": "" for kind in _HOLDERS for name in names}
            asked = frozenset(_asked_variables(pipeline) | _asked_variables(stage))
            self._chosen[place] = (pipeline, stage, carried, staying, asked)
        return self._chosen[place][2:]


def _choose_carried(pipeline: Map, stage: Map) -> dict[str, str]:
    """The variables that stay expressions, with their values for the field `variables`. The others are written out:
    those with expressions in them, and those that pipeline and stage give different values."""
    ours, theirs = fixed_variables(stage), fixed_variables(pipeline)
    return {
        name: value
        for name, value in {**theirs, **ours}.items()
        if theirs.get(name, value) == value
        and "<+" not in value
        and len(value) <= MAX_BUILD_ARG
        and _DASHED.fullmatch(name)
    }


def _write_frame(holder: Map, values: Mapping[str, str], open_values: Mapping[str, str]) -> Map:
    """A step, stage or group without the steps in it, which can be many. `open_values` are for what the operator
    replaces itself."""
    spec = {key: value for key, value in as_map(holder.get("spec")).items() if key != "execution"}
    rest = {key: value for key, value in holder.items() if key not in ("spec", "steps", "when")}
    written = {
        key: write_out(value, open_values if _stays(key, value, values) else values) for key, value in spec.items()
    }
    condition = {"when": write_out(holder["when"], open_values, quoted=True)} if "when" in holder else {}
    return {**as_map(write_out(rest, values)), "spec": written, **condition}


def _stays(setting: str, value: Value, values: Mapping[str, str]) -> bool:
    """Whether variables stay expressions. One that holds several tags is written out, because commas part the tags of
    a pipeline and not those of a resource."""
    if setting != "tags":
        return setting in _STAY
    used = {f"{kind}.variables.{name}" for name in _used_in(value) for kind in _HOLDERS}
    return not any("," in values.get(name, "") for name in used)


def used_variables(spec: Mapping[str, object], carried: Mapping[str, str]) -> dict[str, str]:
    """The field `variables`: those of the carried variables that stand in an expression of the spec."""
    names = dict.fromkeys(_used_in(spec))
    return {name: carried[name] for name in names if name in carried}


def _used_in(value: object) -> list[str]:
    """The names of variables in the expressions of all texts."""
    return [quoted or plain for _, text in _texts(value, "") for quoted, plain in _USED.findall(text)]


def _asked_variables(holder: Map) -> set[str]:
    """The variables that are asked for at each run and have a default."""
    given = map(as_map, as_list(holder.get("variables")))
    return {as_text(each.get("name")) for each in given if is_input(each.get("value"))} & set(fixed_variables(holder))


def _values_of_stage(stage: Map) -> dict[str, str]:
    return _given({**_names("stage", stage), **_variables("stage.variables", stage)})


def _values_of_pipeline(pipeline: Map) -> dict[str, str]:
    values = {
        **_names("pipeline", pipeline),
        **_variables("pipeline.variables", pipeline),
        "org.identifier": as_text(pipeline.get("orgIdentifier")),
        "project.identifier": as_text(pipeline.get("projectIdentifier")),
    }
    for stage in list_stages(pipeline):
        values |= _variables(f"pipeline.stages.{as_text(stage.get('identifier'))}.variables", stage)
    return _given(values)


def _given(values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _names(kind: str, value: Map) -> dict[str, str]:
    return {f"{kind}.{key}": as_text(value.get(key)) for key in ("name", "identifier")}


def _variables(prefix: str, holder: Map) -> dict[str, str]:
    return {f"{prefix}.{name}": value for name, value in fixed_variables(holder).items()}


def fixed_variables(holder: Map) -> dict[str, str]:
    """The variables of a pipeline or stage with their values. One that each run asks for has its default, and a secret
    has its expression."""
    found: dict[str, str] = {}
    for each in map(as_map, as_list(holder.get("variables"))):
        name, value = as_text(each.get("name")), each.get("value")
        text = as_text(value) or as_text(each.get("default"))
        if is_input(value):
            text = as_text(each.get("default")) or find_default(as_text(value)) or ""
        if name and text:
            secret = as_text(each.get("type")) == "Secret" and not text.startswith("<+")
            found[name] = f'<+secrets.getValue("{text}")>' if secret else text
    return found


def write_out(value: Value, values: Mapping[str, str], *, quoted: bool = False) -> Value:
    """The value with all known expressions replaced, in every text of it. In a condition texts stand in quotes."""
    if isinstance(value, dict):
        return {key: write_out(inner, values, quoted=quoted) for key, inner in value.items()}
    if isinstance(value, list):
        return [write_out(inner, values, quoted=quoted) for inner in value]
    return _write_out_text(value, values, quoted=quoted) if "<+" in value else value


def _write_out_text(text: str, values: Mapping[str, str], *, quoted: bool) -> str:
    def known(match: re.Match[str]) -> str:
        value = values.get(match[1]) or match[0]
        if not quoted or value == match[0] or "<+" in value:
            return value
        plain = re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?|true|false", value)
        return value if plain else '"' + _ENDS_TEXT.sub(r"\\\g<0>", value) + '"'

    given = text = _IN_QUOTES.sub(r"\2", text) if quoted else text
    for _ in range(_MAX_ROUNDS):
        written = _EXPRESSION.sub(known, text)
        if written == text:
            return text
        if len(written) > _MAX_TEXT:
            break
        text = written
    return given  # values that stand for each other, or too long a text


def explain_open(spec: Mapping[str, object], notes: Notes) -> None:
    """Tell which expressions of a spec have no value for the operator, and what to do about each."""
    known = set(as_map(spec.get("variables")))  # type: ignore[arg-type]
    for field, text in _texts(spec, ""):
        if field.startswith(_SECRET_FIELDS) and SECRET.fullmatch(text.strip()):
            continue
        for expression in dict.fromkeys(_ANY.findall(text)):
            if expression[2:].startswith(_VARIABLES) and set(_used_in(expression)) <= known:
                continue
            expanded = field.split(".", maxsplit=1)[0] in _EXPANDED_FIRST or field in EXPANDED
            if expanded and spec.get("strategy") and expression[2:].startswith(_LOOPED):
                continue
            remedy = next((words for begin, words in _REMEDIES if expression[2:].startswith(begin)), "")
            if remedy or not expanded:
                notes.todo(f"{field}: {shown(expression)} is not replaced here; {remedy or 'write its value'}")


def _texts(value: object, path: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [each for key, inner in value.items() for each in _texts(inner, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list):
        return [each for inner in value for each in _texts(inner, path)]
    return [(path, value)] if isinstance(value, str) and "<+" in value else []
