"""A git repository as source."""

from typing import Annotated

from pydantic import ConfigDict, Field

from buildandpush.api.base import ATOMIC, ApiModel, Name, cel, cel_of_address, duration_rules, pem_rules, rules
from buildandpush.api.sources.common import MAX_CA_BYTES, SourceSecretReference
from buildandpush.api.urls import AZURE_REPOS_URL, NO_REVISION, SCP_URL, SSH_URL, URL_WITH_USER

MAX_DEPTH = 1_000_000
_IS_SSH = f"(self.url.matches('{SSH_URL}') || self.url.matches('{SCP_URL}'))"
_IS_URL = f"self.matches('^https?://[^/]+') || self.matches('{SSH_URL}') || self.matches('{SCP_URL}')"
_NO_URL = "is no URL of http(s) or ssh; write https://<host>/<path> or ssh://git@<host>/<path>"
MAX_PATHS = 64
CheckedOutPath = Annotated[
    str,
    Field(
        min_length=1,
        max_length=512,
        json_schema_extra=rules(
            *cel_of_address(
                "!self.matches('^/|(^|/)[.][.](/|$)|://|^[./]*$')",
                expression="""'source.git.paths: "' + self + '" is no folder inside the repository; write web/src'""",
                message="source.git.paths must be folders inside the repository, such as web/src",
            )
        ),
    ),
]

MAX_POLLED_PATHS = 32


class GitPoll(ApiModel):
    """How often the operator looks for a new commit, and which commits count."""

    interval: str | None = Field(
        None,
        max_length=64,
        description="How often the operator asks the git server which commit the revision is at, at least every 30s. A "
        "server that does not answer is asked less often. Units: w, d, h, m, s. Default: 5m. Example: 10m",
        json_schema_extra=duration_rules("source.git.poll.interval", "30s, 5m or 1h 30m"),
    )
    paths: list[Annotated[str, Field(min_length=1, max_length=1024)]] | None = Field(
        None,
        min_length=1,
        max_length=MAX_POLLED_PATHS,
        description="Files and folders of the repository, relative to its root. A new commit starts a run only if it "
        "changes one of them. They are plain paths, without * and other patterns; a folder stands for all that is in "
        "it. Default: every commit counts. Example: [services/web, libs/common]",
        json_schema_extra=ATOMIC,
    )


class GitSource(ApiModel):
    """A git repository."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.credentialsRef) || !self.url.startsWith('http://')",
                message="source.git.credentialsRef needs an https:// url, or one of ssh: over http anybody on the way "
                "reads the login",
            ),
            cel(
                f"!{_IS_SSH} || has(self.credentialsRef) || has(self.connectorRef)",
                message="source.git.url is one of ssh, which needs a key; name the Secret with ssh-privatekey and "
                "known_hosts in source.git.credentialsRef",
            ),
            cel(
                f"!has(self.insecureIgnoreHostKey) || !self.insecureIgnoreHostKey || {_IS_SSH}",
                message="source.git.insecureIgnoreHostKey is for ssh; certificates go into source.git.caBundle",
            ),
            cel(
                f"!has(self.caBundle) || !{_IS_SSH}",
                message="source.git.caBundle is for https; for ssh put known_hosts into the Secret of "
                "source.git.credentialsRef",
            ),
            cel(
                "!has(self.connectorRef) || !has(self.credentialsRef)",
                message="source.git has credentialsRef and connectorRef; give one of them",
            ),
            cel(
                f"!has(self.connectorRef) || self.url.matches('{AZURE_REPOS_URL}')",
                message="source.git.connectorRef logs in to Azure Repos alone (https://dev.azure.com/… or "
                "https://<organization>.visualstudio.com/…); for other servers use credentialsRef",
            ),
        )
    )

    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            description="Address of the repository, without a password. Over https or http; the user name that Azure "
            "Repos and Bitbucket put into their clone address may stay. Or over ssh, as ssh://git@<host>/<path>, "
            "ssh://git@<host>:<port>/<path> or git@<host>:<path>, with a key in credentialsRef. "
            "Example: https://github.com/contoso/shop.git",
            json_schema_extra=rules(
                *cel_of_address(
                    _IS_URL,
                    expression=f"""'source.git.url: "' + self + '" {_NO_URL}'""",
                    message=f"source.git.url {_NO_URL}",
                ),
                cel(
                    f"!self.matches('^https?://[^/]*@') || self.matches('{URL_WITH_USER}')",
                    message="source.git.url must not hold a user name or password; put them into a Secret and name it "
                    "in source.git.credentialsRef",
                    hides_value=True,
                ),
            ),
        ),
    ]
    revision: str = Field(
        "",
        max_length=256,
        description="Branch, tag, full ref or commit id. A tag wins over a branch of the same name; write refs/heads/… "
        "for the branch. Of a commit's id the first 7 characters will do, but all of them are found sooner. Default: "
        "the repository's default branch. Examples: v1.4.2, refs/pull/7/head",
        json_schema_extra=rules(
            cel(
                f"!self.matches(r'{NO_REVISION}')",
                expression="""'source.git.revision: "' + self + '" is no name that git allows for a branch or tag'""",
                message="source.git.revision must be a branch, tag, ref or commit id",
            )
        ),
    )
    depth: int | None = Field(
        None,
        ge=0,
        le=MAX_DEPTH,
        description="How many commits of the history are fetched; 0 for all of it. More than 1 is of use with "
        "keepGitDir, and 0 for servers that give no part of a history. Default: 1",
    )
    tags: bool | None = Field(
        None,
        description="Fetch all tags too, for RUN lines with git. `git describe` looks for one in the history that was "
        "fetched, so it needs depth: 0 as well. With keepGitDir alone. Default: false.",
    )
    paths: list[CheckedOutPath] | None = Field(
        None,
        min_length=1,
        max_length=MAX_PATHS,
        description="Folders of the repository that are fetched, with all that is in them; of the folders above them, "
        "and so of the root, the files alone. The folders of dockerfile and context have to be among them, inside one "
        "or above one. A .git folder that is kept has the contents of these files alone. Default: the whole "
        "repository. Example: [services/web, libs/common]",
        json_schema_extra=ATOMIC,
    )
    submodules: bool | None = Field(
        None,
        description="Fetch submodules, and theirs, each at the commit that its parent names and without its history. "
        "The login goes to those on the host of url; others have to be readable without one. Default: false.",
    )
    lfs: bool | None = Field(
        None,
        description="Fetch the files that Git LFS keeps beside the repository, over http(s). Without it the source has "
        "the pointers to them. Default: false.",
    )
    credentials_ref: SourceSecretReference | None = Field(
        None,
        description="Secret with the login to the git server. Its keys for https: `username` and `password`, as in "
        "Secrets of type kubernetes.io/basic-auth. A token is the password; most servers take any user name with it, "
        "so `username` may be left out. Or `bearerToken`, which is sent as such. Or a GitHub App: `githubAppID`, "
        "`githubAppInstallationID` and `githubAppPrivateKey`. For ssh: `ssh-privatekey`, as in Secrets of type "
        "kubernetes.io/ssh-auth, or `identity`; with it `known_hosts`, and `password` if the key has a passphrase. The "
        "login is sent to the host of url and to no other. Default: no login.",
    )
    insecure_ignore_host_key: bool | None = Field(
        None,
        description="Over ssh, take any server for the one of url. Whoever can answer in its place then decides "
        "what is built. Default: false, so the Secret has to hold known_hosts.",
    )
    connector_ref: Name | None = Field(
        None,
        description="AzureConnector whose identity reads the repository in Azure Repos. The operator gives the build a "
        "token of Entra ID that lives for about an hour. The identity has to be a user of the organization with read "
        "access to the repository. Example: acr",
    )
    ca_bundle: str | None = Field(
        None,
        max_length=MAX_CA_BYTES,
        description="Certificates in PEM form that the git server is trusted by, beside the usual ones.",
        json_schema_extra=pem_rules("source.git.caBundle"),
    )
    poll: GitPoll | None = Field(
        None,
        description="Starts a run when the revision, a branch or tag, is at a new commit. `{}` polls every five "
        "minutes. Default: the operator does not poll.",
    )
    keep_git_dir: bool | None = Field(
        None,
        description="Keep the .git folder in the source. It differs at each fetch, so layers that copy it come from no "
        "cache. Default: false.",
    )
