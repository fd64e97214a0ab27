"""The page of the documentation about Dockerfiles, made from the tables of checks and of the executor's switches."""

from typing import Final

from buildandpush.api.compatibility import ARGUMENTS, SWITCHES
from buildandpush.api.dockerfilechecks import GROUPS, TRIED, Check, Level

_LISTED: Final = " ".join(f"`{argument}`" for argument in ARGUMENTS)
_INTRODUCTION: Final = f"""\
# Dockerfiles

kaniko makes something else of some lines of a Dockerfile than Docker. kaniko's own switches make it do as BuildKit does
in part, and the operator sets them. The operator looks for the rest before kaniko starts, so that no image differs in
silence.

The init container of the build pod reads the Dockerfile and the files that it copies. It looks at the stages that the
build needs. It ends the run, or it tells:

- A line that would make a wrong or unsafe image ends the run with the reason `DockerfileUnsupported`. A part of the
  repository that is not fetched ends it with `SourceIncomplete`. The message names the line and what to write instead.
- Any other line is a warning. The condition `DockerfileChecked` is then False with the reason `DockerfileDiffers`, and
  an Event says the same. Neither changes `Ready`. A build has at most five warnings, one for each kind.

`spec.dockerfileChecks` changes that:

| Value | Meaning |
|---|---|
| unset | What is "refused" below ends the run. The rest is a warning. |
| `Refuse` | All of it ends the run. |
| `Warn` | All of it is a warning. |
| `Off` | Nothing is looked for. |

What is "always refused" ends the run in each case. What is "not seen" stands here only, because the Dockerfile does not
tell. The last column names the versions of the executor that each row was found with. With another version of the
executor, or with a kaniko of another maker, rows may not hold.

Variables count as far as the Dockerfile and `buildArgs` tell them. Values from base images and from `buildArgsFrom` are
unknown, and a line that hangs on them is not judged. ONBUILD lines are judged where they run. In an image that is only
pushed they are a warning.

## Snapshots

kaniko finds what a RUN line changed by comparing all files with those before. `optimize: true`, or the flag
`PLUGIN_SNAPSHOT_MODE` with redo or time, compares only size, time, mode and owner. That is faster, but a file that is
written again with the same size and time keeps its old content in the image. Archives, package managers and `touch -d`
set times, so this happens. The condition `SpecValid` then has the reason `ChangesMayBeLost`. Default: all is compared.

That costs time, because kaniko reads each file of the image after each RUN line. Three images were built both ways with
kaniko v1.24.0, the last release of its first makers, on two processors with other work. This is how many times as much
the default took. Each was built two or three times, and the processor times of one image differed by up to a quarter.

| Image | Processor time of the build | Time of the snapshots |
|---|---|---|
| Node: `npm ci` of eleven packages, a build, `npm prune`; three RUN lines | 1.2 | 3.1 |
| Go: two stages, `go build`, packages of Debian; four RUN lines | 1.1 | 1.5 |
| Python: `pip install` of seven packages, pandas among them; four RUN lines | 1.0 | 1.7 |

It costs most where many small files lie in the image during many RUN lines.

## The source

The `.git` folder is not part of the source. It differs at each fetch, so a layer that holds it comes from no cache. It
also gets into images. `source.git.keepGitDir: true` keeps it. Submodules and files of Git LFS come with
`source.git.submodules: true` and `source.git.lfs: true`.

## The executor's switches

The chart's `executor.compatibility: BuildKit` sets these variables to true. It also adds {_LISTED}.
With `Kaniko` they are left alone, and the rows that say "mended" are looked for as well. After a change of the setting,
each cached layer is made once anew.

| Variable | What an image is like with it |
|---|---|
"""


def render_dockerfile_page() -> str:
    """The text of the page, without its header."""
    switches = "".join(f"| `{switch.name}` | {switch.meaning}. |\n" for switch in SWITCHES)
    return _INTRODUCTION + switches + "".join(_render_group(title, checks) for title, checks in GROUPS.items())


def _render_group(title: str, checks: tuple[Check, ...]) -> str:
    head = "| In the Dockerfile | kaniko | Docker | Instead | Default | Versions |\n|---|---|---|---|---|---|\n"
    return f"\n## {title}\n\n{head}" + "".join(_render_row(check) for check in checks)


def _render_row(check: Check) -> str:
    level = f"{check.level}; mended" if check.mended and check.level is not Level.KNOWN else str(check.level)
    level = "mended" if check.mended and check.level is Level.KNOWN else level
    cells = (check.what, _sentence(check.kaniko), check.docker, _sentence(check.remedy), level, check.versions or TRIED)
    return f"| {' | '.join(_escape(cell) for cell in cells)} |\n"


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:].removesuffix('.')}." if not clause.startswith("kaniko") else f"{clause}."


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
