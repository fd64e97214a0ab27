"""What a user writes: the spec of BuildAndPushACR. Each description is the field's documentation for its user."""

from typing import Annotated

from pydantic import Field

from buildandpush.api.base import ApiModel, ContextPath, DockerfilePath, Quantity, cel, rules

MAX_TAGS = 50
MAX_MAP_ENTRIES = 64
MAX_INLINE_FILES = 64
MAX_INLINE_BYTES = 128 * 1024

REPOSITORY_PATTERN = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)+$"
TAG_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"
SEQUENCE_ID = "<+pipeline.sequenceId>"

_HAS_REGISTRY = "self.matches('^[^/]*[.:][^/]*/')"
_LOWER = "self == self.lowerAscii()"
_NO_TAG = "!self.matches('/.*[:@]')"

Repository = Annotated[
    str,
    Field(
        min_length=1,
        max_length=512,
        json_schema_extra=rules(
            cel(
                _HAS_REGISTRY,
                expression="""'repository: "' + self + '" names no registry; write <registry>.azurecr.io/<image>'""",
                message="repository names no registry; write <registry>.azurecr.io/<image>",
            ),
            cel(
                _LOWER,
                expression="""'repository: "' + self + '" has upper case letters; write "' + self.lowerAscii() + '"'""",
                message="repository must be lower case",
            ),
            cel(
                _NO_TAG,
                expression="""'repository: "' + self + '" holds a tag or digest; put tags under tags'""",
                message="repository must not hold a tag or digest; put tags under tags",
            ),
            cel(
                f"!({_HAS_REGISTRY} && {_LOWER} && {_NO_TAG}) || self.matches('{REPOSITORY_PATTERN}')",
                expression="""'repository: "' + self + '" is no image name; write <registry>.azurecr.io/<image> with """
                """letters, digits and single . _ - or / between them'""",
                message="repository is no image name; write <registry>.azurecr.io/<image>",
            ),
        ),
    ),
]

# The exact grammar of a tag, with the sequence id standing for any digits.
_TAG_RULE = f"self.replace('{SEQUENCE_ID}', '0').matches('{TAG_PATTERN}')"

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


class GitSource(ApiModel):
    """A git repository."""

    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            description="Where to clone from, over https or http. Without user name or password. "
            "Example: https://github.com/contoso/shop.git",
            json_schema_extra=rules(
                cel(
                    "self.matches('^https?://[^/]+')",
                    expression="""'source.git.url: "' + self + '" is no http(s) URL; write https://<host>/<path>'""",
                    message="source.git.url must begin with https:// or http://",
                ),
                cel(
                    "!self.matches('^[a-z]+://[^/]*@')",
                    message="source.git.url must not hold a user name or password",
                ),
            ),
        ),
    ]
    revision: str = Field(
        "",
        max_length=256,
        description="Branch, tag, full ref or full commit id. Default: the repository's default branch. "
        "Example: v1.4.2",
        json_schema_extra=rules(
            cel(
                "self == '' || self.matches('^[A-Za-z0-9_][A-Za-z0-9._/+@-]*$')",
                expression="""'source.git.revision: "' + self + '" is no branch, tag or commit'""",
                message="source.git.revision must be a branch, tag, ref or commit id",
            )
        ),
    )


class InlineSource(ApiModel):
    """Files written out in the resource itself."""

    files: dict[str, Annotated[str, Field(max_length=MAX_INLINE_BYTES)]] = Field(
        description="File contents by path relative to the source's root, 128 KiB in all. "
        'Example: {"Dockerfile": "FROM scratch"}',
        min_length=1,
        max_length=MAX_INLINE_FILES,
    )


class Source(ApiModel):
    """Where the files of the build come from: exactly one kind."""

    git: GitSource | None = Field(None, description="A git repository, fetched at one revision.")
    inline: InlineSource | None = Field(None, description="Files written out here; for small builds and first tries.")


class ResourceList(ApiModel):
    """Amounts of memory and cpu."""

    memory: Quantity | None = Field(
        None, description="Bytes, with G, M, Gi or Mi. Default: 500Mi as limit; as request the limit. Example: 2Gi"
    )
    cpu: Quantity | None = Field(
        None, description="Cores, as a fraction or with m. Default: 400m as limit, 100m as request. Example: 1.5"
    )


class Resources(ApiModel):
    """What the build may use and what the scheduler sets aside for it."""

    limits: ResourceList | None = Field(None, description="The most the build may use. Default: 500Mi and 400m.")
    requests: ResourceList | None = Field(
        None, description="What the scheduler sets aside. Default: memory as limits.memory, cpu 100m."
    )


class BuildAndPushACRSpec(ApiModel):
    """One image, built from one source and pushed to one repository of a registry."""

    source: Source = Field(
        description="Where the files of the build come from; exactly one of git and inline.",
        json_schema_extra=rules(
            cel(
                "[has(self.git), has(self.inline)].filter(x, x).size() == 1",
                message="source: give exactly one of git and inline",
            )
        ),
    )
    connector_ref: str = Field(
        min_length=1,
        max_length=253,
        description="Name of the AzureConnector in this namespace that logs in to the registry. A pipeline's "
        "identifier works too: account.My_ACR means the connector my-acr. Example: acr",
    )
    repository: Repository = Field(
        description="Where the image goes: the registry's login server and the image's name, without a tag. "
        "Example: contoso.azurecr.io/shop/web"
    )
    tags: list[Tag] = Field(
        min_length=1,
        max_length=MAX_TAGS,
        description="Tags the image is pushed under, one push each. <+pipeline.sequenceId> stands for the run's "
        'number. Example: ["latest", "1.<+pipeline.sequenceId>"]',
        json_schema_extra=rules(
            cel(
                "self.all(t, self.exists_one(u, u == t))",
                expression="""'tags: "' + self.filter(t, !self.exists_one(u, u == t))[0] + '" is given twice'""",
                message="tags: each tag may be given once",
            ),
            **{"x-kubernetes-list-type": "atomic"},
        ),
    )
    dockerfile: DockerfilePath | None = Field(
        None,
        description="Path of the Dockerfile, relative to the source's root (not to context). Default: Dockerfile. "
        "Example: docker/web.Dockerfile",
    )
    context: ContextPath | None = Field(
        None,
        description="Folder that COPY and ADD read from, relative to the source's root. Default: the root. "
        "Example: web",
    )
    labels: dict[str, Annotated[str, Field(max_length=4096)]] | None = Field(
        None,
        max_length=MAX_MAP_ENTRIES,
        description="Labels of the image, values taken byte for byte. "
        'Example: {"org.opencontainers.image.title": "shop"}',
    )
    build_args: dict[str, Annotated[str, Field(max_length=4096)]] | None = Field(
        None,
        max_length=MAX_MAP_ENTRIES,
        description="Values for the Dockerfile's ARG lines, taken byte for byte. Visible to anyone who may read the "
        'pod: no place for secrets. Example: {"VERSION": "1.4.2"}',
    )
    target: str | None = Field(
        None, max_length=256, description="Stage of the Dockerfile to build. Default: the last one. Example: runtime"
    )
    optimize: bool | None = Field(
        None,
        description="Take snapshots by file metadata, which is faster (kaniko's redo mode). Default: true.",
    )
    run_as_user: int | str | None = Field(
        None,
        description="User id that kaniko runs as. Default: 0, which most Dockerfiles need. Example: 0",
        json_schema_extra={"x-kubernetes-int-or-string": True, "pattern": "^[0-9]{1,10}$", "maxLength": 10},
    )
    resources: Resources | None = Field(None, description="Limits and requests of the build's container.")
    timeout: str | None = Field(
        None,
        max_length=64,
        description="The longest a build may take, source fetch included; the unit is part of the value: w, d, h, m, "
        "s, alone or together. Default: 1h. Example: 1h 30m",
        json_schema_extra=rules(
            cel(
                "self.matches('^([0-9]+ *[wdhms] *)*$')",
                expression="""'timeout: "' + self + '" is no duration; write for example 90s, 30m or 1h 30m'""",
                message="timeout must be a duration such as 90s, 30m or 1h 30m",
            )
        ),
    )
