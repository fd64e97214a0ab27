"""The page of the documentation that lists every plugin flag, made from the table."""

from typing import Final

from buildandpush.api.flags import BOOLEANS, refusal
from buildandpush.api.flagtable import GROUPS, REFUSED, Flag, Treatment
from buildandpush.api.generated import escape_cell

_INTRODUCTION: Final = f"""\
# Plugin flags

`envVariables` holds the flags of the pipeline step's plugin. Each flag is a field:
`kubectl explain buildandpushacr.spec.envVariables` lists them.

The API server refuses a name that is not on this page. `envVariables` is not for variables of the build itself. Write
those into an ENV line of the Dockerfile or into `buildArgs`. Write secrets into `buildArgsFrom` or `buildSecrets`.

- You can quote a value or not.
- The operator reads true and false as the plugin does: {", ".join(BOOLEANS)}.
- Commas separate the entries of a list.
- An empty value means that the flag is not set.
- A path is relative to the root of the volume in `workspace.persistentVolumeClaim`. The pipeline's `/harness/` means
  this root too.
- A flag that turns off TLS or its checks works only for the registries in the chart's `allowed.insecureRegistries`.

The column "New image" says "yes" if a change of the flag starts a new run.
"""

_TITLES: Final = {
    "Without effect": "The operator accepts these flags. They change nothing, and the condition `SpecValid` says so.",
    "Refused": "The operator refuses these flags. The message says what to use instead.",
}


def render_flag_page() -> str:
    """The text of the page, without its header."""
    return _INTRODUCTION + "".join(_render_group(title, flags) for title, flags in GROUPS.items())


def _render_group(title: str, flags: tuple[Flag, ...]) -> str:
    subtitle = f"\n{_TITLES[title]}\n" if title in _TITLES else ""
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
    return f"\n## {title}\n{subtitle}\n{head}{rows}"


def _render_row(flag: Flag) -> str:
    kind = ", ".join(flag.choices) or ("path" if flag.treatment is Treatment.PATH else flag.kind)
    meaning = f"{flag.meaning} (as `{flag.alias_of}`)" if flag.alias_of else flag.meaning
    executor = f"`{flag.executor}`" if flag.executor else "–"
    shapes = "yes" if flag.shapes else "no"
    default = "–" if flag.alias_of or not flag.default else f"{flag.default}{flag.unit}"
    better = escape_cell(flag.better) or "–"
    return f"| `{flag.name}` | {kind} | {default} | {escape_cell(meaning)} | {executor} | {shapes} | {better} |\n"


def _instead(flag: Flag) -> str:
    message = refusal(flag)
    more = f" ({flag.better.removesuffix('.')})" if flag.better else ""
    return f"{message[0].upper()}{message[1:]}{more}"
