"""The plugin's flags: `envVariables` of the step, and variables of the stage that begin with PLUGIN_."""

from typing import Any, Final

from buildandpush.api.flags import BOOLEANS, refusal
from buildandpush.api.flagtable import FLAGS, REFUSED, Treatment
from buildandpush.core.spec.flags import is_unset
from buildandpush.pipelines.expressions import fixed_variables
from buildandpush.pipelines.fields import nearest
from buildandpush.pipelines.inputs import is_input
from buildandpush.pipelines.notes import Notes, shown
from buildandpush.pipelines.reading import leave_out, read_map, read_text
from buildandpush.pipelines.values import Map, Value, as_list, as_map, as_text

_PREFIX: Final = "PLUGIN_"
_WITHOUT_PUSH: Final = ("PLUGIN_NO_PUSH", "PLUGIN_DRY_RUN")
_FIELDS: Final = {
    "PLUGIN_DOCKERFILE": "dockerfile",
    "PLUGIN_CONTEXT": "context",
    "PLUGIN_TARGET": "target",
    "PLUGIN_REPO": "repository",
    "PLUGIN_SUBSCRIPTION_ID": "subscriptionId",
    "SUBSCRIPTION_ID": "subscriptionId",
    "PLUGIN_TAGS": "tags",
}
"""Flags that say the same as a field, and become it where the step does not have the field."""
_ARGUMENTS: Final = "PLUGIN_BUILD_ARGS"
_ARGUMENTS_NEW: Final = "PLUGIN_BUILD_ARGS_NEW"
_WHICH: Final = "PLUGIN_MULTIPLE_BUILD_ARGS"


def plan_flags(value: Value | None, stage: Map, spec: Map, notes: Notes) -> tuple[dict[str, str], Map]:
    """`envVariables`, and the settings of the step with those that only a flag has."""
    given = {name: (text, "the stage's variable ") for name, text in _of_stage(stage, notes).items()}
    given |= {name: (text, "envVariables.") for name, text in _of_step(value, notes).items()}
    flags: dict[str, str] = {}
    settings = dict(spec)
    taken = () if "buildArgs" in settings else _take_arguments(given, settings, notes)
    for name, (text, origin) in given.items():
        place = f"{origin}{shown(name)}"
        if name in taken:
            continue
        if name not in FLAGS:
            near = nearest(name, list(FLAGS))
            advice = f"did you mean {near}?" if near else "variables of the build go into ENV lines or buildArgs"
            notes.left_out(f"{place} is no flag of the step's plugin; {advice}")
        elif "<+secrets." in text and FLAGS[name].treatment not in REFUSED:
            notes.left_out(f"{place} is a secret, which no flag can be")
        elif FLAGS[name].treatment not in REFUSED:
            flags[name] = text
        elif name in _FIELDS and _FIELDS[name] not in settings and not is_unset(text):
            settings[_FIELDS[name]] = text
            notes.differs(f"{place} has become {_FIELDS[name]}")
        elif not is_unset(text):
            notes.left_out(f"{place}: {refusal(FLAGS[name])}")
    return flags, settings


def _is_login(name: str) -> bool:
    """Whether a flag is left out whatever its value is, so that nobody is asked for it."""
    return name in FLAGS and FLAGS[name].treatment is Treatment.CREDENTIAL


def _of_step(value: Value | None, notes: Notes) -> dict[str, str]:
    given = as_map(value)
    others = {name: each for name, each in given.items() if not _is_login(name)}
    found = read_map("envVariables", others if isinstance(value, dict) else value, notes)
    found |= {name: as_text(each) for name, each in given.items() if _is_login(name)}
    return {name: found[name] for name in given if name in found}


def _take_arguments(given: dict[str, tuple[str, str]], settings: Map, notes: Notes) -> tuple[str, ...]:
    """Put the build arguments that only a flag has into the settings. The result are the flags that say it all."""
    new = bool(BOOLEANS.get(given.get(_WHICH, ("", ""))[0].strip())) and _ARGUMENTS_NEW in given
    name, sign = (_ARGUMENTS_NEW, ";") if new else (_ARGUMENTS, ",")
    text, origin = given.get(name, ("", ""))
    arguments: Map = {}
    others: list[str] = []
    for entry in filter(None, map(str.strip, text.split(sign))):
        argument, equals, value = entry.partition("=")
        if argument and equals:
            arguments[argument] = value
        else:
            others.append(entry)
    if not arguments:
        return ()
    leave_out(f"{origin}{name}", others, notes, "no name with a value; write it into buildArgs")
    settings["buildArgs"] = arguments
    notes.differs(f"{origin}{name} has become buildArgs")
    # With the new list the plugin does not look at the old one.
    return (_ARGUMENTS, _ARGUMENTS_NEW, _WHICH) if new else (_ARGUMENTS, _WHICH)


def _of_stage(stage: Map, notes: Notes) -> dict[str, str]:
    """Variables of the stage, which the plugin has as its environment."""
    found = {name: text for name, text in fixed_variables(stage).items() if name.startswith(_PREFIX)}
    for each in map(as_map, as_list(stage.get("variables"))):
        name = as_text(each.get("name"))
        place = f"the stage's variable {shown(name)}"
        if not name.startswith(_PREFIX):
            continue
        if _is_login(name):
            found.setdefault(name, as_text(each.get("value")))
        elif name not in found:
            read_text(place, each.get("value"), notes)
        elif is_input(each.get("value")):
            notes.differs(f"{place} is asked for at each run; here it has the default of the question")
    return found


def pushes_image(flags: dict[str, str]) -> bool:
    """Whether the image is pushed, and needs a connector and tags for it."""
    return not any(BOOLEANS.get(flags.get(name, "").strip()) for name in _WITHOUT_PUSH)


def needs_installer(fields: dict[str, Any], notes: Notes) -> tuple[str, ...]:
    """The registries that flags switch TLS off for. The installer has to allow them."""
    flags = fields.get("envVariables") or {}
    names = [name for name, text in flags.items() if FLAGS[name].treatment is Treatment.TLS_OFF and _is_on(text)]
    if not names:
        return ()
    notes.todo(
        f"envVariables: {', '.join(names)}: ask the operator's installer to add the registries to "
        "allowed.insecureRegistries, or use caBundle of the AzureConnector"
    )
    listed = [host.strip() for name in names for host in str(flags[name]).split(",")]
    return (str(fields["repository"]).split("/")[0], *listed)


def _is_on(text: str) -> bool:
    return not is_unset(text) and BOOLEANS.get(text.strip(), True)
