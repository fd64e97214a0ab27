"""What of a Dockerfile the executor does in another way than Docker: one table.

The init container looks for these before kaniko starts. docs/dockerfiles.md is made from here. Tried with the executor
itself, unless a row says otherwise: https://github.com/osscontainertools/kaniko
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

Mode = Literal["Refuse", "Warn", "Off"]
"""`spec.dockerfileChecks`. Unset: each row by its own level."""

TRIED: Final = "v1.28.3"


class Level(StrEnum):
    """What a finding does to a run whose spec leaves it open."""

    ALWAYS = "always refused"
    """Whatever the spec says: it would put what belongs to the pod into the image."""
    REFUSE = "refused"
    """The image would be a wrong or unsafe one, or kaniko would fail without naming the cause."""
    WARN = "warned of"
    KNOWN = "not seen"
    """The Dockerfile alone does not tell. Only the docs name it."""


@dataclass(frozen=True)
class Check:
    """One difference."""

    id: str
    level: Level
    what: str
    """The lines that it is about, as the docs name them."""
    kaniko: str
    """What kaniko makes of it, in a clause that follows the line and its word."""
    docker: str
    """What Docker makes of it, for the docs."""
    remedy: str
    """What to write instead, in a clause."""
    mended: bool = False
    """Whether the executor's switches mend it; then it is looked for only without them."""
    source: bool = False
    """Whether it is about the fetched source rather than about the Dockerfile."""
    versions: str = TRIED
    """Versions of the executor that it was found with."""


_A, _R, _W, _K = Level.ALWAYS, Level.REFUSE, Level.WARN, Level.KNOWN

_FLAGS: Final = (
    Check(
        "add-checksum", _R, "`ADD --checksum`", "kaniko adds the download without a check",
        "It fails if the checksum is another one.", "check the file with sha256sum -c in a RUN line",
        versions="v1.28.3; v1.29.0 is announced to check it",
    ),
    Check(
        "exclude", _R, "`COPY --exclude`, `ADD --exclude`", "kaniko copies the excluded files too",
        "It leaves these files out.", "put the files into .dockerignore",
    ),
    Check(
        "parents", _R, "`COPY --parents`", "kaniko leaves the parent folders away",
        "It keeps the folders of the source path.", "write the folders into the target of one COPY for each",
    ),
    Check(
        "add-keep-git-dir", _R, "`ADD --keep-git-dir`", "kaniko clones no repository",
        "It clones the repository with .git.", "clone it with git in a RUN line",
    ),
    Check(
        "add-unpack", _R, "`ADD --unpack`",
        "kaniko ignores the flag: it unpacks archives of the context and never a download",
        "It unpacks, or not, as the flag says.", "use COPY, and tar in a RUN line",
    ),
    Check(
        "mount-ssh", _R, "`RUN --mount=type=ssh`", "kaniko leaves the mount out", "It mounts the agent's socket.",
        "use --mount=type=secret and buildSecrets",
    ),
    Check(
        "mount-tmpfs", _R, "`RUN --mount=type=tmpfs`", "kaniko leaves the mount out, so the files get into the image",
        "The files are gone after the line.", "remove the files at the end of the same RUN line",
    ),
    Check(
        "mount-from", _R, "`RUN --mount=type=bind,from=…`", "kaniko leaves the mount out",
        "It mounts the other stage's files.", "use COPY --from",
    ),
    Check(
        "run-network", _R, "`RUN --network=none`", "kaniko runs it with the network of the pod",
        "The command has no network.", "remove the flag; nothing here can stand for it",
    ),
    Check(
        "run-security", _W, "`RUN --security=insecure`", "kaniko runs it without further rights",
        "The command has all rights.", "remove the flag",
    ),
)  # fmt: skip

_FILES: Final = (
    Check(
        "copy-escape", _A, "A source path that leads out of the context", "it leads out of the context",
        "The path stays within the context.", "write a path below the context, or choose a wider context",
    ),
    Check(
        "copy-ignored", _R, "`COPY` of a path that .dockerignore names",
        ".dockerignore excludes it, and kaniko goes on without it", "It fails.",
        "let it in with a line !path in .dockerignore",
    ),
    Check(
        "copy-nothing", _R, "`COPY` of a pattern that nothing matches",
        "nothing matches, and kaniko then puts its own files into the image", "It copies nothing.",
        "correct the pattern, or remove the line",
    ),
    Check(
        "copy-missing", _R, "`COPY` of a missing file beside a pattern",
        "it is missing, and beside a pattern kaniko goes on without it", "It fails.", "correct the path, or remove it",
        versions="the source of v1.28.3",
    ),
    Check(
        "own-folder", _R, "A target below `/kaniko`", "kaniko leaves its own folder out of the image", "It copies.",
        "choose another folder",
    ),
    Check(
        "pod-file", _R, "A target such as `/etc/hosts`, `/etc/resolv.conf` or below `/proc`",
        "the pod mounts something there, and kaniko leaves it out of the image", "It copies.",
        "write the file when the container starts", versions="the source of v1.28.3",
    ),
    Check(
        "add-git", _R, "`ADD` of a git address", "kaniko downloads a page instead of the repository",
        "It clones the repository.", "clone it with git in a RUN line",
    ),
    Check(
        "add-compression", _R, "`ADD` of an .xz or .zst archive", "kaniko cannot unpack this compression",
        "It unpacks the archive.", "use COPY, and unpack it in a RUN line",
    ),
    Check(
        "add-no-archive", _R, "`ADD` of a compressed file that holds no archive",
        "kaniko takes it for an archive and fails", "It copies the file as it is.", "use COPY",
    ),
    Check(
        "copy-link", _W, "`COPY` of a symbolic link", "kaniko copies the link and not the file",
        "It copies the file that the link points to.", "name the file itself",
    ),
    Check(
        "git-folder", _R, "`COPY .git`", "the source has no .git folder", "It copies the folder.",
        "set source.git.keepGitDir: true", source=True, versions="all",
    ),
    Check(
        "git-command", _W, "`RUN git describe` and the like in what `COPY .` brought", "the source has no .git folder",
        "It reads the folder if the context has it.", "set source.git.keepGitDir: true, or pass a build argument",
        source=True, versions="all",
    ),
    Check(
        "submodule", _R, "A git submodule that is copied", "it is a submodule, which is not fetched",
        "It copies what is checked out.", "set source.git.submodules: true, or exclude it by .dockerignore",
        source=True, versions="all",
    ),
    Check(
        "lfs", _R, "A file of Git LFS that is copied", "it is a Git LFS pointer, whose file is not fetched",
        "It copies what is checked out.", "set source.git.lfs: true, or exclude it by .dockerignore",
        source=True, versions="all",
    ),
)  # fmt: skip

_STAGES: Final = (
    Check(
        "stage-name", _R, "A misspelt stage in `COPY --from` or `FROM`",
        "there is no such stage, and kaniko asks Docker Hub for an image of that name", "It fails at once.",
        "correct the name",
    ),
    Check(
        "from-platform", _R, "`FROM --platform` with another platform than the image's",
        "kaniko ignores the flag", "It takes the base image of that platform.",
        "remove the flag, or set PLUGIN_PLATFORM",
    ),
    Check(
        "volume", _W, "`RUN` that writes below an earlier `VOLUME`",
        "kaniko leaves what RUN writes below a VOLUME out of the image", "BuildKit keeps it.",
        "put the VOLUME line after it",
    ),
    Check(
        "var-run", _W, "`RUN` or `COPY` below `/var/run`", "kaniko leaves /var/run out of the image", "It is kept.",
        "use another folder, or set PLUGIN_IGNORE_VAR_RUN: false", mended=True,
    ),
    Check(
        "label-escape", _W, "`LABEL` with a backslash, a quotation mark or a dollar in its value",
        "kaniko reads the value twice, and these marks are lost", "They are kept.", "set the label in spec.labels",
    ),
    Check("hard-links", _K, "Hard links", "`COPY --from` makes two whole files of a file with two names.",
          "The same, or links.", "Make the link in the last stage."),
)  # fmt: skip

_USERS: Final = (
    Check(
        "chown-mapped", _R, "A user or group above 65535 in a user namespace",
        "the build's user namespace ends at 65535, so kaniko fails", "It sets the owner.",
        "use a smaller number, or set userNamespace: Never",
    ),
    Check(
        "chown-scratch", _R, "`--chown` with a name, on `FROM scratch`",
        "there is no /etc/passwd to find the name in, so kaniko fails", "It takes root for 0. It fails for others.",
        "write numbers, for example --chown=0:0",
    ),
    Check(
        "add-owner", _W, "`ADD` of a URL after `USER`", "kaniko gives the download to USER", "It belongs to root.",
        "write --chown", versions="v1.28.3, by its developers' own comparison with BuildKit",
    ),
    Check(
        "capability-lost", _W, "`setcap` in a RUN line, with optimize: true",
        "snapshots by metadata lose file capabilities", "They are kept.", "remove optimize",
    ),
    Check(
        "capability-copied", _W, "`setcap` in a stage that `COPY --from` copies from",
        "COPY --from loses file capabilities", "They are kept.", "run setcap in the last stage",
    ),
    Check("copy-owner", _W, "`COPY` or `ADD` after `USER`", "kaniko gives the files to USER", "They belong to root.",
          "write --chown", mended=True),
    Check("run-group", _W, "`RUN` after `USER user:group`", "kaniko ignores the group of USER",
          "The command has the group.", "make it the user's own group", mended=True),
    Check("workdir-owner", _W, "`WORKDIR` that makes several folders, after `USER`",
          "kaniko gives only the last folder to USER", "All of them belong to USER.", "make the folders with RUN first",
          mended=True),
    Check("heredoc-variable", _W, "A variable in a here-document of `COPY` or `ADD`", "kaniko does not expand it",
          "It is expanded.", "write the file with RUN", mended=True),
    Check("chmod-folders", _K, "Folders that `COPY --chmod` makes", "They have the mode 755.",
          "They have the mode of --chmod.", "Set the mode with RUN.", mended=True),
    Check("archive-root", _K, "The entry `.` of an archive that `ADD` unpacks",
          "Its mode and owner are set on the target folder.", "The target folder is left alone.", "Set them with RUN.",
          mended=True),
)  # fmt: skip

GROUPS: Final = {
    "Flags that kaniko takes and ignores": _FLAGS,
    "What is copied": _FILES,
    "Stages, platforms, volumes and labels": _STAGES,
    "Users, owners and rights": _USERS,
}

CHECKS: Final = {check.id: check for checks in GROUPS.values() for check in checks}
