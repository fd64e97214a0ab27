"""Volumes of the node for builds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.harness.api import Api, Object


@contextmanager
def folder_claimed(api: Api, namespace: str, folder: Path) -> Iterator[str]:
    """A claim on a folder of the node, for the length of a `with`. A pod waits until the folder is there."""
    spec: Object = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "hostPath": {"path": str(folder), "type": "Directory"},
        "claimRef": {"name": "files", "namespace": namespace},
    }
    api.create({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": spec})
    claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": "files", "namespace": namespace}
    api.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": claim})
    try:
        yield "files"
    finally:
        api.delete("PersistentVolume", namespace)


def make_folder(folder: Path) -> None:
    """Make a folder that any build may write to."""
    folder.mkdir(parents=True)
    folder.chmod(0o777)
