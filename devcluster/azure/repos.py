"""Azure Repos: git over https for tokens of Entra ID, by git's own http-backend.

https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/service-principal-managed-identity
"""

import asyncio
import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

from aiohttp import web
from multidict import CIMultiDict

from devcluster.azure.answers import AnswerError
from devcluster.azure.entra import REPOS_AUDIENCE
from devcluster.azure.model import Principal, World
from devcluster.azure.tokens import Tokens
from devcluster.machine.gitbackend import Request, build_cgi_environment, parse_cgi_headers

_PATH = re.compile(r"/([^/]+)/([^/]+)/_git/([^/]+)(/(?:info/refs|git-upload-pack))")
_REALM = 'Bearer authorization_uri=https://login.microsoftonline.com, Basic realm="https://dev.azure.com/"'


class Repos:
    """Gives a repository to principals that may read it."""

    def __init__(self, world: World, tokens: Tokens, folder: Path) -> None:
        """The repository organization/project/name lies in folder/organization/project/name.git."""
        self._world = world
        self._tokens = tokens
        self._folder = folder

    async def answer(self, request: web.Request) -> tuple[web.Response, str]:
        """The answer to one request of git's, and who asked; raises AnswerError."""
        principal = self._caller(request)
        match = _PATH.fullmatch(unquote(request.path))
        name = "/".join(match.groups()[:3]) if match else ""
        if match is None or name not in principal.repositories or not (self._folder / f"{name}.git").is_dir():
            text = (
                f"TF401019: The Git repository with name or identifier {name.rsplit('/', 1)[-1]} does not exist or you "
                "do not have permissions for the operation you are attempting."
            )
            raise AnswerError(web.Response(status=404, text=text))
        return await self._run_git(request, f"/{name}.git{match[4]}"), principal.client_id

    def _caller(self, request: web.Request) -> Principal:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        claims = self._tokens.read(token, REPOS_AUDIENCE) if scheme.lower() == "bearer" else None
        principal = self._world.principal(claims["appid"], claims["tid"]) if claims else None
        if principal is None:
            raise AnswerError(web.Response(status=401, headers={"WWW-Authenticate": _REALM}, text="TF400813: denied"))
        return principal

    async def _run_git(self, request: web.Request, path: str) -> web.Response:
        body = await request.read()
        asked = Request(
            method=request.method,
            target=f"{quote(path)}?{request.query_string}",
            content_type=request.headers.get("Content-Type", ""),
            content_length=str(len(body)),
            content_encoding=request.headers.get("Content-Encoding", ""),
            git_protocol=request.headers.get("Git-Protocol", ""),
        )
        program = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            env=build_cgi_environment(asked, self._folder, os.environ),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        answer, _ = await program.communicate(body)
        head, _, content = answer.partition(b"\r\n\r\n")
        status, headers = parse_cgi_headers(head)
        return web.Response(status=status, headers=CIMultiDict(headers), body=content)
