"""Names of artifacts, in their parts."""

import pytest

from buildandpush.api.imagename import ImageName, parse_image_name

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("contoso.azurecr.io/shop:v1", ImageName("contoso.azurecr.io", "shop", "v1")),
        ("localhost:5000/a/b:V_1", ImageName("localhost:5000", "a/b", "V_1")),
        (f"docker.io/a/b@{DIGEST}", ImageName("docker.io", "a/b", "", DIGEST)),
        (f"r.io/a:1@{DIGEST}", ImageName("r.io", "a", "1", DIGEST)),
    ],
)
def test_a_name_has_parts(text: str, expected: ImageName) -> None:
    name = parse_image_name(text)
    assert name == expected
    assert name.reference == (expected.digest or expected.tag)


@pytest.mark.parametrize(
    "text",
    ["", "a", "r.io/a", "r.io/:v1", "r.io/a:", "r.io/A:v1", "r.io/a@sha256:0", f"r.io/a@{DIGEST}0", "r.io/a:v1/b",
     "oci://r.io/a:v1", "r.io/a:v1\n", "r.io//a:v1", "r.io/a:-x", f"r.io/a@{DIGEST}:v1"],
)  # fmt: skip
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no name of an artifact"):
        parse_image_name(text)
