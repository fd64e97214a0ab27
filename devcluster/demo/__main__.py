"""`make demo`: from nothing to images that the operator built and pushed, and that run; it prints each step.

python -m devcluster.demo
python -m devcluster.demo --kind NAME
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from devcluster.demo.gitserver import serving
from devcluster.demo.kind import bring_up_kind
from devcluster.demo.kindchecks import render_removal
from devcluster.demo.kubectl import Kubectl
from devcluster.demo.objects import (
    PROOF_LABEL,
    RegistryLogin,
    adapt_examples,
    build_namespace,
    build_proof_pod,
    build_pull_secret,
    list_builds,
    read_examples,
    request_rebuilds,
)
from devcluster.demo.progress import follow, has_failed, read_progress, read_run_number, render_failure
from devcluster.errors import DevclusterError
from devcluster.images import catalogue
from devcluster.machine.lock import exclusively
from devcluster.node.deploy import deploy_operator
from devcluster.node.emulator import read_demo_secret
from devcluster.settings import REPOSITORY_ROOT, Settings, read_settings
from devcluster.up import bring_up

NAMESPACE = "demo"
_BUILDS = "buildandpushacrs"
_BUILD_TIMEOUT_SECONDS = 1200
_PROOF_TIMEOUT = "--timeout=120s"
# Which examples are services, and on which port; the others say something and end.
_SERVICE_PORTS = {"web": 8080}


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return its exit code: 0 only if every image was built and runs."""
    parsed = build_parser().parse_args(arguments)
    began = time.monotonic()
    try:
        settings = _prepare(parsed)
        kubectl = Kubectl(settings, NAMESPACE)
        _say("building the examples")
        # Next to kind there is a registry, but no Azure.
        built = build_examples(kubectl, settings, client_secret="" if parsed.kind else read_demo_secret(settings))
        failed = [resource for resource in built.values() if not read_progress(resource).is_good]
        if failed:
            print("\n\n".join(render_failure(resource) for resource in failed), file=sys.stderr)
            return 1
        prove(kubectl, built)
    except DevclusterError as err:
        print(f"demo: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader, such as head, has gone; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    print(f"\ndone in {time.monotonic() - began:.0f} s\n\n{render_next_steps(settings, built, kind=parsed.kind)}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the demo's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m devcluster.demo", description="Build and push the examples on a local cluster and run them."
    )
    parser.add_argument("--kind", metavar="NAME", help="on a kind cluster of this name, where Docker and kind are")
    parser.add_argument(
        "--no-deploy", action="store_true", help="take cluster and operator as they are; nothing is installed"
    )
    return parser


def build_examples(kubectl: Kubectl, settings: Settings, *, client_secret: str) -> dict[str, dict[str, Any]]:
    """Apply the examples and follow them to their end; what is built already stays as it is."""
    login = RegistryLogin(
        host=settings.registry_host,
        user=settings.registry_user,
        password=settings.registry_password.read_text(),
        ca_certificate=settings.ca_certificate.read_text(),
        client_secret=client_secret,
    )
    address = settings.network.gateway
    with tempfile.TemporaryDirectory() as folder, serving(REPOSITORY_ROOT, Path(folder), address=address) as served:
        print(f"git: serving commit {served.commit[:12]} of this repository at {served.url}", flush=True)
        examples = adapt_examples(
            read_examples(REPOSITORY_ROOT / "examples"), namespace=NAMESPACE, login=login, served=served
        )
        before = kubectl.read_all(_BUILDS)
        # A build that failed is not tried again while its spec stays the same; who runs the demo again wants that.
        failed = {name: resource for name, resource in before.items() if has_failed(resource)}
        for name, resource in failed.items():
            print(f"{name} failed before ({read_progress(resource).reason}); asking for another run", flush=True)
        examples = request_rebuilds(examples, failed, f"demo-{time.time():.0f}")
        kubectl.apply((build_namespace(NAMESPACE), build_pull_secret(NAMESPACE, login), *examples))
        return follow(
            lambda: kubectl.read_all(_BUILDS),
            list_builds(examples),
            known_runs={name: read_run_number(resource) for name, resource in before.items()},
            rebuilt=tuple(failed),
            timeout_seconds=_BUILD_TIMEOUT_SECONDS,
        )


def prove(kubectl: Kubectl, built: Mapping[str, Mapping[str, Any]]) -> None:
    """Run each image by its digest from the registry and print what it says."""
    kubectl.call("delete", "pods", f"--selector={PROOF_LABEL}", "--now", "--ignore-not-found")
    pods = {
        name: build_proof_pod(
            f"{name}-proof", NAMESPACE, image=resource["status"]["image"], port=_SERVICE_PORTS.get(name)
        )
        for name, resource in built.items()
    }
    kubectl.apply(list(pods.values()))
    for name, resource in built.items():
        print(f"\n{render_result(resource)}", flush=True)
        pod = pods[name]["metadata"]["name"]
        if name in _SERVICE_PORTS:
            _wait_for_pod(kubectl, pod, "condition=Ready")
            path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:{_SERVICE_PORTS[name]}/proxy/"
            said, how = kubectl.call("get", f"--raw={path}"), f"kubectl get --raw {path}"
        else:
            _wait_for_pod(kubectl, pod, "jsonpath={.status.phase}=Succeeded")
            said, how = kubectl.call("logs", pod), f"kubectl logs -n {NAMESPACE} {pod}"
        print(f"  runs    {how}", *(f"          > {line}" for line in said.splitlines()), sep="\n", flush=True)


def render_result(resource: Mapping[str, Any]) -> str:
    """Render what was pushed: digest, tags and the command that pulls it."""
    status = resource["status"]
    commit = (status["run"].get("source") or {}).get("commit")
    portal = status["artifacts"][0].get("portalUrl")
    rows = [
        f"{resource['metadata']['name']} (run {status['run']['number']})",
        f"  digest  {status['digest']}",
        f"  tags    {', '.join(artifact['image'] for artifact in status['artifacts'])}",
        f"  pull    {status['links']['pullCommand']}",
        *([f"  portal  {portal}"] if portal else []),
        *([f"  commit  {commit}"] if commit else []),
    ]
    return "\n".join(rows)


def render_next_steps(settings: Settings, built: Mapping[str, Mapping[str, Any]], *, kind: str | None) -> str:
    """Render what the reader may want to type now."""
    python = os.path.relpath(sys.executable) if Path(sys.executable).is_relative_to(Path.cwd()) else "python3"
    first, resource = next(iter(built.items()))
    pod = resource["status"]["run"]["builds"][0]["podName"]
    steps = {
        f"export KUBECONFIG={settings.kubeconfig}" if kind else f'eval "$({python} -m devcluster env)"': "use kubectl",
        f"kubectl get builds -n {NAMESPACE}": "all builds and connectors",
        f"kubectl get buildandpushacr {first} -n {NAMESPACE} -o yaml": "one build's whole status",
        f"kubectl logs -n {NAMESPACE} {pod}": "what kaniko said",
        f'kubectl annotate buildandpushacr {first} -n {NAMESPACE} buildandpush.dev/rebuild="$(date +%s)" --overwrite': (
            "build it again"
        ),
        render_removal(kind) if kind else "make down": "take it all down",
    }
    width = max(len(command) for command in steps)
    return "\n".join(["what next", *(f"  {command:<{width}}  # {what}" for command, what in steps.items())])


def _prepare(parsed: argparse.Namespace) -> Settings:
    settings = read_settings()
    if parsed.kind:
        return bring_up_kind(settings, parsed.kind)
    if parsed.no_deploy:
        return settings
    _say("cluster")
    bring_up(settings)
    _say("images")
    with exclusively(settings, "images"):
        for name in catalogue.IMAGES:
            print(f"available: {', '.join(catalogue.deliver(settings, catalogue.build(settings, name)))}", flush=True)
    _say("operator")
    deploy_operator(settings)
    return settings


def _wait_for_pod(kubectl: Kubectl, pod: str, condition: str) -> None:
    try:
        kubectl.call("wait", f"pod/{pod}", f"--for={condition}", _PROOF_TIMEOUT)
    except DevclusterError as err:
        said = ""
        with suppress(DevclusterError):
            said = kubectl.call("logs", pod, "--tail=10")
        raise DevclusterError(
            f"{pod} did not get to {condition}: {said or err}\nSee kubectl describe pod -n {NAMESPACE} {pod}."
        ) from err


def _say(step: str) -> None:
    print(f"\n== {step}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
