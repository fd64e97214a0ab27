"""What the core says of a spec stands in a status and in an Event. No login that is pasted into a field is repeated."""

from typing import Any

import pytest

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.plan import parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import SETTINGS, spec

PASSWORD = "hunter22"
URL = f"https://user:{PASSWORD}@h.example/x"
BARE = f"user:{PASSWORD}@h.example/x"
LONG = f"https://user:{PASSWORD}{'x' * 300}@h.example/x"
"""As with a JWT: a message shows the beginning of a value, and its @ is behind that."""
BLANK = f"https://user:{PASSWORD} x@h.example/x"
FORMS = (URL, BARE, LONG, BLANK)


def refusal(**changes: Any) -> str:
    """What is said of a spec with these fields."""
    with pytest.raises(SpecInvalidError) as caught:
        plan_build(parse_spec(spec(**changes)), SETTINGS, Occasion(7))
    return str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        *({name: address} for name in ("repository", "remoteCacheImage", "target") for address in FORMS),
        *({"registryMirrors": [address]} for address in FORMS),
        *({"registryMirrors": [f"quay.io={address}"]} for address in FORMS),
        *({"envVariables": {"PLUGIN_CACHE_REPO": address}} for address in FORMS),
        *({"envVariables": {"PLUGIN_INSECURE_REGISTRY": address}} for address in (URL, BARE, LONG)),
        *({"source": {"git": {"url": address}}} for address in (f"x{LONG}", BLANK.replace("https", "ftp"))),
        *({"connectorRef": address} for address in FORMS),
        *({"tags": [address]} for address in FORMS),
        *({"subscriptionId": address} for address in FORMS),
        {"dockerfile": URL},
        {"context": f"git://{PASSWORD}@github.com/x/y.git"},
        {"source": {"git": {"url": f"ftp://user:{PASSWORD}@h.example/x"}}},
        {"source": {"git": {"url": URL, "connectorRef": "acr"}}},
        {"source": {"oci": {"image": f"user:{PASSWORD}@demo.azurecr.io/x:v1@sha256:12"}}},
        {
            "source": {
                "archive": {"url": f"https://h.example/x?sig={PASSWORD}", "unverified": True, "connectorRef": "a"}
            }
        },
        {"buildSecrets": [{"id": "npmrc", "secretName": "npm", "key": f"{PASSWORD}~Q"}]},
        {"buildSecrets": [{"id": "npmrc", "secretName": f"{PASSWORD}~Q", "key": "token"}]},
        {"buildArgsFrom": [{"name": "TOKEN", "secretName": "github", "key": f"{PASSWORD}~Q"}]},
    ],
    ids=str,
)
def test_a_login_in_a_field_is_not_repeated(changes: dict[str, Any]) -> None:
    assert PASSWORD not in refusal(**changes)


def test_the_rest_of_the_value_is_named() -> None:
    assert "'https://***@h.example/x' is no repository" in refusal(remoteCacheImage=URL)
    assert "'demo.azurecr.io/x:v1@sha256:12'" in refusal(source={"oci": {"image": "demo.azurecr.io/x:v1@sha256:12"}})
    assert "'demo.azurecr.io/x:v1@sha512:12'" in refusal(source={"oci": {"image": "demo.azurecr.io/x:v1@sha512:12"}})
    assert "ssh://git@<host>/<path>" in refusal(source={"git": {"url": "ftp://h.example/x"}})
    assert "the key of 'npmrc'" in refusal(buildSecrets=[{"id": "npmrc", "secretName": "npm", "key": "a b"}])
