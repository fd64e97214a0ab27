"""The schema of `envVariables`: one property for each flag of the step's plugin, so that typos are refused."""

import re
from typing import Any, Final

from buildandpush.api.base import cel
from buildandpush.api.flagtable import FLAGS, REFUSED, Flag, FlagType, Treatment

MAX_VALUE: Final = 4096

BOOLEANS: Final = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
"""What the plugin reads as true and false: https://pkg.go.dev/strconv#ParseBool."""

_WORDS: Final[dict[FlagType, str]] = {
    "bool": "true or false",
    "int": "a whole number",
    "text": "text",
    "list": "values, separated by commas",
}


def render_flags() -> dict[str, Any]:
    """The schema of `envVariables`: an object that knows these properties and no others."""
    return {"type": "object", "properties": {name: _property(flag) for name, flag in FLAGS.items()}}


def describe_flag(flag: Flag) -> str:
    """What a flag means, what it takes and what becomes of it, for `kubectl explain`."""
    if flag.treatment in REFUSED:
        return f"{flag.meaning}. Refused: {refusal(flag)}."
    parts = [f"{flag.meaning}; {_words(flag)}."]
    if flag.treatment is Treatment.NO_EFFECT:
        parts.append(f"Without effect: {flag.instead}.")
    if flag.treatment is Treatment.PATH:
        parts.append("A path on the volume that workspace names.")
    if flag.treatment is Treatment.TLS_OFF:
        parts.append("Only for registries that the operator's installer allows.")
    if flag.alias_of:
        parts.append(f"The same as {flag.alias_of}.")
    elif flag.default:
        parts.append(f"Default: {flag.default}.")
    return " ".join(parts)


def refusal(flag: Flag) -> str:
    """What to use instead of a refused flag."""
    if flag.treatment is Treatment.CREDENTIAL:
        return f"no login belongs into a spec; use {flag.instead}"
    return f"use {flag.instead}"


def _words(flag: Flag) -> str:
    if not flag.choices:
        return _WORDS[flag.kind]
    words = " or ".join((", ".join(flag.choices[:-1]), flag.choices[-1]))
    return f"{words}, in upper or lower case" if flag.any_case else words


def _property(flag: Flag) -> dict[str, Any]:
    if flag.treatment in REFUSED and flag.kind == "text":
        # Typed, for CEL sees only what has a type; so a login is refused before it is stored.
        rule = cel("self == ''", message=f"envVariables.{flag.name}: {refusal(flag)}", hides_value=True)
        described = {"description": describe_flag(flag), "type": "string", "maxLength": MAX_VALUE}
        return {**described, "x-kubernetes-validations": [rule]}
    # Unquoted booleans and numbers come as such; a leaf without a type takes them all.
    leaf: dict[str, Any] = {
        "description": describe_flag(flag),
        "maxLength": MAX_VALUE,
        "maxProperties": 0,
        "maxItems": 0,
        "x-kubernetes-preserve-unknown-fields": True,
    }
    pattern = _pattern(flag)
    return {**leaf, "pattern": pattern} if pattern else leaf


def _pattern(flag: Flag) -> str:
    """White space around a value is let through, as the operator reads it: a block of YAML ends with a line break."""
    if flag.kind == "bool":
        return rf"^\s*({'|'.join(BOOLEANS)})?\s*$"
    if flag.kind == "int":
        return r"^\s*[0-9]{0,9}\s*$"
    if not flag.choices:
        return ""
    words = "|".join(re.escape(word) for word in (*flag.choices, *dict(flag.synonyms)))
    return rf"^\s*({'?i:' if flag.any_case else ''}{words})?\s*$"
