"""The plugin flags that `envVariables` of the pipeline step take: one property each, so that typos are refused.

Source of names and types: the flags of the step's kaniko plugin, https://github.com/drone/drone-kaniko.
"""

from typing import Any, Final, Literal

FlagType = Literal["bool", "int", "text", "list"]

_PATTERNS: Final[dict[FlagType, str]] = {"bool": "^(true|false)$", "int": "^[0-9]{1,9}$", "text": "", "list": ""}
_WORDS: Final[dict[FlagType, str]] = {
    "bool": "true or false",
    "int": "a whole number",
    "text": "text",
    "list": "values, separated by commas",
}

FLAGS: Final[dict[str, tuple[FlagType, str]]] = {
    "PLUGIN_AUTO_TAG": ("bool", "Derive the tags from the git tag or branch"),
    "PLUGIN_AUTO_TAG_SUFFIX": ("text", "Appended to derived tags"),
    "PLUGIN_EXPAND_TAG": ("bool", "Turn the tag 1.2.3 into 1, 1.2 and 1.2.3"),
    "PLUGIN_CONTEXT_SUB_PATH": ("text", "Folder within the context"),
    "PLUGIN_CUSTOM_LABELS": ("list", "Labels of the image as name=value"),
    "PLUGIN_SNAPSHOT_MODE": ("text", "How files are compared: full, redo or time"),
    "PLUGIN_ENABLE_CACHE": ("bool", "Keep layers in a cache repository"),
    "PLUGIN_CACHE_REPO": ("text", "The cache repository"),
    "PLUGIN_CACHE_TTL": ("int", "Hours a cached layer is used"),
    "PLUGIN_CACHE_DIR": ("text", "Folder with base images fetched before"),
    "PLUGIN_CACHE_COPY_LAYERS": ("bool", "Cache layers of COPY lines too"),
    "PLUGIN_CACHE_RUN_LAYERS": ("bool", "Cache layers of RUN lines"),
    "PLUGIN_COMPRESSED_CACHING": ("bool", "Compress cached layers: false needs less memory and more time"),
    "PLUGIN_CLEANUP": ("bool", "Remove the file system after the build"),
    "PLUGIN_SINGLE_SNAPSHOT": ("bool", "One layer for the whole build"),
    "PLUGIN_REPRODUCIBLE": ("bool", "Leave times out of the image"),
    "PLUGIN_SKIP_UNUSED_STAGES": ("bool", "Build only the stages that are needed"),
    "PLUGIN_USE_NEW_RUN": ("bool", "Find changes of RUN lines by marker files"),
    "PLUGIN_IGNORE_VAR_RUN": ("bool", "Leave /var/run out of snapshots"),
    "PLUGIN_IGNORE_PATH": ("text", "A path left out of snapshots"),
    "PLUGIN_NO_PUSH": ("bool", "Build only"),
    "PLUGIN_DRY_RUN": ("bool", "Build only"),
    "PLUGIN_PUSH_ONLY": ("bool", "Push an image that was built before"),
    "PLUGIN_SOURCE_TAR_PATH": ("text", "The image that push-only pushes"),
    "PLUGIN_TAR_PATH": ("text", "Write the image to this file"),
    "PLUGIN_DESTINATION_TAR_PATH": ("text", "Write the image to this file"),
    "PLUGIN_OCI_LAYOUT_PATH": ("text", "Write the image to this folder as an OCI layout"),
    "PLUGIN_ARTIFACT_FILE": ("text", "File with the list of artifacts"),
    "PLUGIN_VERBOSITY": ("text", "trace, debug, info, warn, error, fatal or panic"),
    "PLUGIN_LOG_FORMAT": ("text", "text, color or json"),
    "PLUGIN_LOG_TIMESTAMP": ("bool", "Times in the log"),
    "PLUGIN_PLATFORM": ("text", "Platform of the image, such as linux/arm64"),
    "PLUGIN_CUSTOM_PLATFORM": ("text", "Platform of the image, such as linux/arm64"),
    "PLUGIN_REGISTRY_MIRRORS": ("list", "Mirrors of docker.io"),
    "PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK": ("bool", "Fail where no mirror has the image"),
    "PLUGIN_SKIP_TLS_VERIFY": ("bool", "Do not check the registry's certificate"),
    "PLUGIN_SKIP_TLS_VERIFY_PULL": ("bool", "Do not check certificates when pulling"),
    "PLUGIN_SKIP_TLS_VERIFY_REGISTRY": ("text", "A registry whose certificate is not checked"),
    "PLUGIN_INSECURE": ("bool", "Push over plain http"),
    "PLUGIN_INSECURE_PULL": ("bool", "Pull over plain http"),
    "PLUGIN_INSECURE_REGISTRY": ("text", "A registry spoken to over plain http"),
    "PLUGIN_PUSH_RETRY": ("int", "Repeats of a failed push"),
    "PLUGIN_IMAGE_DOWNLOAD_RETRY": ("int", "Repeats of a failed pull"),
    "PLUGIN_IMAGE_FS_EXTRACT_RETRY": ("int", "Repeats of a failed unpacking"),
    "PLUGIN_SKIP_PUSH_PERMISSION_CHECK": ("bool", "Do not try the login before the build"),
    "PLUGIN_FORCE": ("bool", "Run although kaniko sees no container"),
    "PLUGIN_CUSTOM_DNS": ("list", "Name servers of the build"),
}
"""Flag to its type and meaning."""


def render_flags() -> dict[str, Any]:
    """The schema of `envVariables`: an object that knows these properties and no others."""
    return {"type": "object", "properties": {name: _property(*flag) for name, flag in FLAGS.items()}}


def _property(kind: FlagType, meaning: str) -> dict[str, Any]:
    # Unquoted booleans and numbers come as such; a leaf without a type takes them all.
    leaf: dict[str, Any] = {
        "description": f"{meaning}; {_WORDS[kind]}. Not supported yet.",
        "maxLength": 4096,
        "maxProperties": 0,
        "maxItems": 0,
        "x-kubernetes-preserve-unknown-fields": True,
    }
    return {**leaf, "pattern": _PATTERNS[kind]} if _PATTERNS[kind] else leaf
