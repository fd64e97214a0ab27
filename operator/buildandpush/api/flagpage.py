"""The page of the documentation that lists every plugin flag, made from the table."""

from typing import Final

from buildandpush.api.flags import BOOLEANS, refusal
from buildandpush.api.flagtable import GROUPS, REFUSED, Flag, Treatment

_INTRODUCTION: Final = f"""\
# Plugin flags

`envVariables` takes the flags of the pipeline step's plugin, one property each (`kubectl explain
buildandpushacr.spec.envVariables`). An unknown name is refused when the resource is applied: a variable for the build
itself goes into an ENV line of the Dockerfile, into `buildArgs`, or, where it is a secret, into `buildArgsFrom` or
`buildSecrets`.

Values may be quoted or not. True and false are read as the plugin reads them: {", ".join(BOOLEANS)}.
Lists are separated by commas. An empty value is the same as none.

Paths are relative to the volume that `workspace.persistentVolumeClaim` names; the pipeline's `/harness/` stands for its
root. Flags that take security away from a registry work only for registries among the chart's
`allowed.insecureRegistries`.

"New image" says whether a change of the flag makes a new run.
"""

_TITLES: Final = {
    "Without effect": "Accepted, and the condition `SpecValid` says that they change nothing.",
    "Refused": "Refused by name, with what to use instead.",
}


def render_flag_page() -> str:
    """The text of the page, without its header."""
    return _INTRODUCTION + "".join(_render_group(title, flags) for title, flags in GROUPS.items())


def _escape(text: str) -> str:
    """Angle brackets would be taken for HTML."""
    return text.replace("<", "&lt;").replace("|", "\\|")


def _render_group(title: str, flags: tuple[Flag, ...]) -> str:
    told = f"\n{_TITLES[title]}\n" if title in _TITLES else ""
    if all(flag.treatment in REFUSED for flag in flags):
        head = "| Flag | What it was for | What to do |\n|---|---|---|\n"
        rows = "".join(f"| `{flag.name}` | {flag.meaning} | {_instead(flag)} |\n" for flag in flags)
    elif all(flag.treatment is Treatment.NO_EFFECT for flag in flags):
        head = "| Flag | What it was for | Why it changes nothing |\n|---|---|---|\n"
        rows = "".join(f"| `{flag.name}` | {flag.meaning} | {flag.instead} |\n" for flag in flags)
    else:
        head = "| Flag | Type | Default | What it does | kaniko's flag | New image | Better than the plugin |\n"
        head += "|---|---|---|---|---|---|---|\n"
        rows = "".join(_render_row(flag) for flag in flags)
    return f"\n## {title}\n{told}\n{head}{rows}"


def _render_row(flag: Flag) -> str:
    kind = ", ".join(flag.choices) or ("path" if flag.treatment is Treatment.PATH else flag.kind)
    meaning = f"{flag.meaning} (as `{flag.alias_of}`)" if flag.alias_of else flag.meaning
    executor = f"`{flag.executor}`" if flag.executor else "–"
    shapes = "yes" if flag.shapes else "no"
    default = "–" if flag.alias_of or not flag.default else f"{flag.default}{flag.unit}"
    better = _escape(flag.better) or "–"
    return f"| `{flag.name}` | {kind} | {default} | {_escape(meaning)} | {executor} | {shapes} | {better} |\n"


def _instead(flag: Flag) -> str:
    told = refusal(flag)
    more = f" ({flag.better.removesuffix('.')})" if flag.better else ""
    return f"{told[0].upper()}{told[1:]}{more}"
