"""The kaniko executor's command line for a plan.

Flags: https://github.com/osscontainertools/kaniko#additional-flags. One argument each as `--flag=value`, no shell, so
values need no quoting and arrive byte for byte.
"""

from typing import Final

from buildandpush.api import meta
from buildandpush.core import naming
from buildandpush.core.plan import BuildPlan

WORKSPACE: Final = "/workspace"
SOURCE_ROOT: Final = f"{WORKSPACE}/source"
LOGIN_MOUNT: Final = "/kaniko/.docker"
CA_MOUNT: Final = "/kaniko/ca"
TERMINATION_LOG: Final = "/dev/termination-log"

_RETRIES: Final = 3
"""kaniko's own default is 0, so one dropped connection would cost the whole build."""


def kaniko_arguments(plan: BuildPlan, *, run_label: str, ca_hosts: tuple[str, ...] = ()) -> list[str]:
    """All arguments of the executor. `ca_hosts` are the registries with certificates of their own."""
    folder = "" if plan.context == "." else f"/{plan.context}"
    arguments = [
        f"--context=dir://{SOURCE_ROOT}{folder}",
        f"--dockerfile={SOURCE_ROOT}/{plan.dockerfile}",
        *(f"--destination={destination}" for destination in plan.destinations),
        *(f"--build-arg={name}={value}" for name, value in sorted(plan.build_args.items())),
        *(f"--label={name}={value}" for name, value in sorted(plan.labels.items())),
        f"--label={meta.IMAGE_LABEL_RUN}={run_label}",
        f"--snapshot-mode={plan.snapshot_mode}",
        f"--digest-file={TERMINATION_LOG}",
        # Without this kaniko asks the node's identity and every cloud's metadata service for a login.
        "--credential-helpers=",
        f"--push-retry={_RETRIES}",
        f"--image-download-retry={_RETRIES}",
        f"--image-fs-extract-retry={_RETRIES}",
        "--log-format=text",
        "--log-timestamp=true",
        *(f"--registry-certificate={host}={CA_MOUNT}/{naming.ca_file(host)}" for host in ca_hosts),
    ]
    if plan.target:
        arguments.append(f"--target={plan.target}")
    return arguments
