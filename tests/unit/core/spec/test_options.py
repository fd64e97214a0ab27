"""Fields and flags together: what contradicts is refused, what goes together comes out as one."""

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.flags import parse_flags
from buildandpush.core.spec.options import merge_labels, plan_options, plan_snapshot_mode
from buildandpush.core.spec.plan import BuildPlan, parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import REPOSITORY, SETTINGS, spec

VOLUME = {"persistentVolumeClaim": {"claimName": "builds"}}


def planned(variables: dict[str, Any] | None = None, *, user_namespaces: bool = False, **changes: Any) -> BuildPlan:
    """The plan of run 7 of the smallest spec with these flags and fields."""
    settings = replace(SETTINGS, user_namespaces=user_namespaces)
    return plan_build(parse_spec(spec(envVariables=variables, **changes)), settings, Occasion(7))


@pytest.mark.proves("PLUGIN_CUSTOM_LABELS")
def test_labels_of_flag_and_field_are_one_map() -> None:
    flags = parse_flags({"PLUGIN_CUSTOM_LABELS": "a=1, b=x=y ,c="})
    assert merge_labels({"d": "4", "a": "1"}, flags) == {"a": "1", "b": "x=y", "c": "", "d": "4"}


@pytest.mark.parametrize(
    ("text", "labels", "why"),
    [
        ("a=1,2", {}, "'2' is no name=value; a value that holds a comma goes into labels"),
        ("=1", {}, "is no name=value"),
        ("a=1", {"a": "2"}, "'a' is given twice"),
        ("a=1,a=2", {}, "'a' is given twice"),
        (",".join(f"l{number}=" for number in range(65)), {}, "more than 64 labels"),
    ],
)
def test_a_label_that_would_be_cut_or_lost_is_refused(text: str, labels: dict[str, str], why: str) -> None:
    with pytest.raises(SpecInvalidError, match=f"^envVariables.PLUGIN_CUSTOM_LABELS: .*{why}"):
        merge_labels(labels, parse_flags({"PLUGIN_CUSTOM_LABELS": text}))


@pytest.mark.proves("PLUGIN_SNAPSHOT_MODE", "optimize")
@pytest.mark.parametrize(
    ("optimize", "flag", "mode"),
    [(None, "", "full"), (True, "", "redo"), (False, "", "full"), (None, "time", "time"), (None, "full", "full"),
     (True, "redo", "redo"), (False, "full", "full")],
)  # fmt: skip
def test_snapshot_mode(optimize: bool | None, flag: str, mode: str) -> None:
    assert plan_snapshot_mode(optimize, parse_flags({"PLUGIN_SNAPSHOT_MODE": flag})) == mode


@pytest.mark.parametrize(("optimize", "flag"), [(True, "full"), (True, "time"), (False, "redo"), (False, "time")])
def test_a_snapshot_mode_that_contradicts_optimize_is_refused(optimize: bool, flag: str) -> None:
    with pytest.raises(SpecInvalidError, match="^envVariables.PLUGIN_SNAPSHOT_MODE: it contradicts optimize"):
        plan_snapshot_mode(optimize, parse_flags({"PLUGIN_SNAPSHOT_MODE": flag}))


@pytest.mark.proves("PLUGIN_CONTEXT_SUB_PATH")
@pytest.mark.parametrize(
    ("context", "below", "folder"),
    [(None, "web", "web"), ("a", "web", "a/web"), ("./a/", "./web//x/", "a/web/x"), ("a", ".", "a"), ("a", "", "a")],
)
def test_the_folder_within_the_context_is_the_context(context: str | None, below: str, folder: str) -> None:
    assert planned({"PLUGIN_CONTEXT_SUB_PATH": below}, context=context).context == folder


@pytest.mark.parametrize("below", ["..", "../x", "/etc", "git://x/y", "a/../../x"])
def test_the_folder_within_the_context_stays_in_it(below: str) -> None:
    with pytest.raises(SpecInvalidError, match="^envVariables.PLUGIN_CONTEXT_SUB_PATH: "):
        planned({"PLUGIN_CONTEXT_SUB_PATH": below}, context="a/b")


@pytest.mark.proves("PLUGIN_CUSTOM_DNS")
def test_name_servers_are_addresses_and_at_most_three() -> None:
    assert planned({"PLUGIN_CUSTOM_DNS": "10.0.0.10, fd00::10"}).options.name_servers == ("10.0.0.10", "fd00::10")
    for text, why in (("dns.example", "no IP address"), ("10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4", "4 are more than")):
        with pytest.raises(SpecInvalidError, match=f"^envVariables.PLUGIN_CUSTOM_DNS: .*{why}"):
            planned({"PLUGIN_CUSTOM_DNS": text})


class TestWithoutPush:
    @pytest.mark.proves("PLUGIN_NO_PUSH", "PLUGIN_DRY_RUN")
    @pytest.mark.parametrize("name", ["PLUGIN_NO_PUSH", "PLUGIN_DRY_RUN"])
    def test_connector_and_tags_may_be_left_out(self, name: str) -> None:
        plan = planned({name: True}, connectorRef=None, tags=None)
        assert (plan.connector_ref, plan.tags, plan.destinations) == ("", (), ())
        effective = plan.effective(SETTINGS)
        assert (effective.no_push, effective.connector) == (True, None)

    def test_tags_that_are_given_are_pushed_nowhere(self) -> None:
        plan = planned({"PLUGIN_NO_PUSH": True}, tags=["a", "<+pipeline.sequenceId>"])
        assert (plan.tags, plan.numbered_tags, plan.destinations) == ((), (), ())

    def test_a_connector_that_is_given_still_pulls_base_images(self) -> None:
        assert planned({"PLUGIN_NO_PUSH": True}).connector_ref == "acr"

    @pytest.mark.parametrize(("tags", "names"), [(None, ("latest",)), (["a", "b"], ("a", "b"))])
    def test_an_image_file_has_names_though_nothing_is_pushed(self, tags: Any, names: tuple[str, ...]) -> None:
        plan = planned({"PLUGIN_NO_PUSH": True, "PLUGIN_TAR_PATH": "x.tar"}, tags=tags, workspace=VOLUME)
        assert plan.destinations == tuple(f"{REPOSITORY}:{name}" for name in names)
        assert plan.tags == ()

    def test_pushing_cached_layers_needs_a_login_all_the_same(self) -> None:
        with pytest.raises(
            SpecInvalidError, match=f"^connectorRef: layers are cached in {REPOSITORY}/cache; name the AzureConnector"
        ):
            planned({"PLUGIN_NO_PUSH": True}, connectorRef=None, caching=True)

    @pytest.mark.parametrize("value", [False, "false", ""])
    def test_with_push_both_are_needed(self, value: Any) -> None:
        with pytest.raises(SpecInvalidError, match="^tags: there is none"):
            planned({"PLUGIN_NO_PUSH": value}, tags=None)
        with pytest.raises(SpecInvalidError, match="^connectorRef: it is missing"):
            planned({"PLUGIN_NO_PUSH": value}, connectorRef=None)

    @pytest.mark.parametrize("name", ["PLUGIN_NO_PUSH", "PLUGIN_DRY_RUN"])
    def test_building_only_and_pushing_only_contradict(self, name: str) -> None:
        with pytest.raises(SpecInvalidError, match=f"^envVariables.PLUGIN_PUSH_ONLY: it contradicts {name}"):
            planned({name: True, "PLUGIN_PUSH_ONLY": True})


class TestPushOnly:
    FLAGS: ClassVar[dict[str, Any]] = {"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "x.tar"}

    def test_it_waits_for_nothing_that_only_a_build_needs(self) -> None:
        plan = planned(
            {**self.FLAGS, "PLUGIN_REGISTRY_MIRRORS": "a.example"},
            workspace=VOLUME,
            source={"git": {"url": "https://git.example/x.git", "credentialsRef": {"name": "git-login"}}},
            remoteCacheImage="shop/cache",
            baseImageConnectorRefs=["base"],
            buildSecrets=[{"id": "a", "secretName": "s", "key": "k"}],
            buildArgsFrom=[{"name": "A", "secretName": "s", "key": "k"}],
        )
        assert (plan.options.secret_files, plan.options.arg_sources) == ((), ())
        assert plan.input_keys == ()
        assert (plan.cache_repository, plan.base_connector_refs, plan.options.registries.mirrors) == ("", (), ())

    def test_what_it_does_not_need_is_checked_all_the_same(self) -> None:
        with pytest.raises(SpecInvalidError, match="^buildArgsFrom: "):
            planned(self.FLAGS, workspace=VOLUME, buildArgsFrom=[{"name": "A", "key": "k"}])


@pytest.mark.proves("buildArgsFrom", "PLUGIN_VERBOSITY")
@pytest.mark.parametrize("level", ["debug", "TRACE"])
def test_a_log_that_would_show_what_stands_in_secrets_is_refused(level: str) -> None:
    """kaniko logs its cache keys at these levels, and the values of ARG lines are part of them."""
    sources = [{"name": "TOKEN", "secretName": "s", "key": "k"}]
    with pytest.raises(
        SpecInvalidError, match=f"^envVariables.PLUGIN_VERBOSITY: at {level.lower()} .*buildArgsFrom.*info"
    ):
        planned({"PLUGIN_VERBOSITY": level}, buildArgsFrom=sources)
    assert planned({"PLUGIN_VERBOSITY": "info"}, buildArgsFrom=sources).options.arg_sources
    assert planned({"PLUGIN_VERBOSITY": level}, buildArgs={"A": "1"}).build_args
    only = {"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "x.tar", "PLUGIN_VERBOSITY": level}
    assert planned(only, buildArgsFrom=sources, workspace=VOLUME).options.push_only


class TestUserNamespace:
    @pytest.mark.proves("userNamespace")
    @pytest.mark.parametrize(
        ("wanted", "nodes_can", "used"),
        [(None, False, False), (None, True, True), ("Auto", False, False), ("Auto", True, True),
         ("Always", False, True), ("Always", True, True), ("Never", True, False), ("Never", False, False)],
    )  # fmt: skip
    def test_whether_it_is_used(self, wanted: str | None, nodes_can: bool, used: bool) -> None:
        plan = planned(user_namespaces=nodes_can, userNamespace=wanted)
        assert plan.options.user_namespace is used
        assert plan.effective(SETTINGS).user_namespace is (True if used else None)

    def test_auto_leaves_it_where_a_volume_may_not_bear_it(self) -> None:
        with_path = {"PLUGIN_TAR_PATH": "x.tar"}
        assert not planned(with_path, user_namespaces=True, workspace=VOLUME).options.user_namespace
        assert planned(user_namespaces=True, workspace=VOLUME).options.user_namespace, "no path, no volume"
        assert planned(with_path, userNamespace="Always", workspace=VOLUME).options.user_namespace

    def test_a_volume_that_the_source_is_on_does_without(self) -> None:
        """A file share is mounted without a map of users, whoever mounts it."""
        source = {"persistentVolumeClaim": {"claimName": "share"}}
        assert not planned(user_namespaces=True, source=source).options.user_namespace
        assert planned(userNamespace="Always", source=source).options.user_namespace

    def test_auto_leaves_it_where_a_runtime_may_not_know_it(self) -> None:
        template = {"runtimeClassName": "kata"}
        assert not planned(user_namespaces=True, podTemplate=template).options.user_namespace
        assert planned(userNamespace="Always", podTemplate=template).options.user_namespace
        assert planned(user_namespaces=True, podTemplate={"labels": {"team": "shop"}}).options.user_namespace

    def test_auto_leaves_it_for_users_beyond_its_map(self) -> None:
        plan = planned(user_namespaces=True, runAsUser=1000650000)
        assert (plan.run_as_user, plan.options.user_namespace) == (1000650000, False)
        assert planned(user_namespaces=True, runAsUser=65535).options.user_namespace

    def test_users_beyond_its_map_are_refused(self) -> None:
        assert planned(userNamespace="Always", runAsUser=65535).run_as_user == 65535
        assert planned(runAsUser=65536).run_as_user == 65536
        with pytest.raises(SpecInvalidError, match="^runAsUser: '65536' is no user id in a user namespace"):
            planned(userNamespace="Always", runAsUser=65536)


@pytest.mark.proves("runAsUser")
@pytest.mark.parametrize(("given", "user"), [(None, 0), ("", 0), (" ", 0), (0, 0), ("0", 0), (1000, 1000), ("7", 7)])
def test_a_user_that_is_empty_is_the_default(given: Any, user: int) -> None:
    assert planned(runAsUser=given).run_as_user == user


@pytest.mark.parametrize(
    ("repository", "words"),
    [
        ("https://contoso.azurecr.io/web", "begins with https://; write the repository without it"),
        ("contoso.azurecr.io", "names no image; write <registry>.azurecr.io/<image>"),
        ("shop/web", "names no registry; write <registry>.azurecr.io/<image>"),
        ("contoso.azurecr.io/Shop/web", "has upper case letters; write lower case letters only"),
        ("contoso.azurecr.io/web:1", "holds a tag or digest; put tags under tags"),
        ("contoso.azurecr.io/web@sha256:1", "holds a tag or digest; put tags under tags"),
        ("contoso.azurecr.io/my web", "is no image name; write <registry>.azurecr.io/<image> with letters, digits"),
    ],
)
def test_a_wrong_repository_is_told_with_the_reason(repository: str, words: str) -> None:
    with pytest.raises(SpecInvalidError) as told:
        planned(repository=repository)
    assert str(told.value).startswith(f"repository: {repository!r} {words}")


def test_a_wrong_word_is_told_with_those_that_fit() -> None:
    with pytest.raises(SpecInvalidError) as told:
        planned(when={"stageStatus": "Sucess"})
    words = "'Sucess' does not fit: it should be 'Success', 'Failure' or 'All'; correct the field"
    assert str(told.value) == f"when.stageStatus: {words}"


def test_a_line_break_is_no_part_of_the_repository() -> None:
    with pytest.raises(SpecInvalidError, match="^repository: .*is no image name"):
        planned(repository=f"{REPOSITORY}\n")


@pytest.mark.proves("repository")
@pytest.mark.parametrize(("image", "words"), [("w", "'w' has the length 1;"), ("w" * 256, "has the length 256;")])
def test_an_image_name_that_kaniko_does_not_take_is_refused(image: str, words: str) -> None:
    with pytest.raises(SpecInvalidError, match=f"^repository: the image's name .*{words} kaniko takes 2"):
        planned(repository=f"contoso.azurecr.io/{image}")


@pytest.mark.parametrize("image", ["ab", "a/b", "w" * 255])
def test_the_shortest_and_the_longest_image_name_are_taken(image: str) -> None:
    assert planned(repository=f"contoso.azurecr.io/{image}").repository == f"contoso.azurecr.io/{image}"


@pytest.mark.proves("resources.limits.ephemeral-storage", "resources.requests.ephemeral-storage")
def test_disk_is_asked_for_and_limited() -> None:
    needs = planned(
        resources={"limits": {"ephemeral-storage": "10Gi"}, "requests": {"ephemeral-storage": "2Gi"}}
    ).requirements
    assert (needs.storage_limit, needs.storage_request) == ("10Gi", "2Gi")
    assert planned().requirements.storage_limit is None
    with pytest.raises(SpecInvalidError, match="^resources.requests.ephemeral-storage: 2Gi is more than the limit 1Gi"):
        planned(resources={"limits": {"ephemeral-storage": "1Gi"}, "requests": {"ephemeral-storage": "2Gi"}})


def test_everything_is_off_where_nothing_is_said() -> None:
    options = plan_options(parse_spec(spec()), SETTINGS)
    assert (options.no_push, options.push_only, options.cache_repository, options.user_namespace) == (
        False,
        False,
        "",
        False,
    )
    assert (options.secret_files, options.arg_sources, options.name_servers, options.service_account) == (
        (),
        (),
        (),
        "",
    )
    assert options.workspace.claim == ""
