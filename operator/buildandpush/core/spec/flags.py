"""Reads `envVariables`: parses each flag by its type, and makes the executor's arguments from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from buildandpush.api.flags import BOOLEANS, MAX_VALUE, refusal
from buildandpush.api.flagtable import FLAGS, REFUSED, Flag, Treatment
from buildandpush.core.errors import SpecInvalidError

FlagValue = bool | int | str | tuple[str, ...]

NO_PUSH: Final = "PLUGIN_NO_PUSH"
PUSH_ONLY: Final = "PLUGIN_PUSH_ONLY"
SOURCE_TAR: Final = "PLUGIN_SOURCE_TAR_PATH"
TAR: Final = "PLUGIN_TAR_PATH"
VERBOSITY: Final = "PLUGIN_VERBOSITY"
IGNORE_VAR_RUN: Final = "PLUGIN_IGNORE_VAR_RUN"
ARTIFACT_FILE: Final = "PLUGIN_ARTIFACT_FILE"

OWN_REGISTRY: Final = "true"
"""In a list of registries: repository's own, where a pipeline has a boolean for the list."""

QUIET: Final = frozenset({"warn", "error", "fatal", "panic"})
"""Levels at which kaniko's log would not say what it pushed, nor what it could not cache."""
_LEAST_LEVEL: Final = "info"


@dataclass(frozen=True)
class PluginFlags:
    """The flags that are set, by name. An alias is stored under the name of the flag that it stands for."""

    values: Mapping[str, FlagValue] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    """The name that the spec has for a flag, where that is another one."""

    def is_on(self, name: str) -> bool:
        """Whether a boolean flag is set to true."""
        return self.values.get(name) is True

    def text(self, name: str) -> str:
        """A text flag, empty where it is unset."""
        return str(self.values.get(name, ""))

    def items(self, name: str) -> tuple[str, ...]:
        """A list flag, empty where it is unset."""
        value = self.values.get(name, ())
        return value if isinstance(value, tuple) else (str(value),)

    def name_of(self, name: str) -> str:
        """The name by which the spec has this flag."""
        return self.written.get(name, name)

    def field_of(self, name: str) -> str:
        """How messages name this flag, so that its user finds it in the spec."""
        return field_name(self.name_of(name))


def is_unset(raw: Any) -> bool:
    """Whether a value of `envVariables` is empty, in any notation."""
    return raw in (None, [], {}) or (isinstance(raw, str) and not raw.strip())


def parse_flags(variables: Mapping[str, Any] | None) -> PluginFlags:
    """The flags in `envVariables`; raises SpecInvalidError for one that is unknown, refused or ill-typed.

    Empty values count as unset, as they do to the plugin.
    """
    found: dict[str, FlagValue] = {}
    names: list[str] = []
    for name, raw in sorted((variables or {}).items()):
        flag = FLAGS.get(name)
        if flag is None:
            raise SpecInvalidError(
                field_name(name),
                "it is no flag of the step's plugin; variables for the build go into ENV lines of the Dockerfile, "
                "buildArgs or buildArgsFrom",
            )
        value = None if is_unset(raw) else _parse(flag, raw)
        if value is None or value == ():
            continue
        if flag.treatment in REFUSED and value is not False:
            raise SpecInvalidError(field_name(name), refusal(flag))
        _put(found, flag, value)
        names.append(name)
    aliases = {FLAGS[name].alias_of: name for name in names if FLAGS[name].alias_of}
    return PluginFlags(found, {name: alias for name, alias in aliases.items() if name not in names})


def field_name(name: str) -> str:
    """How messages name a flag."""
    return f"envVariables.{name}"


def _put(found: dict[str, FlagValue], flag: Flag, value: FlagValue) -> None:
    name = flag.alias_of or flag.name
    if found.setdefault(name, value) != value:
        other = next(one for one in FLAGS.values() if name in (one.name, one.alias_of) and one.name != flag.name)
        raise SpecInvalidError(field_name(flag.name), f"it says another thing than {other.name}; give one of them")


def _parse(flag: Flag, raw: Any) -> FlagValue:
    if flag.kind == "bool":
        return _parse_bool(flag, raw)
    if flag.kind == "int":
        return _parse_int(flag, raw)
    if isinstance(raw, list | dict):
        raise SpecInvalidError(
            field_name(flag.name), "it holds a list or an object; write text, several values separated by commas"
        )
    text = _text(raw)
    if "\0" in text:
        raise SpecInvalidError(field_name(flag.name), "it holds a zero byte; remove it")
    if len(text) > MAX_VALUE:
        raise SpecInvalidError(field_name(flag.name), f"it is longer than {MAX_VALUE} characters; shorten it")
    if flag.kind == "list":
        return _parse_list(flag, text)
    return _parse_choice(flag, text) if flag.choices else text


def _parse_list(flag: Flag, text: str) -> tuple[str, ...]:
    if flag.treatment is Treatment.TLS_OFF and text in BOOLEANS:
        return (OWN_REGISTRY,) if BOOLEANS[text] else ()
    return tuple(item for item in (part.strip() for part in text.split(",")) if item)


def _parse_choice(flag: Flag, text: str) -> str:
    word = text.lower() if flag.any_case else text
    word = dict(flag.synonyms).get(word, word)
    if word not in flag.choices:
        raise SpecInvalidError(field_name(flag.name), f"{text[:64]!r} is unknown; write one of {_join(flag.choices)}")
    return word


def _parse_bool(flag: Flag, raw: Any) -> bool:
    text = _text(raw)
    if text not in BOOLEANS:
        raise SpecInvalidError(field_name(flag.name), f"{text[:64]!r} is neither true nor false; write one of the two")
    return BOOLEANS[text]


_UNITS: Final = {"h": "number of hours, for example 168 for a week"}


def _parse_int(flag: Flag, raw: Any) -> int:
    text = _text(raw)
    if not re.fullmatch("[0-9]{1,9}", text):
        remedy = f"write the {_UNITS[flag.unit]}" if flag.unit else "write for example 3"
        raise SpecInvalidError(field_name(flag.name), f"{text[:64]!r} is no whole number; {remedy}")
    return int(text)


def _text(raw: Any) -> str:
    """A value as it would have stood quoted in YAML, without the white space that a block of YAML puts around it."""
    return str(raw).lower() if isinstance(raw, bool) else str(raw).strip()


def _join(words: tuple[str, ...]) -> str:
    return ", ".join(words)


# The value for an unset flag whose default in the executor is different.
_ALWAYS: Final = (
    "PLUGIN_PUSH_RETRY",
    "PLUGIN_IMAGE_DOWNLOAD_RETRY",
    "PLUGIN_IMAGE_FS_EXTRACT_RETRY",
    "PLUGIN_LOG_FORMAT",
    "PLUGIN_LOG_TIMESTAMP",
)


def flag_arguments(flags: PluginFlags, *, push_only: bool = False) -> list[str]:
    """The executor's arguments of all flags that are passed on as they are, in the order of the table."""
    arguments = []
    for name, flag in FLAGS.items():
        if flag.treatment is not Treatment.ARGUMENT or flag.alias_of or (push_only and not flag.on_push):
            continue
        value = flags.values.get(name, flag.default if name in _ALWAYS else "")
        if value == "" or (flag.unit and value == 0):
            continue
        values = value if isinstance(value, tuple) else (value,)
        arguments += [f"--{flag.executor}={_executor_text(name, one)}{flag.unit}" for one in values]
    return arguments


def _executor_text(name: str, value: FlagValue) -> str:
    # kaniko's log is what proves a push where the registry cannot be asked.
    return _LEAST_LEVEL if name == VERBOSITY and value in QUIET else _text(value)


def shaping_flags(flags: PluginFlags) -> dict[str, Any]:
    """The flags that shape the image and say something else than their default, in a form for JSON."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in flags.values.items()
        if FLAGS[name].shapes and _text(value) != FLAGS[name].default
    }
