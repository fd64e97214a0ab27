"""What a spec asks for that changes nothing: accepted, since pipelines hold it, and told in the condition SpecValid."""

from buildandpush.api.flagtable import FLAGS, Treatment
from buildandpush.api.reasons import Reason
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core import caching, registries, tags
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.failure import describe
from buildandpush.core.flags import PUSH_ONLY, SOURCE_TAR, PluginFlags, field_name, parse_flags

_KANIKO_CACHE = "kaniko caches by remoteCacheImage"


def find_notes(spec: BuildAndPushACRSpec) -> tuple[str, ...]:
    """Each field or flag without effect, with the reason why; none for a spec that cannot be used."""
    try:
        flags = parse_flags(spec.env_variables)
    except SpecInvalidError:
        return ()
    return (*_of_fields(spec, flags), *_of_table(flags), *_of_combinations(spec, flags))


def explain_validity(spec: BuildAndPushACRSpec) -> tuple[Reason, str]:
    """Reason and message of the condition SpecValid of a spec that can be used."""
    notes = find_notes(spec)
    if not notes:
        return Reason.SPEC_VALID, describe(Reason.SPEC_VALID)
    return Reason.NO_EFFECT, describe(Reason.NO_EFFECT, "; ".join(notes))


def _of_fields(spec: BuildAndPushACRSpec, flags: PluginFlags) -> list[str]:
    notes = []
    if spec.retry is not None:
        notes.append("retry: retries says how often a build is tried again")
    if spec.cache_from:
        notes.append(f"cacheFrom: {_KANIKO_CACHE}")
    if spec.cache_to:
        notes.append(f"cacheTo: {_KANIKO_CACHE}")
    if spec.workspace and spec.workspace.persistent_volume_claim and not _names_path(flags):
        notes.append("workspace: no flag in envVariables names a path on it")
    if caching.is_switched_off(flags):
        fields = (("caching", spec.caching), ("remoteCacheImage", spec.remote_cache_image))
        notes += [f"{name}: {caching.ENABLE} is false" for name, value in fields if value]
    return notes


def _names_path(flags: PluginFlags) -> bool:
    return any(FLAGS[name].treatment is Treatment.PATH for name in flags.values)


def _of_table(flags: PluginFlags) -> list[str]:
    return [
        f"{field_name(name)}: {FLAGS[name].instead}"
        for name in flags.values
        if FLAGS[name].treatment is Treatment.NO_EFFECT
    ]


def _of_combinations(spec: BuildAndPushACRSpec, flags: PluginFlags) -> list[str]:
    """Flags that say how something is done which is not done at all."""
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
    )
    return [f"{field_name(name)}: {why}" for name, in_use, why in rows if name in flags.values and not in_use]
