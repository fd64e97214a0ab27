"""The repository that an image is pushed to and its tags: their grammar, and what admission says of a wrong one."""

from typing import Annotated

from pydantic import Field

from buildandpush.api.base import cel, rules
from buildandpush.api.imagename import HOLDS_LOGIN
from buildandpush.api.urls import HOST_GRAMMAR

REPOSITORY_PATTERN = rf"^{HOST_GRAMMAR}(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)+$"
SHORTEST_IMAGE = 2
LONGEST_IMAGE = 255
"""Characters of an image's name without its registry: kaniko's client takes no others.
https://github.com/google/go-containerregistry/blob/main/pkg/name/repository.go"""
TAG_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"
SEQUENCE_ID = "<+pipeline.sequenceId>"

_HAS_REGISTRY = "self.matches('^[^/]*[.:][^/]*/')"
_ONLY_REGISTRY = "^[^/:]+[.][^/:]+(:[0-9]+)?$"
_NAMED_REGISTRY = "!self.matches('^[^/]*<[+]')"
_LOWER = "self == self.lowerAscii()"
HOLDS_EXPRESSION = "self.contains('<+')"
"""What an expression becomes is known later, so the operator checks it."""
_NO_TAG = "!self.matches('/.*[:@]')"
_IMAGE_LENGTH = f"^[^/]+/.{{{SHORTEST_IMAGE},{LONGEST_IMAGE}}}$"

Repository = Annotated[
    str,
    Field(
        min_length=1,
        max_length=512,
        json_schema_extra=rules(
            cel(
                f"({HOLDS_EXPRESSION} && {_HAS_REGISTRY} && {_NAMED_REGISTRY}) || !{HOLDS_LOGIN}",
                message="repository holds an @; put a login into a Secret that an AzureConnector names, "
                "and tags under tags",
                hides_value=True,
            ),
            cel(
                f"{HOLDS_LOGIN} || {_HAS_REGISTRY}",
                expression="""'repository: "' + self + '" names no ' + (self.matches('"""
                f"""{_ONLY_REGISTRY}') ? 'image' : 'registry') + '; write <registry>.azurecr.io/<image>'""",
                message="repository names no registry; write <registry>.azurecr.io/<image>",
            ),
            cel(
                f"{HOLDS_LOGIN} || {_NAMED_REGISTRY}",
                expression="""'repository: "' + self + '" has an expression in the registry; write the registry out'""",
                message="repository must name the registry without an expression",
            ),
            cel(
                f"{HOLDS_LOGIN} || {HOLDS_EXPRESSION} || {_LOWER}",
                expression="""'repository: "' + self + '" has upper case letters; write "' + self.lowerAscii() + '"'""",
                message="repository must be lower case",
            ),
            cel(
                f"{HOLDS_LOGIN} || {HOLDS_EXPRESSION} || {_NO_TAG}",
                expression="""'repository: "' + self + '" holds a tag or digest; put tags under tags'""",
                message="repository must not hold a tag or digest; put tags under tags",
            ),
            cel(
                f"{HOLDS_LOGIN} || !{_HAS_REGISTRY} || !({_LOWER}) || !({_NO_TAG}) || {HOLDS_EXPRESSION} || "
                f"self.matches('{REPOSITORY_PATTERN}')",
                expression="""'repository: "' + self + '" is no image name; write <registry>.azurecr.io/<image> with """
                """letters, digits and single . _ - or / between them'""",
                message="repository is no image name; write <registry>.azurecr.io/<image>",
            ),
            cel(
                f"!self.matches('{REPOSITORY_PATTERN}') || self.matches('{_IMAGE_LENGTH}')",
                expression=f"""'repository: "' + self + '" has an image name of one character or of more than """
                f"""{LONGEST_IMAGE}; kaniko takes {SHORTEST_IMAGE} to {LONGEST_IMAGE} characters after the registry'""",
                message=f"repository must have an image name of {SHORTEST_IMAGE} to {LONGEST_IMAGE} characters",
            ),
        ),
    ),
]

# The exact grammar of a tag, with the sequence id standing for any digits.
_NUMBERED = f"self.replace('{SEQUENCE_ID}', '0')"
_TAG_RULE = f"{_NUMBERED}.contains('<+') || {_NUMBERED}.matches('{TAG_PATTERN}')"

Tag = Annotated[
    str,
    Field(
        min_length=1,
        max_length=512,
        json_schema_extra=rules(
            cel(
                _TAG_RULE,
                expression="""'tags: "' + self + '" is no tag; use up to 128 letters, digits, _ . or -, """
                """the first a letter, digit or _'""",
                message="a tag holds up to 128 letters, digits, _ . or -, the first a letter, digit or _",
            ),
        ),
    ),
]
