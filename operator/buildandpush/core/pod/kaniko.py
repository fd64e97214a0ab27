"""The kaniko executor's command line for a plan.

Flags: https://github.com/osscontainertools/kaniko#additional-flags. One argument each as `--flag=value`, no shell, so
values need no quoting and arrive byte for byte.
"""

from typing import Final

from buildandpush.api import meta
from buildandpush.api.compatibility import ARGUMENTS, BUILDKIT, COPY_AS_ROOT, SWITCHES, Compatibility
from buildandpush.api.meta import Manifest
from buildandpush.core import naming
from buildandpush.core.spec.buildsecrets import secret_arguments
from buildandpush.core.spec.caching import cache_arguments
from buildandpush.core.spec.flags import IGNORE_VAR_RUN, flag_arguments
from buildandpush.core.spec.plan import BuildPlan
from buildandpush.core.spec.registries import registry_arguments
from buildandpush.core.spec.workspace import path_arguments

WORKSPACE: Final = "/kaniko/workspace"
"""Below kaniko's own folder: kaniko leaves every mount out of the image, and /kaniko is the one place where no
Dockerfile puts anything."""
SOURCE_ROOT: Final = f"{WORKSPACE}/source"
LOGIN_MOUNT: Final = "/kaniko/.docker"
CA_MOUNT: Final = "/kaniko/ca"
TERMINATION_LOG: Final = "/dev/termination-log"

# Without this kaniko asks the node's identity and every cloud's metadata service for a login.
_NO_HELPERS: Final = "--credential-helpers="


def kaniko_arguments(
    plan: BuildPlan, *, run_label: str, compatibility: Compatibility = BUILDKIT, ca_hosts: tuple[str, ...] = ()
) -> list[str]:
    """All arguments of the executor. `ca_hosts` are the registries with certificates of their own."""
    options = plan.options
    if options.source_image:
        return _push_arguments(plan, ca_hosts)
    folder = "" if plan.context == "." else f"/{plan.context}"
    arguments = [
        f"--context=dir://{SOURCE_ROOT}{folder}",
        f"--dockerfile={SOURCE_ROOT}/{plan.dockerfile}",
        *(f"--destination={destination}" for destination in plan.destinations),
        *(f"--build-arg={name}={value}" for name, value in sorted(plan.build_args.items())),
        *(f"--label={name}={value}" for name, value in sorted(plan.labels.items())),
        *([] if options.reproducible else [f"--label={meta.IMAGE_LABEL_RUN}={run_label}"]),
        f"--snapshot-mode={plan.snapshot_mode}",
        f"--digest-file={TERMINATION_LOG}",
        _NO_HELPERS,
        *flag_arguments(options.flags),
        *_compatibility_arguments(plan, compatibility),
        *cache_arguments(options.cache_repository),
        *secret_arguments(options.secret_files, options.arg_sources, SOURCE_ROOT),
        *path_arguments(options.workspace),
        *registry_arguments(options.registries),
        *_certificate_arguments(ca_hosts),
    ]
    if options.no_push:
        arguments.append("--no-push=true")
    if plan.target:
        arguments.append(f"--target={plan.target}")
    return arguments


def compatibility_environment(plan: BuildPlan, compatibility: Compatibility) -> list[Manifest]:
    """The executor's switches, as variables of its container. Empty if it builds nothing."""
    if compatibility != BUILDKIT or plan.options.source_image:
        return []
    # Only root can give files to root.
    left_out = () if plan.run_as_user == 0 else (COPY_AS_ROOT,)
    return [{"name": switch.name, "value": "true"} for switch in SWITCHES if switch.name not in left_out]


def _compatibility_arguments(plan: BuildPlan, compatibility: Compatibility) -> list[str]:
    """A flag of the spec overrides this."""
    if compatibility != BUILDKIT or IGNORE_VAR_RUN in plan.options.flags.values:
        return []
    return list(ARGUMENTS)


def _push_arguments(plan: BuildPlan, ca_hosts: tuple[str, ...]) -> list[str]:
    """kaniko's push command. It takes only the flags about registries, and writes its digest into its log."""
    return [
        "push",
        plan.options.source_image,
        *(f"--destination={destination}" for destination in plan.destinations),
        _NO_HELPERS,
        *flag_arguments(plan.options.flags, push_only=True),
        *registry_arguments(plan.options.registries),
        *_certificate_arguments(ca_hosts),
    ]


def _certificate_arguments(ca_hosts: tuple[str, ...]) -> list[str]:
    return [f"--registry-certificate={host}={CA_MOUNT}/{naming.ca_file(host)}" for host in ca_hosts]
