"""Puts the values of a run into the texts of a spec, once, before anything is planned."""

import re
from collections.abc import Callable
from typing import Any, Final

from buildandpush.api.repository import SEQUENCE_ID, TAG_PATTERN
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.expressions.evaluate import Scope, check_names, evaluate, render
from buildandpush.core.expressions.reader import read_text
from buildandpush.core.expressions.tree import (
    Constant,
    ExpressionError,
    Member,
    Name,
    Node,
    Template,
    Value,
    find_path,
    find_paths,
)
from buildandpush.core.redact import show_value
from buildandpush.core.spec.codebase import Codebase, explain_empty
from buildandpush.core.spec.scope import (
    CODEBASE,
    DETAILS,
    STAND_IN,
    Occasion,
    build_scope,
    names_codebase,
    names_in,
)

MAX_TEXTS: Final = 16 * 1024
"""Characters of all texts with expressions. To read so many takes up to 0.2 s, while nothing else goes on."""

_OPEN: Final = "<+"
_NUMBER: Final = Member(Name("pipeline"), Constant("sequenceId"))
_NO_STEPS: Final = "no other steps run here; write the value, or set it from outside as one of variables"
_ROOTS: Final = {
    "input": "a pipeline asks for it when it starts; write the value",
    "secrets": "nothing reads secrets into a text here; buildArgsFrom and buildSecrets take a value from a Secret",
    "execution": _NO_STEPS,
    "steps": _NO_STEPS,
    "env": "there are no environments here; write the value, or make it one of variables",
    "account": "there is no account here; write the value, or make it one of variables",
    "org": "there is no organization here; write the value, or make it one of variables",
    "project": "there is no project here; write the value, or make it one of variables",
    "variable": "give it in variables, and write <+pipeline.variables.…>",
    "matrix": "there is no strategy.matrix; give it, or write the value",
    "repeat": "there is no strategy.repeat with items; give it, or write the value",
    "strategy": "there is no strategy; give it, or write the value",
}
"""Names that pipelines know and nothing here does, by their first part, each with what to do."""
_TEXTS: Final = ("repository", "dockerfile", "context", "target", "remote_cache_image")
_MAPS: Final = ("labels", "build_args")
_NULL: Final = "null"
"""How a pipeline writes what has no value into a label or build argument."""
_SHOWN: Final = 200

_Expand = Callable[[str, str], str]
"""Field and text to text."""


def expand_spec(spec: BuildAndPushACRSpec, occasion: Occasion) -> BuildAndPushACRSpec:
    """The spec with values in place of expressions. In tags `<+pipeline.sequenceId>` stays: see `tags`.

    Until the commit is known, what depends on it has a value that `is_unknown` tells, and tags that do are left out.
    Raises SpecInvalidError for an expression that cannot be read or has no value, and for more text than can be read in
    a short time.
    """
    size = sum(len(text) for text in texts_of(spec) if _OPEN in text)
    if not size:
        return spec
    if size > MAX_TEXTS:
        raise SpecInvalidError(
            "spec",
            f"its texts with expressions have {size} characters together, more than {MAX_TEXTS}; write shorter ones, "
            "or make one of variables of what several have in common",
        )
    scope = build_scope(spec, occasion)

    def expand(field: str, text: str) -> str:
        return _expand(field, text, scope, occasion, spec)

    changes: dict[str, Any] = {
        name: expand(_outer(name), value) for name in _TEXTS if (value := getattr(spec, name)) is not None
    }
    for name in _MAPS:
        values = getattr(spec, name)
        if values:
            changes[name] = {key: expand(f"{_outer(name)}.{key}", text) for key, text in values.items()}
    if spec.tags is not None:
        expanded = ((tag, expand("tags", tag)) for tag in spec.tags)
        # Once the commit is known, nothing is left out: a branch may be called like the stand-in.
        is_known = occasion.codebase is not None
        changes["tags"] = [_check_tag(tag, value) for tag, value in expanded if is_known or not is_unknown(value)]
    changes["source"] = _expand_source(spec, expand)
    return spec.model_copy(update=changes)


def texts_of(spec: BuildAndPushACRSpec) -> list[str]:
    """The texts in which each build has its own values."""
    texts = [text for name in _TEXTS if (text := getattr(spec, name))]
    texts += [text for name in _MAPS for text in (getattr(spec, name) or {}).values()]
    texts += spec.tags or []
    git, claim = spec.source.git, spec.source.persistent_volume_claim
    texts += [git.revision, *(git.paths or ())] if git is not None else []
    texts += [claim.path] if claim is not None and claim.path else []
    return texts


def _expand_source(spec: BuildAndPushACRSpec, expand: _Expand) -> Any:
    git, claim = spec.source.git, spec.source.persistent_volume_claim
    changes: dict[str, Any] = {}
    if git is not None:
        named: dict[str, Any] = {"revision": expand("source.git.revision", git.revision)}
        if git.paths:
            named["paths"] = [expand("source.git.paths", path) for path in git.paths]
        changes["git"] = git.model_copy(update=named)
    if claim is not None and claim.path:
        path = expand("source.persistentVolumeClaim.path", claim.path)
        changes["persistent_volume_claim"] = claim.model_copy(update={"path": path})
    return spec.source.model_copy(update=changes)


def _check_tag(written: str, expanded: str) -> str:
    if expanded != written and not re.fullmatch(TAG_PATTERN, expanded.replace(SEQUENCE_ID, "0")):
        raise SpecInvalidError(
            "tags",
            f"{show_value(written, _SHOWN)} becomes {show_value(expanded, _SHOWN)}, which is no tag: a tag has up to "
            '128 letters, digits, _ . or -; replace what it may not hold, as in <+codebase.branch.replace("/", "-")>',
        )
    return expanded


def _expand(field: str, text: str, scope: Scope, occasion: Occasion, spec: BuildAndPushACRSpec) -> str:
    if _OPEN not in text:
        return text
    try:
        template = read_text(text)
        for part in template:
            if not isinstance(part, str):
                _check(field, part, scope, spec)
        return "".join(_write(field, part, scope, occasion) for part in template)
    except ExpressionError as error:
        raise SpecInvalidError(field, str(error)) from error  # without the text, which may hold what is not to be told


def evaluate_text(field: str, text: str, spec: BuildAndPushACRSpec, occasion: Occasion) -> Value:
    """What the expressions of a text give: if it is one expression alone its value, such as a list, or else a text.

    Raises SpecInvalidError.
    """
    if _OPEN not in text:
        return text
    scope = build_scope(spec, occasion)
    try:
        template = read_text(text)
        for part in template:
            if not isinstance(part, str):
                _check(field, part, scope, spec)
        only = template[0]
        return evaluate(only, scope) if len(template) == 1 and not isinstance(only, str) else render(template, scope)
    except ExpressionError as error:
        raise SpecInvalidError(field, str(error)) from error


def _check(field: str, node: Node, scope: Scope, spec: BuildAndPushACRSpec) -> None:
    """Raise for names that nothing is known of, with what to do about those that pipelines know."""
    for path in find_paths(node):
        root = "execution" if path[:2] == ("pipeline", "stages") else path[0]
        remedy = _ROOTS.get(root)
        if remedy and root not in scope:
            name = "secrets.getValue(…)" if path[0] == "secrets" else ".".join(path)[:_SHOWN]
            raise SpecInvalidError(field, f"<+{name}> has no value here: {remedy}")
    check_names(node, scope)
    if names_codebase(node) and field.startswith("strategy."):
        raise SpecInvalidError(
            field, "<+codebase.…> speaks of the commit, which is known too late for this; write it out"
        )
    if names_codebase(node) and field.startswith("source."):
        raise SpecInvalidError(field, "<+codebase.…> speaks of the commit, which is found by the source; write it out")
    if names_codebase(node) and spec.source.git is None:
        raise SpecInvalidError("source", "<+codebase.…> speaks of a commit, which only source.git has; use source.git")


def _write(field: str, part: str | Node, scope: Scope, occasion: Occasion) -> str:
    if isinstance(part, str):
        return part
    if field == "tags" and part == _NUMBER:
        return SEQUENCE_ID
    if names_codebase(part) and occasion.codebase is None:
        return STAND_IN
    _refuse_empty(field, part, occasion.codebase)
    return render((part,), scope, null=_NULL if field.split(".", maxsplit=1)[0] in ("labels", "buildArgs") else None)


def _refuse_empty(field: str, node: Node, codebase: Codebase | None) -> None:
    """Raise for an expression that stands for nothing but a fact which this commit has not."""
    path = find_path(node)
    if codebase is None or path is None or path[0] != CODEBASE:
        return
    name = ".".join(path[1:])
    if codebase.values().get(name) == "":
        raise SpecInvalidError(field, explain_empty(name, codebase))


def is_unknown(text: str) -> bool:
    """Whether a text depends on a commit that was not known when it was made."""
    return STAND_IN in text


def codebase_names(spec: BuildAndPushACRSpec) -> frozenset[str]:
    """What the spec needs of the run's commit. Empty for texts that cannot be read: `expand_spec` refuses those."""
    found: set[str] = set()
    for text in texts_of(spec):
        if _OPEN in text:
            found |= names_in(_read(text))
    return frozenset(found)


def needs_details(names: frozenset[str]) -> bool:
    """Whether the commit's author or message is among them."""
    return bool(names & DETAILS)


def _read(text: str) -> Template:
    try:
        return read_text(text)
    except ExpressionError:
        return ()


def _outer(name: str) -> str:
    """The name of a field as a user writes it."""
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)
