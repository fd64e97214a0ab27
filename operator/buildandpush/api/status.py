"""What the operator writes back: the status of BuildAndPushACR. Bounded, and never with a secret in it."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer

from buildandpush.api.base import ATOMIC, MAP_BY_KEY, MAP_BY_TYPE, MAX_QUANTITY, ApiModel
from buildandpush.api.spec import MAX_BASE_CONNECTORS, MAX_BUILD_SECRETS, MAX_MAP_ENTRIES
from buildandpush.api.strategy import MAX_BUILDS

MAX_MESSAGE = 1024
MAX_REASON = 64
MAX_REPOSITORY = 512
MAX_IMAGE = 512
MAX_LOG_TAIL = 2048
MAX_URL = 1024
MAX_ARTIFACT_FILE = 16384
MAX_ARTIFACTS = 100
MAX_ARTIFACTS_BYTES = 48 * 1024
"""Of their JSON: the whole status stays within 128 KiB. Tags and links as people have them take less than half."""
MAX_BUILD_CONDITION = 256
MAX_BUILD_CONDITIONS = 8
MAX_HANDLED_REBUILDS = 10
MAX_REBUILD = 128
"""Of a rebuild annotation's value that many characters count."""
MAX_INPUTS = MAX_MAP_ENTRIES + MAX_BUILD_SECRETS + MAX_BASE_CONNECTORS + 2
"""An object for each build argument and secret, and a Secret for each connector, the push's among them, and for git."""
_YEARS = range(1900, 9000)
"""Of times. Beyond them a wait has no end that could be told."""
MAX_HISTORY = 10
"""Entries of good and of failed runs each."""


@lru_cache(maxsize=4096)  # the same few moments, at each look at a status
def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_year(value: datetime) -> datetime:
    if value.year not in _YEARS:
        raise ValueError(f"the year is not between {_YEARS.start} and {_YEARS.stop - 1}")
    return value


Time = Annotated[
    datetime,
    AfterValidator(_check_year),
    PlainSerializer(_rfc3339, return_type=str),
    Field(json_schema_extra={"type": "string", "format": "date-time"}),
]


# Not the enum: the status of a newer operator, with a phase of its own, must stay readable.
_PhaseName = Annotated[str, Field(max_length=32)]
_Tag = Annotated[str, Field(max_length=128)]


class Condition(ApiModel):
    """One aspect of the state, as metav1.Condition."""

    type: str = Field(max_length=64, description="What the condition is about.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    observed_generation: int = Field(description="The generation of the spec this was decided for.")
    last_transition_time: Time = Field(description="When status last changed.")
    reason: str = Field(max_length=64, description="One CamelCase word for the cause; see docs/reasons.md.")
    message: str = Field(max_length=MAX_MESSAGE, description="What is the case and what to do next, for people.")


class Failure(ApiModel):
    """Where and how a build failed."""

    container: str | None = Field(
        None, max_length=63, description="The container that failed: source, kaniko, or one that was put into the pod."
    )
    exit_code: int | None = Field(None, description="Its exit code; for a failed RUN command that command's own.")
    reason: str | None = Field(
        None, max_length=MAX_REASON, description="The kubelet's word, such as OOMKilled or Evicted."
    )
    log_tail: str | None = Field(
        None, max_length=MAX_LOG_TAIL, description="The last lines of the container's log, without secrets."
    )


class Timings(ApiModel):
    """Where an attempt's time went, in whole seconds."""

    waiting_seconds: int | None = Field(None, description="From the run's acceptance until a kubelet took the pod.")
    source_seconds: int | None = Field(None, description="Fetching the source.")
    build_seconds: int | None = Field(None, description="kaniko, from its start to the end of its push.")


class ReadBackStatus(ApiModel):
    """How the registry is asked what was pushed, where the operator could not read it at once."""

    since: Time | None = Field(None, description="Since when it is asked.")
    next_at: Time | None = Field(None, description="When the operator asks it again.")
    pod_name: str | None = Field(None, max_length=63, description="Name of the pod that asks it for the operator.")
    problem: str | None = Field(None, max_length=MAX_MESSAGE, description="Why the operator could not read it.")


class SourceStatus(ApiModel):
    """What the source turned out to be."""

    revision: str | None = Field(None, max_length=256, description="The branch, tag or ref that was fetched.")
    ref: str | None = Field(None, max_length=256, description="The full ref it stands for, such as refs/heads/main.")
    commit: str | None = Field(None, max_length=64, description="The commit it was resolved to.")
    author: str | None = Field(None, max_length=256, description="Who wrote the commit.")
    message: str | None = Field(None, max_length=256, description="First line of the commit's message.")
    digest: str | None = Field(
        None, max_length=128, description="What an archive or an artifact hashes to, such as sha256:9f86…"
    )
    file_count: int | None = Field(None, description="How many files and links the source has.")
    size_bytes: int | None = Field(None, description="Size of its files, in bytes.")
    url: str | None = Field(
        None, max_length=2048, description="Where the artifact of a Flux object is served, for all attempts of the run."
    )
    previous_commit: str | None = Field(
        None, max_length=64, description="The commit that the revision was at before, where a new one started the run."
    )


class BuildCondition(ApiModel):
    """One aspect of a build's state, in a run of several builds."""

    type: str = Field("", max_length=64, description="What the condition is about.")
    status: Literal["True", "False", "Unknown"] = Field("Unknown", description="True, False or Unknown.")
    reason: str = Field("", max_length=64, description="One CamelCase word for the cause; see docs/reasons.md.")
    message: str | None = Field(
        None, max_length=MAX_BUILD_CONDITION, description="What is the case, where that is not as it should be."
    )


class BuildStatus(ApiModel):
    """One image of a run."""

    key: str = Field(description="Names the build within its run; '0' for the only one.", max_length=64)
    matrix: dict[str, Annotated[str, Field(max_length=256)]] | None = Field(
        None, max_length=64, description="The values of strategy that the build was made for, by the names of its axes."
    )
    from_run: int | None = Field(
        None, description="Number of the earlier run that made the image, where this run takes it over."
    )
    repository: str | None = Field(
        None, max_length=MAX_REPOSITORY, description="Repository it is pushed to, where the run has several."
    )
    cache_repository: str | None = Field(
        None, max_length=MAX_REPOSITORY, description="Repository of its cached layers, where the run has several."
    )
    source: SourceStatus | None = Field(None, description="What was built, where the run has several sources.")
    conditions: list[BuildCondition] | None = Field(
        None,
        max_length=MAX_BUILD_CONDITIONS,
        description="The state by aspects, in a run of several builds.",
        json_schema_extra=ATOMIC,
    )
    phase: _PhaseName = Field(description="Where the build stands.")
    attempt: int = Field(1, description="Number of the pod, counted from 1.")
    pod_name: str = Field(max_length=63, description="Name of the pod of the current attempt.")
    former_pod_name: str | None = Field(None, max_length=63, description="Name of the pod before this one.")
    pod_uid: str | None = Field(None, max_length=64, description="Its uid, once it was seen.")
    tags: list[_Tag] = Field(max_length=50, description="Tags the image is pushed under.", json_schema_extra=ATOMIC)
    image: str | None = Field(None, max_length=1024, description="Repository and digest that were pushed.")
    digest: str | None = Field(None, max_length=128, description="Digest of the image that was pushed.")
    size_bytes: int | None = Field(None, description="Size of its layers and config as stored, in bytes.")
    media_type: str | None = Field(None, max_length=128, description="Media type of its manifest.")
    platform: str | None = Field(None, max_length=64, description="Its platform, such as linux/amd64.")
    reason: str | None = Field(None, max_length=64, description="The reason of the current state.")
    message: str | None = Field(None, max_length=MAX_MESSAGE, description="The state in words.")
    read_back: ReadBackStatus | None = Field(
        None, description="How the registry is asked what was pushed, while it does not answer."
    )
    failure: Failure | None = Field(None, description="Where and how it failed.")
    retried: int | None = Field(None, description="Attempts so far that failureStrategies asked for.")
    next_attempt_at: Time | None = Field(None, description="When the pod of this attempt is created at the earliest.")
    scheduling_from: Time | None = Field(
        None, description="Since when the pod may be given a node, where a scheduling gate held it back at first."
    )
    started_at: Time | None = Field(None, description="When kaniko's container started.")
    finished_at: Time | None = Field(None, description="When the attempt ended.")
    timings: Timings | None = Field(None, description="Where the attempt's time went.")


class Effective(ApiModel):
    """The values in force for the run, defaults included."""

    repository: str = Field(max_length=MAX_REPOSITORY, description="Repository the image is pushed to.")
    connector: str | None = Field(None, max_length=253, description="AzureConnector that logs in.")
    base_connectors: list[Annotated[str, Field(max_length=253)]] | None = Field(
        None,
        max_length=MAX_BASE_CONNECTORS,
        description="AzureConnectors that log in for base images.",
        json_schema_extra=ATOMIC,
    )
    cache_repository: str | None = Field(None, max_length=MAX_REPOSITORY, description="Repository of cached layers.")
    git_connector: str | None = Field(None, max_length=253, description="AzureConnector that reads the git repository.")
    upload: bool | None = Field(None, description="Whether somebody sends the source into the build pod.")
    storage_connector: str | None = Field(
        None, max_length=253, description="AzureConnector that reads the archive in Azure Blob Storage."
    )
    source_repository: str | None = Field(
        None, max_length=MAX_REPOSITORY, description="Repository of the source's artifact."
    )
    subscription: str | None = Field(None, max_length=256, description="Subscription that links are looked up in.")
    retries: int = Field(0, description="Further attempts after infrastructure failures.")
    timeout_seconds: int = Field(description="Limit of the build's duration, in seconds.")
    run_as_user: int = Field(description="User id of kaniko.")
    memory_limit: str = Field(max_length=MAX_QUANTITY, description="Memory limit of the build.")
    cpu_limit: str = Field(max_length=MAX_QUANTITY, description="CPU limit of the build.")
    executor_image: str = Field(max_length=MAX_IMAGE, description="Image of the kaniko executor.")
    no_push: bool | None = Field(None, description="Whether the image is built and pushed nowhere.")
    push_only: bool | None = Field(None, description="Whether an image that was built before is pushed.")
    reproducible: bool | None = Field(None, description="Whether the image holds nothing of the run that made it.")
    user_namespace: bool | None = Field(None, description="Whether the build's root is root only inside of its pod.")
    platform: str | None = Field(None, max_length=64, description="Platform of the image. Example: linux/amd64")


class RunStatus(ApiModel):
    """One execution of the resource."""

    number: int = Field(description="Counts the resource's runs; <+pipeline.sequenceId> in tags.")
    spec_hash: str = Field(max_length=80, description="Hash of the fields that shape the image.")
    generation: int = Field(description="Generation of the spec that the run's latest pod is made from.")
    trigger: str = Field(max_length=32, description="Why the run was started.")
    rebuild: str | None = Field(
        None, max_length=MAX_REBUILD, description="Value of the rebuild annotation that the run answers."
    )
    started_at: Time = Field(description="When the run was accepted.")
    finished_at: Time | None = Field(None, description="When the run ended; absent while it is on its way.")
    stopping_at: Time | None = Field(None, description="Since when the run is being ended before its time.")
    cancelled: bool | None = Field(None, description="Whether it is ended because the cancel annotation asked so.")
    without_user_namespace: bool | None = Field(
        None, description="Whether an attempt could not start in a user namespace, so that later ones use none."
    )
    inputs: dict[str, Annotated[str, Field(max_length=128)]] | None = Field(
        None,
        max_length=MAX_INPUTS,
        description="Secrets and ConfigMaps the run was made with, each with a keyed hash of the values it used.",
    )
    outages: int | None = Field(
        None, description="How many runs in a row, up to this one, were started because an outage ended the one before."
    )
    next_run_at: Time | None = Field(
        None, description="When the next run starts by itself, since nothing in the spec made this one fail."
    )
    effective: Effective = Field(description="The values in force, defaults included.")
    source: SourceStatus | None = Field(None, description="What was built.")
    builds: list[BuildStatus] = Field(
        max_length=MAX_BUILDS, description="The images of the run.", json_schema_extra=MAP_BY_KEY
    )


class HistoryEntry(ApiModel):
    """One ended run."""

    number: int = Field(description="Number of the run.")
    phase: _PhaseName = Field(description="How it ended.")
    reason: str | None = Field(None, max_length=64, description="Why it ended so.")
    trigger: str = Field(max_length=32, description="Why it was started.")
    digest: str | None = Field(None, max_length=128, description="Digest it pushed.")
    commit: str | None = Field(None, max_length=64, description="Commit it built.")
    started_at: Time = Field(description="When it was accepted.")
    finished_at: Time = Field(description="When it ended.")


class Artifact(ApiModel):
    """One tag that the last good run pushed."""

    image: str = Field(max_length=1024, description="Repository and tag.")
    digest: str = Field(max_length=128, description="Digest the tag was pushed with.")
    portal_url: str | None = Field(
        None, max_length=MAX_URL, description="Where the portal shows the tag; needs subscriptionId."
    )


class ImageLinks(ApiModel):
    """Ways to the last image that was pushed well, whatever its tags name by now."""

    pull_command: str = Field(max_length=1200, description="Pulls exactly this image.")
    manifest_url: str = Field(max_length=1200, description="Where the registry has its manifest.")


class BuildAndPushACRStatus(ApiModel):
    """The state of the resource."""

    observed_generation: int = Field(-1, description="Generation of the spec that the status speaks of.")
    phase: _PhaseName | None = Field(None, description="The latest run in one word.")
    conditions: list[Condition] = Field(
        [], max_length=16, description="The state by aspects.", json_schema_extra=MAP_BY_TYPE
    )
    run: RunStatus | None = Field(None, description="The latest run.")
    digest: str | None = Field(None, max_length=128, description="Digest of the last image that was pushed well.")
    image: str | None = Field(None, max_length=1024, description="Reference of that image, by digest.")
    good_spec_hash: str | None = Field(
        None, max_length=80, description="Hash of the fields that shaped the image of the last good run."
    )
    links: ImageLinks | None = Field(None, description="Ways to that image.")
    artifacts: list[Artifact] = Field(
        [], max_length=MAX_ARTIFACTS, description="What the last good run pushed.", json_schema_extra=ATOMIC
    )
    artifacts_omitted: int | None = Field(None, description="How many more artifacts there are than the list holds.")
    artifact_file: str | None = Field(
        None,
        max_length=MAX_ARTIFACT_FILE,
        description="The artifacts as the pipeline step writes them, if outputs.artifactFile asks for it.",
    )
    history: list[HistoryEntry] = Field(
        [], max_length=2 * MAX_HISTORY, description="Ended runs, the latest first.", json_schema_extra=ATOMIC
    )
    handled_rebuilds: list[Annotated[str, Field(max_length=MAX_REBUILD)]] = Field(
        [],
        max_length=MAX_HANDLED_REBUILDS,
        description="Values of the rebuild annotation that were acted on, the latest last.",
        json_schema_extra=ATOMIC,
    )
    polled_commit: str | None = Field(
        None,
        max_length=64,
        description="The latest commit that polling found and that needs no run: it changes none of the paths in "
        "source.git.poll.paths, or the condition in when is not met. Of an artifact of Flux it is the digest.",
    )
    completed_rebuild: str | None = Field(
        None,
        max_length=MAX_REBUILD,
        description=(
            "The latest value of the rebuild annotation whose run has ended, well or badly. It is also set where "
            "no run follows: the condition in when is not met, or the spec is invalid."
        ),
    )
