"""Paths of flags: on the workspace's volume, or nowhere."""

from typing import Any

import pytest

from buildandpush.api.flagtable import FLAGS, Treatment
from buildandpush.api.pod import Workspace
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.flags import parse_flags
from buildandpush.core.spec.workspace import MOUNT, WorkspacePlan, path_arguments, plan_workspace, source_image

VOLUME = Workspace.model_validate({"persistentVolumeClaim": {"claimName": "builds"}})
PATHS = [name for name, flag in FLAGS.items() if flag.treatment is Treatment.PATH]


def planned(workspace: Workspace | None = VOLUME, **variables: Any) -> WorkspacePlan:
    """The paths that these flags name."""
    return plan_workspace(workspace, parse_flags(variables))


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        pytest.param(name, argument, marks=pytest.mark.proves(name), id=name)
        for name, argument in [
            ("PLUGIN_TAR_PATH", "tar-path"),
            ("PLUGIN_DESTINATION_TAR_PATH", "tar-path"),
            ("PLUGIN_OCI_LAYOUT_PATH", "oci-layout-path"),
            ("PLUGIN_CACHE_DIR", "cache-dir"),
            ("PLUGIN_IMAGE_NAME_WITH_DIGEST_FILE", "image-name-with-digest-file"),
            ("PLUGIN_IMAGE_NAME_TAG_WITH_DIGEST_FILE", "image-name-tag-with-digest-file"),
        ]
    ],
)
def test_a_path_reaches_kaniko_as_a_place_on_the_volume(name: str, argument: str) -> None:
    """The plugin never passed PLUGIN_CACHE_DIR on."""
    assert path_arguments(planned(**{name: "out"})) == [f"--{argument}={MOUNT}/out"]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("a.tar", "a.tar"),
        ("x/y/a.tar", "x/y/a.tar"),
        ("./a.tar", "a.tar"),
        ("x//a.tar", "x/a.tar"),
        ("/harness/a.tar", "a.tar"),
        ("/harness//x/a.tar", "x/a.tar"),
        ("a b,c.tar", "a b,c.tar"),
        ("..a/b..", "..a/b.."),
    ],
)
def test_the_pipelines_workspace_stands_for_the_volumes_root(path: str, place: str) -> None:
    assert planned(PLUGIN_TAR_PATH=path).paths == {"PLUGIN_TAR_PATH": f"{MOUNT}/{place}"}


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/kaniko/executor",
        "../x",
        "x/../../y",
        "/harness/../x",
        "/harness",
        ".",
        "/",
        "a\nb",
        "oci://x",
        "x/..",
    ],
)
def test_a_path_beside_the_volume_is_refused(name: str, path: str) -> None:
    with pytest.raises(SpecInvalidError, match=f"^envVariables.{name}: .*(workspace's volume|volume's root)"):
        planned(**{name: path})


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("workspace", [None, Workspace()])
def test_a_path_without_a_volume_is_refused_with_what_to_do(name: str, workspace: Workspace | None) -> None:
    with pytest.raises(SpecInvalidError, match=f"^envVariables.{name}: .*name a volume in workspace, or remove the"):
        planned(workspace, **{name: "x"})


@pytest.mark.proves("PLUGIN_ARTIFACT_FILE")
def test_the_list_of_artifacts_needs_no_volume() -> None:
    assert planned(None, PLUGIN_ARTIFACT_FILE="/addon/tmp/.plugin/artifact") == WorkspacePlan()


def test_a_volume_that_no_path_needs_is_left_alone() -> None:
    assert planned().claim == ""
    assert planned(PLUGIN_TAR_PATH="x").claim == "builds"


def test_the_folder_of_an_image_file_is_made_as_the_plugin_did() -> None:
    """kaniko makes folders for its file of names, which it writes before the image file, and for no other."""
    found = path_arguments(planned(PLUGIN_TAR_PATH="x/y/a.tar"))
    assert found == [f"--tar-path={MOUNT}/x/y/a.tar", f"--image-name-with-digest-file={MOUNT}/x/y/a.tar.digest"]


NAMES, TAGGED = "PLUGIN_IMAGE_NAME_WITH_DIGEST_FILE", "PLUGIN_IMAGE_NAME_TAG_WITH_DIGEST_FILE"


@pytest.mark.parametrize(
    ("variables", "made"),
    [
        ({NAMES: "n"}, [f"--image-name-tag-with-digest-file={MOUNT}/x/a.tar.digest"]),
        ({TAGGED: "t"}, [f"--image-name-with-digest-file={MOUNT}/x/a.tar.digest"]),
        ({NAMES: "xy/n"}, [f"--image-name-tag-with-digest-file={MOUNT}/x/a.tar.digest"]),
        ({NAMES: "x/n"}, []),
        ({NAMES: "x/y/z/n"}, []),
        ({TAGGED: "x/t"}, []),
        ({NAMES: "n", TAGGED: "x/t"}, []),
        ({"PLUGIN_OCI_LAYOUT_PATH": "x"}, []),
        ({"PLUGIN_OCI_LAYOUT_PATH": "x/layout"}, []),
        ({"PLUGIN_OCI_LAYOUT_PATH": "layout"}, [f"--image-name-with-digest-file={MOUNT}/x/a.tar.digest"]),
    ],
)
def test_kaniko_makes_the_folder_of_an_image_file_with_something_that_it_writes_before(
    variables: dict[str, Any], made: list[str]
) -> None:
    """Its order: the OCI layout, the files of names, the image file."""
    given = path_arguments(planned(**variables))
    found = path_arguments(planned(PLUGIN_TAR_PATH="x/a.tar", **variables))
    assert [one for one in found if one not in given] == [f"--tar-path={MOUNT}/x/a.tar", *made]


@pytest.mark.parametrize("tar", ["PLUGIN_TAR_PATH", "PLUGIN_DESTINATION_TAR_PATH"])
def test_an_image_file_whose_folder_nothing_would_make_is_refused(tar: str) -> None:
    with pytest.raises(SpecInvalidError, match=f"^envVariables.{tar}: kaniko does not make its folder; .*{NAMES}"):
        planned(**{tar: "x/a.tar", NAMES: "n", TAGGED: "t"})
    assert planned(**{tar: "a.tar", NAMES: "n", TAGGED: "t"}), "the root is there"
    assert planned(PLUGIN_PUSH_ONLY=True, PLUGIN_SOURCE_TAR_PATH="s", **{tar: "x/a.tar", NAMES: "n", TAGGED: "t"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("PLUGIN_TAR_PATH", "x"), (NAMES, "x")),
        (("PLUGIN_TAR_PATH", "x"), ("PLUGIN_OCI_LAYOUT_PATH", "x")),
        (("PLUGIN_TAR_PATH", "x/a.tar"), (NAMES, "x")),
        ((NAMES, "x"), (TAGGED, "./x")),
        ((TAGGED, "x"), ("PLUGIN_OCI_LAYOUT_PATH", "x/y")),
    ],
)
def test_two_things_in_one_place_are_refused(one: tuple[str, str], other: tuple[str, str]) -> None:
    """The second would overwrite the first, or fail once everything is built."""
    with pytest.raises(SpecInvalidError, match=f"({one[0]}|{other[0]}): .*({one[0]}|{other[0]}).*another path"):
        planned(**dict((one, other)))


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({"PLUGIN_TAR_PATH": "a"}, True),
        ({"PLUGIN_IMAGE_NAME_TAG_WITH_DIGEST_FILE": "a"}, True),
        ({"PLUGIN_ARTIFACT_FILE": "a"}, False),
        ({"PLUGIN_IMAGE_NAME_WITH_DIGEST_FILE": "a"}, True),
        ({"PLUGIN_OCI_LAYOUT_PATH": "a"}, False),
        ({"PLUGIN_CACHE_DIR": "a"}, False),
        ({}, False),
    ],
)
def test_files_with_names_in_them_need_names_even_where_nothing_is_pushed(
    variables: dict[str, Any], wanted: bool
) -> None:
    assert planned(**variables).wants_names is wanted


@pytest.mark.proves("PLUGIN_SOURCE_TAR_PATH")
def test_push_only_names_the_image_that_is_pushed() -> None:
    variables = {"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "/harness/x.tar"}
    flags = parse_flags(variables)
    plan = plan_workspace(VOLUME, flags)
    assert source_image(flags, plan) == f"{MOUNT}/x.tar"
    assert path_arguments(plan) == [], "it is no flag of a build"
    assert source_image(parse_flags({"PLUGIN_SOURCE_TAR_PATH": "x.tar"}), plan) == ""


def test_push_only_without_an_image_is_refused() -> None:
    flags = parse_flags({"PLUGIN_PUSH_ONLY": True})
    with pytest.raises(SpecInvalidError, match="^envVariables.PLUGIN_PUSH_ONLY: .*PLUGIN_SOURCE_TAR_PATH"):
        source_image(flags, plan_workspace(VOLUME, flags))
