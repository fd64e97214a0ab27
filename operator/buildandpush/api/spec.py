"""What a user writes: the spec of BuildAndPushACR. Each description is the field's documentation for its user."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from buildandpush.api.base import (
    ATOMIC,
    ApiModel,
    ContextPath,
    DockerfilePath,
    Name,
    cel,
    duration_rules,
    rules,
)
from buildandpush.api.dockerfilechecks import Mode
from buildandpush.api.flags import render_flags
from buildandpush.api.pod import PodTemplate, Resources, Workspace
from buildandpush.api.repository import HOLDS_EXPRESSION, Repository, Tag
from buildandpush.api.sources.source import Source
from buildandpush.api.step import FailureStrategy, When
from buildandpush.api.strategy import Strategy

MAX_TAGS = 50
MAX_RUN_NUMBER = 2**31 - 1
MAX_MAP_ENTRIES = 64
MAX_BUILD_SECRETS = 16
MAX_BASE_CONNECTORS = 8


class BuildSecret(ApiModel):
    """A value for RUN --mount=type=secret."""

    id: str = Field(min_length=1, max_length=63, description="The id that the Dockerfile mounts. Example: npmrc")
    secret_name: Name = Field(description="Name of the Secret in this namespace. Example: npm")
    key: Name = Field(description="Key in it. Example: .npmrc")


class BuildArgSource(ApiModel):
    """A build argument whose value is in a Secret or ConfigMap."""

    name: str = Field(min_length=1, max_length=128, description="Name of the ARG. Example: GITHUB_TOKEN")
    secret_name: Name | None = Field(None, description="Name of the Secret; or give configMapName. Example: github")
    config_map_name: Name | None = Field(None, description="Name of the ConfigMap. Example: versions")
    key: Name = Field(description="Key in it. Example: token")


class Outputs(ApiModel):
    """Further forms of the results."""

    artifact_file: bool | None = Field(
        None,
        description="Also write the list of artifacts into status.artifactFile, as the JSON of the pipeline step (kind "
        "docker/v1). Default: false",
    )
    config_map: Name | None = Field(
        None, description="Name of a ConfigMap that gets the digest. Not supported yet. Example: web-image"
    )


class History(ApiModel):
    """How much the operator keeps of earlier runs."""

    succeeded: int | None = Field(None, ge=0, le=10, description="Good runs listed in the status. Default: 10.")
    failed: int | None = Field(None, ge=0, le=10, description="Failed runs listed in the status. Default: 10.")
    succeeded_pods: int | None = Field(None, ge=0, le=10, description="Pods of good runs kept. Default: 1.")
    failed_pods: int | None = Field(None, ge=0, le=10, description="Pods of failed runs kept. Default: 3.")


ImageReference = Annotated[str, Field(min_length=1, max_length=512)]

MAX_BUILD_ARG = 4096
"""Characters of a value in buildArgs."""
STAGE_PATTERN = r"^\s*([A-Za-z0-9][A-Za-z0-9_.-]*)?\s*$"
SUBSCRIPTION_PATTERN = r"^[^/\\?%&<>]*$"
"""Azure's names of subscriptions hold none of these, and its ids are made of hexadecimal digits and dashes."""

_SecretPlace = Annotated[
    str,
    Field(
        max_length=512,
        json_schema_extra=rules(
            cel(
                r"self.matches('^(<[+]secrets[.]getValue[(].+[)]>|/harness/.+|[a-z0-9][a-z0-9.-]*/[A-Za-z0-9._-]+)$')",
                message="the value names no Secret; write <Secret>/<key>, never the secret itself",
                hides_value=True,
            )
        ),
    ),
]


_NEEDS_TAGS = cel(
    "has(self.envVariables) || (has(self.tags) && self.tags.size() > 0)",
    message="tags: there is none; give at least one tag, for example latest",
)
_NEEDS_CONNECTOR = cel(
    "has(self.envVariables) || (has(self.connectorRef) && self.connectorRef != '')",
    message="connectorRef: it is missing; name the AzureConnector that logs in to the registry",
)


class BuildAndPushACRSpec(ApiModel):
    """One image, built from one source and pushed to one repository of a registry."""

    model_config = ConfigDict(json_schema_extra=rules(_NEEDS_TAGS, _NEEDS_CONNECTOR))

    source: Source = Field(
        description="Where the files of the build come from; exactly one kind.",
        json_schema_extra=rules(
            cel(
                "[has(self.git), has(self.inline), has(self.configMap), has(self.persistentVolumeClaim), "
                "has(self.archive), has(self.upload), has(self.oci), has(self.fluxSource)].filter(x, x).size() == 1",
                message="source: give exactly one of git, inline, configMap, persistentVolumeClaim, archive, upload, "
                "oci and fluxSource",
            )
        ),
    )
    connector_ref: str | None = Field(
        None,
        max_length=253,
        description="Name of the AzureConnector in this namespace that logs in to the registry. A pipeline's "
        "identifier works too: account.My_ACR means the connector my-acr. Required to push. Example: acr",
    )
    repository: Repository = Field(
        description="Where the image goes: the registry's login server and the image's name, without a tag. "
        "Example: contoso.azurecr.io/shop/web"
    )
    subscription_id: str | None = Field(
        None,
        max_length=256,
        description="Azure subscription of the registry: its id or its name. It gives artifacts links to the portal. "
        "It is not used to log in. Example: 0b1f6471-1bf0-4dda-aec3-cb9272f09590",
        json_schema_extra=rules(
            cel(
                f"self.matches({SUBSCRIPTION_PATTERN!r})",
                expression="""'subscriptionId: "' + self + '" is more than a subscription; give its id or name'""",
                message="subscriptionId: give the id or the name of the subscription",
            )
        ),
    )
    tags: list[Tag] | None = Field(
        None,
        max_length=MAX_TAGS,
        description="Tags of the image. Required, unless a plugin flag derives them. Expressions such as "
        "<+pipeline.sequenceId>, the run's number, and <+codebase.shortCommitSha> have their values in it; "
        'docs/expressions.md lists them. Example: ["latest", "1.<+pipeline.sequenceId>"]',
        json_schema_extra=rules(
            cel(
                "self.all(t, self.exists_one(u, u == t))",
                expression="""'tags: "' + self.filter(t, !self.exists_one(u, u == t))[0] + '" is given twice'""",
                message="tags: each tag may be given once",
            ),
            **ATOMIC,
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
        description="Labels of the image. Values are taken byte for byte. A LABEL line of the same name in the built "
        "stage goes before a label here. "
        'Example: {"org.opencontainers.image.title": "shop"}',
    )
    build_args: dict[str, Annotated[str, Field(max_length=8 * MAX_BUILD_ARG)]] | None = Field(
        None,
        max_length=MAX_MAP_ENTRIES,
        description="Values for the Dockerfile's ARG lines, taken byte for byte. Everyone who may read the pod sees "
        f"them, so do not put secrets here. A value has up to {MAX_BUILD_ARG} characters; buildArgsFrom takes a longer "
        'one from a ConfigMap. Example: {"VERSION": "1.4.2"}',
        json_schema_extra=rules(
            cel(
                f"self.all(name, size(self[name]) <= {MAX_BUILD_ARG})",
                message=f"buildArgs: a value has more than {MAX_BUILD_ARG} characters; put it into a ConfigMap and "
                "name that in buildArgsFrom",
            )
        ),
    )
    target: str | None = Field(
        None,
        max_length=256,
        description="Stage of the Dockerfile to build. Default: the last one. Example: runtime",
        json_schema_extra=rules(
            cel(
                f"{HOLDS_EXPRESSION} || self.matches({STAGE_PATTERN!r})",
                expression="""'target: "' + self + '" is no name of a stage; name one stage of the Dockerfile'""",
                message="target: name one stage of the Dockerfile",
            )
        ),
    )
    remote_cache_image: str | None = Field(
        None,
        max_length=512,
        description="Repository that layers are cached in, with or without the registry. The first push makes it. If "
        "it is in another registry, name a connector for that registry in baseImageConnectorRefs. Default: no cache. "
        "Example: contoso.azurecr.io/shop/cache",
    )
    base_image_connector_refs: list[Name] | None = Field(
        None,
        max_length=MAX_BASE_CONNECTORS,
        description="AzureConnectors of this namespace that pull base images, each from the hosts in its registries. "
        'connectorRef also pulls from the registry that it pushes to. Example: ["base-images"]',
        json_schema_extra=ATOMIC,
    )
    variables: dict[str, Annotated[str, Field(max_length=MAX_BUILD_ARG)]] | None = Field(
        None,
        max_length=MAX_MAP_ENTRIES,
        description="Values for the expressions <+pipeline.variables.name> and <+stage.variables.name> of this spec. "
        'Example: {"tier": "gold"}',
    )
    env_variables: dict[str, Any] | None = Field(
        None,
        description="Flags of the step's plugin; docs/plugin-flags.md lists them. For variables of the build, use ENV "
        "lines of the Dockerfile, buildArgs or buildArgsFrom.",
        json_schema_extra={"x-kubernetes-rendered": render_flags()},
    )
    caching: bool | None = Field(
        None,
        description="Cache layers in remoteCacheImage, or in <repository>/cache if that is not given. Default: true if "
        "remoteCacheImage is given.",
    )
    cache_from: list[ImageReference] | None = Field(
        None,
        max_length=16,
        description="Caches of another builder, accepted from pipelines. No effect: kaniko caches in remoteCacheImage.",
        json_schema_extra=ATOMIC,
    )
    cache_to: str | None = Field(
        None,
        max_length=1024,
        description="Cache of another builder, accepted from pipelines. No effect: kaniko caches in remoteCacheImage.",
    )
    build_secrets: list[BuildSecret] | None = Field(
        None,
        max_length=MAX_BUILD_SECRETS,
        description="Values for RUN --mount=type=secret. The image does not hold them, but every RUN line of the build "
        'can read them. Example: [{"id": "npmrc", "secretName": "npm", "key": ".npmrc"}]',
        json_schema_extra=ATOMIC,
    )
    env_docker_secrets: dict[str, _SecretPlace] | None = Field(
        None,
        max_length=MAX_BUILD_SECRETS,
        description="Values for RUN --mount=type=secret, by id, as pipelines write them: <Secret>/<key>, or "
        '<+secrets.getValue("<Secret>")> for its key value. Example: {"npmrc": "npm/.npmrc"}',
    )
    file_docker_secrets: dict[str, _SecretPlace] | None = Field(
        None,
        max_length=MAX_BUILD_SECRETS,
        description="The same as envDockerSecrets. In addition, /harness/<path> names a file of the source. "
        'Example: {"npmrc": "/harness/.npmrc"}',
    )
    build_args_from: list[BuildArgSource] | None = Field(
        None,
        max_length=MAX_MAP_ENTRIES,
        description="Build arguments whose values are in Secrets or ConfigMaps. Neither the pod's spec nor its log "
        "shows the values, unless the Dockerfile prints them or makes labels of them. A name that steers kaniko "
        "itself is refused. PLUGIN_VERBOSITY debug or trace is refused too, because kaniko then logs the values. "
        'Example: [{"name": "GITHUB_TOKEN", "secretName": "github", "key": "token"}]',
        json_schema_extra=ATOMIC,
    )
    registry_mirrors: list[ImageReference] | None = Field(
        None,
        max_length=8,
        description="Mirrors of docker.io, in the order in which kaniko asks them. Write registry=mirror for another "
        "registry. "
        'Example: ["mirror.gcr.io", "quay.io=mirror.contoso.com/quay"]',
        json_schema_extra=ATOMIC,
    )
    optimize: bool | None = Field(
        None,
        description="Take snapshots by file metadata (kaniko's redo mode): faster, but a write that leaves a file's "
        "size and time as they were is lost, and so are capabilities that RUN sets. The status warns of it. Without it "
        "kaniko reads each file after each RUN line. Three images that were measured took 1.2 times (Node), 1.1 times "
        "(Go, two stages) and 1.0 times (Python) the processor time; docs/dockerfiles.md has the details. "
        "Default: false.",
    )
    dockerfile_checks: Mode | None = Field(
        None,
        description="What happens if kaniko makes something else of the Dockerfile than Docker. Refuse ends the run "
        "before it builds. Warn builds, and the condition DockerfileChecked names the lines. Off looks for nothing but "
        "paths that leave the context. docs/dockerfiles.md lists what is looked for. Default: Refuse for what would "
        "make a wrong or unsafe image, Warn for the rest.",
    )
    run_as_user: int | str | None = Field(
        None,
        description="User id that kaniko runs as. Default: 0, which most Dockerfiles need. Example: 0",
        json_schema_extra={"x-kubernetes-int-or-string": True, "pattern": "^[0-9]{0,10}$", "maxLength": 10},
    )
    resources: Resources | None = Field(None, description="Limits and requests of the build's container.")
    timeout: str | None = Field(
        None,
        max_length=64,
        description="The longest time that a build may take, with the fetch of its source. Units: w, d, h, m, s, alone "
        "or together. Default: 1h. Example: 1h 30m",
        json_schema_extra=duration_rules("timeout", "90s, 30m or 1h 30m"),
    )
    retries: int | None = Field(
        None,
        ge=0,
        le=10,
        description="Further attempts after failures that are not the spec's fault, such as a lost node or a registry "
        "that does not answer. They follow after 10 s, 30 s, 90 s, 270 s and then 300 s each. A run that has used them "
        "up starts anew after 30 min, 1 h and 2 h. 0: neither. Default: 5.",
    )
    suspend: bool | None = Field(
        None, description="true: start no new run. A running run ends normally; rebuild requests wait. Default: false."
    )
    on_change: Literal["Replace", "Queue"] | None = Field(
        None,
        description="What a change of the spec does to a running run. Replace stops it; Queue lets it end. "
        "Default: Replace.",
    )
    first_run_number: Annotated[int, Field(ge=1, le=MAX_RUN_NUMBER)] | Literal["Auto"] | None = Field(
        None,
        description="Number of the first run. Use it to continue the numbers of a pipeline. Auto continues after the "
        "highest number that the repository's tags hold: for resources that are created anew, as after a restore from "
        "a backup. Use Auto only if no other resource or pipeline numbers the same tags. Default: 1. Example: 1042",
        json_schema_extra=rules(
            cel(
                f"type(self) == int ? self >= 1 && self <= {MAX_RUN_NUMBER} : self == 'Auto'",
                expression="'firstRunNumber: ' + string(self) + ' is neither a number from 1 to "
                f"{MAX_RUN_NUMBER} nor Auto'",
                message=f"firstRunNumber must be a number from 1 to {MAX_RUN_NUMBER}, without quotes, or Auto",
            ),
            **{"x-kubernetes-int-or-string": True, "maxLength": 10},
        ),
    )
    history: History | None = Field(None, description="How much the operator keeps of earlier runs.")
    ttl_seconds_after_finished: int | None = Field(
        None,
        ge=0,
        le=30 * 86400,
        description="Seconds until the pods of an ended run are removed. The resource itself stays. Default: 3600.",
    )
    retry: int | None = Field(
        None,
        ge=0,
        le=100,
        description="How often a pipeline repeats the step. No effect: use retries.",
    )
    user_namespace: Literal["Auto", "Always", "Never"] | None = Field(
        None,
        description="Whether the pod gets a user namespace. root in it is not root on the node. Always needs nodes "
        "that support it. Auto uses one if all nodes say that they support it, and the pod has no volume, no "
        "runtime class and no user above 65535; the operator's installer can switch it off. Default: Auto.",
    )
    service_account_name: str | None = Field(
        None,
        max_length=253,
        description="Service account of the build pod. The operator's installer decides which names are allowed. Its "
        "token is never mounted. Default: the namespace's default account. Example: builds",
    )
    pod_template: PodTemplate | None = Field(None, description="Placement and marks of the build pod.")
    workspace: Workspace | None = Field(None, description="The volume for the plugin flags that name a path.")
    outputs: Outputs | None = Field(None, description="Further forms of the results.")
    when: When | None = Field(None, description="The condition under which a run is built.")
    strategy: Strategy | None = Field(
        None,
        description="Several builds in one run, by exactly one of matrix, repeat and parallelism. "
        "docs/strategy.md has it all.",
    )
    failure_strategies: list[FailureStrategy] | None = Field(
        None,
        max_length=16,
        description="What happens after a failure that the operator does not retry by itself. The first rule that "
        "matches decides.",
        json_schema_extra=ATOMIC,
    )
