"""Fields and flags of a spec that change nothing. They are accepted, and the condition SpecValid names them."""

from typing import Final

from buildandpush.api.flagtable import FLAGS, Treatment
from buildandpush.api.reasons import Reason
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.explain import describe
from buildandpush.core.spec import caching, registries, risks, tags
from buildandpush.core.spec.codebase import COMMIT_ID
from buildandpush.core.spec.flags import (
    ARTIFACT_FILE,
    PUSH_ONLY,
    QUIET,
    SOURCE_TAR,
    VERBOSITY,
    PluginFlags,
    is_unset,
    parse_flags,
)
from buildandpush.core.spec.matrix import find_idle
from buildandpush.core.spec.strategy import find_foreign_actions, find_foreign_kinds

_KANIKO_CACHE: Final = "kaniko caches by remoteCacheImage"
_LEAST_LOG: Final = "info is passed on, since kaniko's log is what proves a push where the registry cannot be asked"
_ONLY_PUSHED: Final = f"no part of a push, which is all that {PUSH_ONLY} does"

_BUILD_FIELDS: Final = (
    "dockerfile", "context", "target", "labels", "buildArgs", "buildArgsFrom", "buildSecrets", "envDockerSecrets",
    "fileDockerSecrets", "remoteCacheImage", "caching", "optimize", "registryMirrors", "baseImageConnectorRefs",
)  # fmt: skip
"""Fields without meaning where an image is only pushed."""


_Note = tuple[str, str]
"""What has no effect, and why."""


def find_notes(spec: BuildAndPushACRSpec) -> tuple[str, ...]:
    """Each field or flag without effect, with the reason. Empty for an invalid spec.

    Fields with the same reason share one note, because the condition's message is bounded.
    """
    try:
        flags = parse_flags(spec.env_variables)
    except SpecInvalidError:
        return ()
    named: dict[str, list[str]] = {}
    for name, why in (
        *_of_fields(spec, flags),
        *_of_table(flags),
        *_of_combinations(spec, flags),
        *_of_push(spec, flags),
    ):
        named.setdefault(why, []).append(name)
    return tuple(f"{', '.join(names)}: {why}" for why, names in named.items())


def explain_validity(spec: BuildAndPushACRSpec) -> tuple[Reason, str]:
    """Reason and message of the condition SpecValid of a spec that can be used."""
    notes, dangers = find_notes(spec), risks.find_risks(spec)
    if dangers:
        return Reason.CHANGES_MAY_BE_LOST, describe(
            Reason.CHANGES_MAY_BE_LOST, "; ".join((*dangers, *(f"without effect: {note}" for note in notes)))
        )
    if notes:
        return Reason.NO_EFFECT, describe(Reason.NO_EFFECT, "; ".join(notes))
    return Reason.SPEC_VALID, describe(Reason.SPEC_VALID)


def _of_fields(spec: BuildAndPushACRSpec, flags: PluginFlags) -> list[_Note]:
    notes: list[_Note] = []
    if spec.retry is not None:
        notes.append(("retry", "retries says how often a build is tried again"))
    if spec.source.upload is not None and spec.retries:
        notes.append(("retries", "an upload counts for one attempt, since nobody would send it again"))
    notes += list(find_idle(spec).items())
    foreign = find_foreign_kinds(spec.failure_strategies)
    if foreign:
        notes.append((f"failureStrategies: {', '.join(foreign)}", "no build fails by it"))
    notes += [(f"failureStrategies: {name}", why) for name, why in _foreign_actions(spec).items()]
    if spec.cache_from:
        notes.append(("cacheFrom", _KANIKO_CACHE))
    if spec.cache_to:
        notes.append(("cacheTo", _KANIKO_CACHE))
    git = spec.source.git
    if git is not None and git.poll is not None and COMMIT_ID.fullmatch(git.revision):
        notes.append(("source.git.poll", "the revision is the id of a commit, which never becomes another"))
    if spec.workspace and spec.workspace.persistent_volume_claim and not _names_path(flags):
        notes.append(("workspace", "no flag in envVariables names a path on it"))
    git = spec.source.git
    if git is not None and git.tags and not git.keep_git_dir:
        notes.append(("source.git.tags", "source.git.keepGitDir is not set"))
    if caching.is_switched_off(flags) and not flags.is_on(PUSH_ONLY):
        fields = (("caching", spec.caching), ("remoteCacheImage", spec.remote_cache_image))
        notes += [(name, f"{caching.ENABLE} is false") for name, value in fields if value]
    return notes


def _foreign_actions(spec: BuildAndPushACRSpec) -> dict[str, str]:
    try:
        return find_foreign_actions(spec.failure_strategies)
    except SpecInvalidError:
        return {}


def _names_path(flags: PluginFlags) -> bool:
    return any(FLAGS[name].treatment is Treatment.PATH for name in flags.values)


def _of_table(flags: PluginFlags) -> list[_Note]:
    return [
        (flags.field_of(name), FLAGS[name].instead)
        for name in flags.values
        if FLAGS[name].treatment is Treatment.NO_EFFECT
    ]


def _of_push(spec: BuildAndPushACRSpec, flags: PluginFlags) -> list[_Note]:
    """Settings of a build, in a spec that only pushes an image."""
    if not flags.is_on(PUSH_ONLY):
        return []
    values = spec.to_dict()
    fields = [name for name in _BUILD_FIELDS if not is_unset(values.get(name))]
    if spec.caching is False:
        fields.remove("caching")
    return [
        *((name, _ONLY_PUSHED) for name in fields),
        *((flags.field_of(name), _ONLY_PUSHED) for name in flags.values if not _counts_on_push(name)),
    ]


def _counts_on_push(name: str) -> bool:
    return FLAGS[name].on_push or FLAGS[name].treatment is Treatment.NO_EFFECT


def _of_combinations(spec: BuildAndPushACRSpec, flags: PluginFlags) -> list[_Note]:
    """Flags that detail a step which does not happen, or does not happen as they say."""
    try:
        cached = bool(caching.plan_cache_repository(spec, flags))
    except SpecInvalidError:
        cached = True
    mirrored = bool(spec.registry_mirrors or flags.items(registries.MIRRORS))
    rows = (
        *((name, cached, "nothing is cached") for name in (*caching.TUNING, caching.REPOSITORY)),
        (tags.SUFFIX, flags.is_on(tags.AUTO), f"{tags.AUTO} is not set"),
        (tags.REF, flags.is_on(tags.AUTO), f"{tags.AUTO} is not set"),
        (tags.DEFAULT_BRANCH, flags.is_on(tags.AUTO), f"{tags.AUTO} is not set"),
        (SOURCE_TAR, flags.is_on(PUSH_ONLY), f"{PUSH_ONLY} is not set"),
        ("PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK", mirrored, "no mirror is named"),
        (VERBOSITY, flags.text(VERBOSITY) not in QUIET, _LEAST_LOG),
        (ARTIFACT_FILE, False, _explain_artifact_file(spec)),
    )
    return [
        (flags.field_of(name), why)
        for name, in_use, why in rows
        if name in flags.values and not in_use and not (flags.is_on(PUSH_ONLY) and not _counts_on_push(name))
    ]


def _explain_artifact_file(spec: BuildAndPushACRSpec) -> str:
    if spec.outputs is not None and spec.outputs.artifact_file is False:
        return "outputs.artifactFile is false"
    return "the list of artifacts stands in status.artifactFile; the path changes nothing"
