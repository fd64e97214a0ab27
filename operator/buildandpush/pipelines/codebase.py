"""The codebase of a pipeline: from a connector, a repository and a build to `source.git`."""

import shlex
from dataclasses import dataclass, field
from typing import Any, Final

from buildandpush.pipelines.find import Earlier, FoundStep
from buildandpush.pipelines.gitaddress import GitAddress, GitConnectors, strip_login
from buildandpush.pipelines.inputs import find_default, is_input, is_unanswered
from buildandpush.pipelines.names import name_connector, slug
from buildandpush.pipelines.notes import Notes, join_names, shown
from buildandpush.pipelines.reading import read_list, read_text, settle_input
from buildandpush.pipelines.values import Map, Value, as_map, as_text, is_false, is_null, is_true, look_up

_HOST: Final = "https://git.invalid"
"""No server ever has this name."""
_KEY: Final = "git-key"
_CLONE_STEP: Final = "GitClone"
_CARRIED: Final = frozenset(
    {
        "connectorRef", "repoName", "build", "projectName", "submoduleStrategy", "sparseCheckout", "lfs", "sslVerify",
        "prCloneStrategy",
    }
)  # fmt: skip
_BRANCH: Final = "the default branch, or source.git.revision; source.git.poll builds each new commit"
_REPLACED: Final = "{repo}"

# How the servers name the commits of a pull request.
_PULLS: Final = {
    "Github": ("refs/pull/{}/merge", "refs/pull/{}/head"),
    "Gitlab": ("refs/merge-requests/{}/merge", "refs/merge-requests/{}/head"),
    "AzureRepo": ("refs/pull/{}/merge", "refs/pull/{}/merge"),
    "Bitbucket": ("refs/pull-requests/{}/merge", "refs/pull-requests/{}/from"),
}


@dataclass(frozen=True)
class Origin:
    """Where the repositories of pipelines are."""

    url: str = ""
    """The address that the user gives; `{repo}` in it stands for the repository's name."""
    connectors: GitConnectors = field(default_factory=lambda: GitConnectors({}))


def plan_source(found: FoundStep, origin: Origin, notes: Notes) -> dict[str, Any]:
    """The field `source`."""
    codebase = _find_codebase(found, notes)
    reference, repository = (read_text(f"codebase.{name}", codebase.get(name), notes) or "" for name in _NAMES)
    bare = strip_login(repository)
    if bare != repository:
        notes.differs("codebase.repoName: here it is without the login in it")
        repository = bare
    address = origin.connectors.find(reference, repository, _read_project(codebase.get("projectName"), notes))
    git: dict[str, Any] = {"url": _plan_url(origin.url, address, repository, found, notes)}
    revision = _plan_revision(codebase, address, notes)
    if revision:
        git["revision"] = revision
    git |= _plan_extent(codebase, notes)
    secret = name_connector(reference) or _KEY
    if git["url"].startswith("ssh://") or "://" not in git["url"]:
        git["credentialsRef"] = {"name": secret}
        notes.todo(
            f"make the login to the git server: kubectl create secret generic {secret} --type=kubernetes.io/ssh-auth "
            "--from-file=ssh-privatekey=KEY --from-file=known_hosts=known_hosts"
        )
    elif address and address.has_login and git["url"] == address.url:
        git["credentialsRef"] = {"name": secret}
        notes.todo(
            f"make the login to the git server: kubectl create secret generic {secret} "
            f"--type=kubernetes.io/basic-auth --from-literal=username={shlex.quote(shown(address.user) or 'NAME')} "
            "--from-literal=password=TOKEN"
        )
    elif reference and not address:
        notes.differs(f"the pipeline logs in to git with {shown(reference)}; docs/sources.md says how a build does")
    if is_false(codebase.get("sslVerify")):
        notes.todo("codebase.sslVerify: the certificate of the git server is always checked; use source.git.caBundle")
    rest = [name for name in codebase if name not in _CARRIED and not is_null(codebase[name])]
    if rest:
        notes.left_out(f"codebase: {join_names(rest)}: the operator fetches the one revision that it builds")
    return {"git": git}


def _read_project(value: Value | None, notes: Notes) -> str:
    """The project of a repository of Azure. Without a default a question stays, and the address tells what is missing:
    most connectors name the project themselves."""
    if is_unanswered(value):
        return as_text(value)
    return read_text("codebase.projectName", value, notes) or ""


def _plan_extent(codebase: Map, notes: Notes) -> dict[str, Any]:
    """The folders that are fetched, submodules, and files of Git LFS."""
    submodules = as_text(codebase.get("submoduleStrategy")).lower() in ("true", "recursive")
    folders = read_list("codebase.sparseCheckout", codebase.get("sparseCheckout"), notes)
    if any(sign in folder for folder in folders for sign in "*?[!"):
        notes.left_out(f"codebase.sparseCheckout: {join_names(folders)}: source.git.paths takes plain folders")
        folders = []
    extent = {"paths": folders, "submodules": submodules, "lfs": is_true(codebase.get("lfs"))}
    return {name: value for name, value in extent.items() if value}


_NAMES: Final = ("connectorRef", "repoName")


def _find_codebase(found: FoundStep, notes: Notes) -> Map:
    """The codebase that the stage clones, or the one that a step before clones."""
    clones = [step for step in found.around.earlier if step.kind == _CLONE_STEP]
    # Only stages for CI clone it by themselves.
    clones_codebase = as_text(found.around.stage.get("type")) in ("", "CI")
    if clones_codebase and not is_false(look_up(found.around.stage, "spec", "cloneCodebase")):
        for clone in clones:
            notes.todo(f"the step {shown(clone.name)} clones {_repository_of(clone)}; a build has one source")
        return _settle(look_up(found.around.pipeline, "properties", "ci", "codebase"), notes)
    if not clones:
        notes.todo("the stage does not clone the codebase; see that source.git has the files of the build")
        return _settle(look_up(found.around.pipeline, "properties", "ci", "codebase"), notes)
    *others, clone = clones
    notes.differs(f"source.git is what the step {shown(clone.name)} clones")
    for other in others:
        notes.todo(f"the step {shown(other.name)} clones {_repository_of(other)}; a build has one source")
    folder = as_text(clone.spec.get("cloneDirectory"))
    if folder:
        notes.todo(f"the step clones into {shown(folder)}; leave this folder out of dockerfile and context")
    return {name: value for name, value in clone.spec.items() if name != "cloneDirectory"}


def _repository_of(clone: Earlier) -> str:
    return shown(
        strip_login(as_text(clone.spec.get("repoName"))) or as_text(clone.spec.get("connectorRef")) or "a repository"
    )


def _settle(value: Value | None, notes: Notes) -> Map:
    return as_map(settle_input("codebase", value, notes)) if value is not None else {}


def _plan_url(given: str, address: GitAddress | None, repository: str, found: FoundStep, notes: Notes) -> str:
    name = repository.strip("/") if "<+" not in repository else ""
    if given:
        if _REPLACED in given and not name:
            notes.stand_in(f"source.git.url: the pipeline names no repository for {_REPLACED}; write the address")
        return given.replace(_REPLACED, name or "repository")
    if address is None:
        notes.stand_in(
            "source.git.url stands in for the address of the repository; write it, or give --git-url or --connectors"
        )
        return f"{_HOST}/{slug(name.removesuffix('.git')) or 'repository'}.git"
    if address.told:
        notes.differs(f"source.git.url: {address.told}")
    return address.url


def _plan_revision(codebase: Map, address: GitAddress | None, notes: Notes) -> str:
    """Branch, tag, ref or commit. Empty for the default branch."""
    build = codebase.get("build")
    if is_null(build):
        return ""
    if is_input(build) or not isinstance(build, dict):
        notes.differs(f"the branch is asked for at each run; here it is {_BRANCH}")
        return ""
    kind, spec = as_text(build.get("type")), as_map(build.get("spec"))
    keys = {"branch": "branch", "tag": "tag", "PR": "number", "commitSha": "commitSha"}
    given = spec.get(keys.get(kind, ""))
    text = as_text(given)
    default = find_default(text) if is_input(given) else None
    if default and "<+" not in default:
        notes.differs(f"the {shown(kind)} is asked for at each run; here it has the default of the question")
        text = default
    if kind not in keys or not text or "<+" in text:
        about = f"{shown(kind or 'build')} {shown(text)}".strip()
        notes.differs(f"the {about} of each run is built there; here it is {_BRANCH}")
        return ""
    if kind == "tag":
        return text if text.startswith("refs/") else f"refs/tags/{text}"
    if kind != "PR":
        return text
    merged = as_text(codebase.get("prCloneStrategy")) != "SourceBranch"
    merge, head = _PULLS.get(address.kind if address else "", _PULLS["Github"])
    if not address:
        notes.differs("source.git.revision is how GitHub names a pull request; correct it for another server")
    return (merge if merged else head).format(text)
