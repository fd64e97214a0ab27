"""Installs the operator from the chart into the running dev cluster, as `helm` users do, with the images made here."""

import os
import subprocess
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.machine.host import read_architecture
from devcluster.settings import REPOSITORY_ROOT, Settings

NAMESPACE = "buildandpush-system"
RELEASE = "buildandpush-operator"
NODE_IDENTITY_NAMESPACE = "buildandpush-node-identity"
"""The one namespace whose connectors may use the node's identity."""
STACK_HOSTS = ("login.stack.test", "management.stack.test")
"""Of a cloud of one's own that connectors may name."""
UNVERIFIED_HOST = "unverified.azurecr.io"
"""The one registry whose certificate builds may leave unchecked."""
FIRST_BACKOFF_SECONDS = 2
"""Shorter than a user's, since tests wait for what follows from it."""
_START_TIMEOUT_SECONDS = 120
"""Shorter for the same reason: a pod whose node was rebooted may never start."""
_CHART = REPOSITORY_ROOT / "charts" / "buildandpush-operator"


def deploy_operator(settings: Settings) -> None:
    """Apply the CRDs, install or upgrade the chart, and wait until the operator runs the images of now."""
    repository, _, tag = settings.images.operator.rpartition(":")
    values = {
        "image.repository": repository,
        "image.tag": tag,
        "image.pullPolicy": "Never",
        "executor.image": settings.images.executor,
        "builds.firstBackoffSeconds": str(FIRST_BACKOFF_SECONDS),
        "builds.startTimeoutSeconds": str(_START_TIMEOUT_SECONDS),
        "builds.platform": f"linux/{read_architecture()}",
        "limits.namespaceAnnotation": "true",
        "limits.priorities": "true",
    }
    arguments = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    # Entra ID and the resource manager of the dev cluster have certificates of its own authority.
    arguments += ["--set", f"azure.managedIdentityNamespaces={{{NODE_IDENTITY_NAMESPACE}}}"]
    arguments += ["--set", f"azure.allowedAuthorityHosts={{{','.join(STACK_HOSTS)}}}"]
    arguments += ["--set", f"allowed.insecureRegistries={{{UNVERIFIED_HOST}}}"]
    # The tests try what a connector's caBundle does, so builds must not trust that authority anyway.
    arguments += ["--set", "builds.trustCertificates=false"]
    arguments += ["--set-file", f"trustedCertificates={settings.ca_certificate}"]
    # Helm installs the CRDs of a chart but never upgrades them.
    _run(settings, "kubectl", "apply", "--server-side", "--force-conflicts", "-f", str(_CHART / "crds"))
    namespaced = ("--namespace", NAMESPACE)
    _run(settings, "helm", "upgrade", "--install", RELEASE, str(_CHART), *namespaced, "--create-namespace", *arguments)
    # The images keep their names, so nothing but a restart makes the pod take new ones.
    _run(settings, "kubectl", *namespaced, "rollout", "restart", f"deployment/{RELEASE}")
    _run(settings, "kubectl", *namespaced, "rollout", "status", f"deployment/{RELEASE}", "--timeout=180s")
    print(f"operator: running in namespace {NAMESPACE}", flush=True)


def _run(settings: Settings, tool: str, *arguments: str) -> None:
    found = settings.bin / tool
    environment = {**os.environ, "KUBECONFIG": str(settings.kubeconfig)}
    command = [str(found) if found.exists() else tool, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DevclusterError(
            f"{Path(command[0]).name} {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}"
        )
