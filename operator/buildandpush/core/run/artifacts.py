"""Links to what was pushed: the registry's own, which always exist, and the portal's."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from buildandpush.api.status import MAX_ARTIFACT_FILE, MAX_ARTIFACTS, MAX_ARTIFACTS_BYTES, MAX_URL, Artifact, ImageLinks
from buildandpush.core.facts import Links
from buildandpush.core.spec.flags import ARTIFACT_FILE, is_unset


def build_artifacts(repository: str, tags: Iterable[str], digest: str, links: Links | None) -> list[Artifact]:
    """One artifact for each tag. `repository` has its host."""
    portal = {tag: url for tag, url in (links.tags if links else ()) if len(url) <= MAX_URL}
    return [Artifact(image=f"{repository}:{tag}", digest=digest, portal_url=portal.get(tag)) for tag in tags]


def bound_artifacts(artifacts: Sequence[Artifact]) -> tuple[list[Artifact], int]:
    """As many of the artifacts as a status has room for, and how many more there are."""
    room, kept = MAX_ARTIFACTS_BYTES, list[Artifact]()
    for artifact in artifacts[:MAX_ARTIFACTS]:
        room -= len(json.dumps(artifact.to_dict()))
        if room < 0:
            break
        kept.append(artifact)
    return kept, len(artifacts) - len(kept)


def build_image_links(repository: str, digest: str) -> ImageLinks:
    """What always leads to an image. `repository` has its host."""
    host, path = repository.split("/", 1)
    return ImageLinks(
        pull_command=f"docker pull {repository}@{digest}",
        manifest_url=f"https://{host}/v2/{path}/manifests/{digest}",
    )


def wants_artifact_file(spec: Mapping[str, Any]) -> bool:
    """Whether the artifact list is asked for: by the field, or, where that says nothing, by the plugin's flag."""
    field = (spec.get("outputs") or {}).get("artifactFile")
    flag = (spec.get("envVariables") or {}).get(ARTIFACT_FILE)
    return not is_unset(flag) if field is None else bool(field)


def build_artifact_file(spec: Mapping[str, Any], artifacts: Iterable[Artifact]) -> str | None:
    """The artifact list in the form that the pipeline step's plugin writes, where the spec asks for it and it fits into
    a status. https://github.com/drone/drone-kaniko/blob/main/pkg/artifact/artifact.go"""
    listed = list(artifacts)
    if not wants_artifact_file(spec) or not listed:
        return None
    repository = listed[0].image.rpartition(":")[0]
    url = next((item.portal_url for item in listed if item.portal_url), None)
    data: dict[str, Any] = {
        "repo": repository,
        "registryType": "Docker",
        "registryUrl": url or f"https://{repository.split('/', 1)[0]}",
        "images": [{"image": item.image, "digest": item.digest} for item in listed],
    }
    text = json.dumps({"kind": "docker/v1", "data": data}, separators=(",", ":"))
    return text if len(text) <= MAX_ARTIFACT_FILE else None
