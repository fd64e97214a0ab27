"""A git repository as source."""

from typing import Annotated

from pydantic import ConfigDict, Field

from buildandpush.api.base import ApiModel, Name, cel, pem_rules, rules
from buildandpush.api.sources.common import MAX_CA_BYTES, SourceSecretReference
from buildandpush.api.urls import AZURE_REPOS_URL, URL_WITH_USER


class GitSource(ApiModel):
    """A git repository."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.credentialsRef) || self.url.startsWith('https://')",
                message="source.git.credentialsRef needs an https:// url: over http anybody on the way reads the login",
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
            description="Address of the repository, over https or http, without a password. The user name that Azure "
            "Repos and Bitbucket put into their clone address may stay. "
            "Example: https://github.com/contoso/shop.git",
            json_schema_extra=rules(
                cel(
                    "self.matches('^https?://[^/]+')",
                    expression="""'source.git.url: "' + self + '" is no http(s) URL; write https://<host>/<path>'""",
                    message="source.git.url must begin with https:// or http://",
                ),
                cel(
                    f"!self.matches('^[a-z]+://[^/]*@') || self.matches('{URL_WITH_USER}')",
                    message="source.git.url must not hold a user name or password; put them into a Secret and name it "
                    "in source.git.credentialsRef",
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
    credentials_ref: SourceSecretReference | None = Field(
        None,
        description="Secret with the login to the git server, for https. Its keys: `username` and `password`, as in "
        "Secrets of type kubernetes.io/basic-auth. A token is the password; most servers take any user name with it, "
        "so `username` may be left out. Or `bearerToken`, which is sent as such. Or a GitHub App: `githubAppID`, "
        "`githubAppInstallationID` and `githubAppPrivateKey`. The login is sent to the host of url "
        "and to no other. Default: no login.",
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
    keep_git_dir: bool | None = Field(
        None,
        description="Keep the .git folder in the source. It differs at each fetch, so layers that copy it come from no "
        "cache. Default: false.",
    )
