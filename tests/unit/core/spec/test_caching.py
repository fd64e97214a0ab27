"""Where layers are cached: one registry before the name, whatever the notation."""

from typing import Any

import pytest

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.caching import cache_arguments, normalise_repository, plan_cache_repository
from buildandpush.core.spec.flags import parse_flags
from buildandpush.core.spec.plan import parse_spec
from tests.unit.core.factories import REPOSITORY, spec

HOST = "contoso.azurecr.io"


def planned(variables: dict[str, Any] | None = None, **changes: Any) -> str:
    """The cache repository of a spec with these fields."""
    return plan_cache_repository(parse_spec(spec(**changes)), parse_flags(variables))


@pytest.mark.proves("remoteCacheImage")
@pytest.mark.parametrize(
    ("given", "repository"),
    [
        (f"{HOST}/shop/cache", f"{HOST}/shop/cache"),
        ("shop/cache", f"{HOST}/shop/cache"),
        ("cache", f"{HOST}/cache"),
        ("/shop/cache", f"{HOST}/shop/cache"),
        (f" {HOST}/shop/cache ", f"{HOST}/shop/cache"),
        (f"{HOST}/{HOST}/cache", f"{HOST}/{HOST}/cache"),
    ],
)
def test_the_registry_is_put_before_a_name_that_has_none_and_never_twice(given: str, repository: str) -> None:
    """The plugin made contoso.azurecr.io/contoso.azurecr.io/shop/cache of the first."""
    assert planned(remoteCacheImage=given) == repository
    assert planned({"PLUGIN_CACHE_REPO": given}) == repository
    assert planned(remoteCacheImage=repository) == repository, "normalised once is normalised for good"


@pytest.mark.parametrize("given", ["", "  ", None])
def test_nothing_is_cached_unless_asked(given: str | None) -> None:
    assert planned(remoteCacheImage=given) == ""
    assert planned(caching=False) == ""


@pytest.mark.proves("caching", "PLUGIN_ENABLE_CACHE")
def test_a_cache_without_a_name_is_below_the_repository() -> None:
    """The plugin passed --cache-repo=<registry>/ on, an invalid name, with which kaniko cached nothing."""
    assert planned(caching=True) == f"{REPOSITORY}/cache"
    assert planned({"PLUGIN_ENABLE_CACHE": True}) == f"{REPOSITORY}/cache"
    assert planned({"PLUGIN_ENABLE_CACHE": True, "PLUGIN_CACHE_REPO": ""}) == f"{REPOSITORY}/cache"
    assert planned(caching=True, remoteCacheImage="") == f"{REPOSITORY}/cache"


@pytest.mark.proves("PLUGIN_CACHE_REPO")
def test_a_name_stands_before_the_inferred_one() -> None:
    assert planned({"PLUGIN_ENABLE_CACHE": True, "PLUGIN_CACHE_REPO": "ca"}) == f"{HOST}/ca"
    assert planned({"PLUGIN_CACHE_REPO": "ca"}, caching=True) == f"{HOST}/ca"
    assert planned(caching=True, remoteCacheImage="ca") == f"{HOST}/ca"


def test_the_flag_switches_off_what_the_fields_ask_for() -> None:
    assert planned({"PLUGIN_ENABLE_CACHE": False}, remoteCacheImage="c", caching=True) == ""
    assert planned({"PLUGIN_ENABLE_CACHE": "false", "PLUGIN_CACHE_REPO": "c"}) == ""


def test_field_and_flag_may_say_the_same_but_not_contradict() -> None:
    assert planned({"PLUGIN_CACHE_REPO": "ca"}, remoteCacheImage="ca") == f"{HOST}/ca"
    with pytest.raises(SpecInvalidError, match="^envVariables.PLUGIN_CACHE_REPO: .*than remoteCacheImage"):
        planned({"PLUGIN_CACHE_REPO": "c"}, remoteCacheImage="d")


def test_another_registry_needs_a_connector_of_its_own() -> None:
    with pytest.raises(
        SpecInvalidError,
        match="^remoteCacheImage: other.azurecr.io is another registry .*baseImageConnectorRefs",
    ):
        planned(remoteCacheImage="other.azurecr.io/cache")
    given = planned(remoteCacheImage="other.azurecr.io/cache", baseImageConnectorRefs=["other"])
    assert given == "other.azurecr.io/cache"


def test_a_registry_whose_name_only_begins_alike_is_another() -> None:
    with pytest.raises(SpecInvalidError, match="another registry"):
        planned(remoteCacheImage="contoso.azurecr.io.evil.example/cache")


@pytest.mark.parametrize(
    "name",
    ["Shop/Cache", "shop/cache:tag", "shop//cache", "shop/cache@sha256:0", "https://x.io/c", "a b", "oci:/x"],
)
def test_what_no_registry_takes_is_refused(name: str) -> None:
    with pytest.raises(SpecInvalidError, match="^remoteCacheImage: .*is no repository; write "):
        planned(remoteCacheImage=name)


@pytest.mark.parametrize("host", ["registry:5000", "localhost", "10.0.0.1:5000", "mirror.example"])
def test_a_host_is_known_by_its_form(host: str) -> None:
    assert normalise_repository("f", f"{host}/c", HOST) == f"{host}/c"


def test_the_executor_is_told_both_or_nothing() -> None:
    assert cache_arguments("") == []
    assert cache_arguments("r.io/c") == ["--cache=true", "--cache-repo=r.io/c"]


def test_a_line_break_is_no_part_of_a_repository() -> None:
    with pytest.raises(SpecInvalidError, match="is no repository"):
        normalise_repository("f", "shop/cache\n", HOST)


@pytest.mark.proves("PLUGIN_CACHE_REPO")
@pytest.mark.parametrize(("field", "flag"), [("a/cache", f"{HOST}/a/cache"), (f"{HOST}/a/cache", "/a/cache")])
def test_field_and_flag_may_say_the_same_in_two_notations(field: str, flag: str) -> None:
    assert planned({"PLUGIN_CACHE_REPO": flag}, remoteCacheImage=field) == f"{HOST}/a/cache"


class TestLength:
    """kaniko's client takes 2 to 255 characters after the registry."""

    LONGEST = HOST + "/" + "r" * (255 - len("/cache"))

    @pytest.mark.parametrize(
        ("variables", "changes", "field"),
        [
            ({}, {"caching": True}, "caching"),
            ({"PLUGIN_ENABLE_CACHE": True}, {}, "envVariables.PLUGIN_ENABLE_CACHE"),
        ],
    )
    def test_an_inferred_name_is_refused_with_its_length(
        self, variables: dict[str, Any], changes: dict[str, Any], field: str
    ) -> None:
        assert planned(variables, repository=self.LONGEST, **changes) == f"{self.LONGEST}/cache"
        with pytest.raises(SpecInvalidError, match=f"^{field}: .*has the length 256; kaniko takes .*remoteCacheImage"):
            planned(variables, repository=f"{self.LONGEST}r", **changes)

    @pytest.mark.parametrize(
        ("variables", "changes", "field"),
        [
            ({}, {"remoteCacheImage": "c" * 256}, "remoteCacheImage"),
            ({}, {"remoteCacheImage": "c"}, "remoteCacheImage"),
            ({}, {"remoteCacheImage": f"{HOST}/c"}, "remoteCacheImage"),
            ({"PLUGIN_CACHE_REPO": "c" * 4096}, {}, "envVariables.PLUGIN_CACHE_REPO"),
            ({"PLUGIN_CACHE_REPO": "c"}, {}, "envVariables.PLUGIN_CACHE_REPO"),
        ],
    )
    def test_a_given_name_is_refused_with_its_length(
        self, variables: dict[str, Any], changes: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(
            SpecInvalidError, match=rf"^{field}: .* has the length \d+; kaniko takes 2 to 255 characters; write"
        ):
            planned(variables, **changes)

    def test_with_a_long_registry_it_is_too_long_for_a_status(self) -> None:
        host = ".".join(["h" * 63] * 4)
        assert len(planned(repository=f"{host}.io/ab", remoteCacheImage="c" * 252)) == 511
        with pytest.raises(SpecInvalidError, match="^remoteCacheImage: with its registry .*514 characters.*512"):
            planned(repository=f"{host}.io/ab", remoteCacheImage="c" * 255)
