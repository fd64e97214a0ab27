"""Texts of buildArgs, target and subscriptionId that can mean nothing are refused; all others are taken as they are."""

import pytest

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.texts import check_build_arguments, check_subscription, check_target


@pytest.mark.parametrize(
    "value",
    [
        '<+secrets.getValue("npm")>',
        "Bearer <+ secrets.getValue('account.npm')>",
        "${{ secrets.NPM_TOKEN }}",
        "a${{secrets.NPM_TOKEN}}",
    ],
)
def test_an_expression_for_a_secret_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(SpecInvalidError, match="^buildArgs.TOKEN: .*buildArgsFrom") as raised:
        check_build_arguments({"A": "1", "TOKEN": value})
    assert value not in str(raised.value)


def test_a_long_value_goes_into_a_config_map() -> None:
    check_build_arguments({"CA": "x" * 4096})
    with pytest.raises(SpecInvalidError, match="^buildArgs.CA: .*5000 .*4096.*ConfigMap.*buildArgsFrom"):
        check_build_arguments({"CA": "x" * 5000})


@pytest.mark.parametrize("value", ["", "<+pipeline.sequenceId>", "$HOME", "secrets.txt", "<secrets>", "${secrets}"])
def test_any_other_value_is_taken(value: str) -> None:
    check_build_arguments({"A": value})


@pytest.mark.parametrize("target", ["a,b", "a b", "-a", "a/b", "a:b", "<+x>", "ü"])
def test_what_names_no_stage_is_refused(target: str) -> None:
    with pytest.raises(SpecInvalidError, match="^target: .* name one stage"):
        check_target(target)


@pytest.mark.parametrize("target", ["", "  ", "runtime", " release ", "Build-1.2_x", "0"])
def test_a_name_or_number_of_a_stage_is_taken(target: str) -> None:
    check_target(target)


@pytest.mark.parametrize(
    "subscription",
    ["x/resourceGroups/y", "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590", "a?b", "a\\b", "%41", "a&b", "<+x>"],
)
def test_what_is_more_than_a_subscription_is_refused(subscription: str) -> None:
    with pytest.raises(SpecInvalidError, match="^subscriptionId: .* id or name"):
        check_subscription(subscription)


@pytest.mark.parametrize("subscription", ["", " Production ", "0b1f6471-1bf0-4dda-aec3-cb9272f09590", "Dev (EU) #1"])
def test_an_id_or_a_name_is_taken(subscription: str) -> None:
    check_subscription(subscription)
