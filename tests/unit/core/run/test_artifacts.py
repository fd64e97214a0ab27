"""Links: the portal's per tag, the registry's own always."""

import json
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_URL
from buildandpush.core.azure.cloud import Cloud
from buildandpush.core.azure.portal import build_tag_urls
from buildandpush.core.facts import Links
from buildandpush.core.run.artifacts import bound_artifacts, build_artifact_file, build_artifacts, build_image_links
from buildandpush.core.settings import PortalSettings

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/contoso"
CLOUD = Cloud("AzurePublic", "https://login", (), portal="https://portal.azure.com")
DIGEST = "sha256:" + "a" * 64
REPOSITORY = "contoso.azurecr.io/shop/web"


def test_each_tag_has_its_page_in_the_portal() -> None:
    assert build_tag_urls(CLOUD, ID, "shop/web", ["1.0"], PortalSettings()) == (
        (
            "1.0",
            "https://portal.azure.com/#view/Microsoft_Azure_ContainerRegistries/TagMetadataBlade/registryId/"
            "%2Fsubscriptions%2Fs%2FresourceGroups%2Fg%2Fproviders%2FMicrosoft.ContainerRegistry%2Fregistries%2Fcontoso"
            "/repositoryName/shop%2Fweb/tag/1.0",
        ),
    )


def test_the_installer_may_give_another_form_for_a_cloud() -> None:
    settings = PortalSettings(cloud_tag_urls={"AzurePublic": "{portal}/x/{repository}/{tag}?id={registryId}"})
    ((_, url),) = build_tag_urls(CLOUD, "/id", "shop/web", ["1"], settings)
    assert url == "https://portal.azure.com/x/shop%2Fweb/1?id=%2Fid"


def test_an_image_can_be_reached_without_the_portal() -> None:
    links = build_image_links(REPOSITORY, DIGEST)
    assert links.pull_command == f"docker pull {REPOSITORY}@{DIGEST}"
    assert links.manifest_url == f"https://contoso.azurecr.io/v2/shop/web/manifests/{DIGEST}"
    (artifact,) = build_artifacts(REPOSITORY, ["latest"], DIGEST, None)
    assert artifact.to_dict() == {"image": f"{REPOSITORY}:latest", "digest": DIGEST}


def test_a_link_too_long_for_a_status_is_left_out() -> None:
    links = Links(Reason.LINKS_RESOLVED, "", (("a", "https://p/" + "x" * MAX_URL), ("b", "https://p/b")))
    assert [item.portal_url for item in build_artifacts(REPOSITORY, ["a", "b"], DIGEST, links)] == [None, "https://p/b"]


def test_the_artifact_file_is_the_pipeline_steps() -> None:
    links = Links(Reason.LINKS_RESOLVED, "", (("1", "https://portal/1"),))
    listed = build_artifacts(REPOSITORY, ["1", "2"], DIGEST, links)
    text = build_artifact_file({"outputs": {"artifactFile": True}}, listed)
    assert text is not None
    assert json.loads(text) == {
        "kind": "docker/v1",
        "data": {
            "repo": REPOSITORY,
            "registryType": "Docker",
            "registryUrl": "https://portal/1",
            "images": [{"image": f"{REPOSITORY}:{tag}", "digest": DIGEST} for tag in ("1", "2")],
        },
    }


@pytest.mark.proves("outputs.artifactFile")
def test_an_artifact_file_is_made_only_where_it_is_asked_for_and_fits() -> None:
    listed = build_artifacts(REPOSITORY, ["1"], DIGEST, None)
    assert build_artifact_file({}, listed) is None
    assert build_artifact_file({"outputs": {"artifactFile": True}}, []) is None
    many = build_artifacts("contoso.azurecr.io/" + "r" * 400, [str(number) for number in range(50)], DIGEST, None)
    assert build_artifact_file({"outputs": {"artifactFile": True}}, many) is None


@pytest.mark.proves("PLUGIN_ARTIFACT_FILE")
@pytest.mark.parametrize(
    ("spec", "made"),
    [
        ({"envVariables": {"PLUGIN_ARTIFACT_FILE": "/addon/tmp/.plugin/artifact"}}, True),
        ({"envVariables": {"PLUGIN_ARTIFACT_FILE": ""}}, False),
        ({"envVariables": {"PLUGIN_ARTIFACT_FILE": None}}, False),
        ({"envVariables": {"PLUGIN_ARTIFACT_FILE": "x"}, "outputs": {"configMap": ""}}, True),
        ({"envVariables": {"PLUGIN_ARTIFACT_FILE": "x"}, "outputs": {"artifactFile": False}}, False),
        ({"envVariables": None, "outputs": None}, False),
    ],
)
def test_the_plugins_flag_asks_for_the_list_too_unless_the_field_says_no(spec: dict[str, Any], made: bool) -> None:
    text = build_artifact_file(spec, build_artifacts(REPOSITORY, ["1"], DIGEST, None))
    assert (text is not None) is made


def test_artifacts_that_a_status_has_no_room_for_are_counted() -> None:
    tags = [f"{number:03}" for number in range(60)]
    links = Links(Reason.LINKS_RESOLVED, "", tuple((tag, "https://portal/" + "x" * 1000) for tag in tags))
    artifacts = build_artifacts("c.azurecr.io/web", tags, DIGEST, links)
    kept, omitted = bound_artifacts(artifacts)
    assert kept == artifacts[: len(kept)]
    assert len(kept) + omitted == 60
    assert omitted > 0
    assert len(json.dumps([item.to_dict() for item in kept])) < 50 * 1024
    few = build_artifacts("c.azurecr.io/web", tags[:20], DIGEST, links)
    assert bound_artifacts(few) == (few, 0)
    assert len(bound_artifacts(build_artifacts("c.azurecr.io/web", map(str, range(150)), DIGEST, None))[0]) == 100
