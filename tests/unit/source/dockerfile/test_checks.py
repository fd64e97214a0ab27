"""Each row of the table is found where it is, in any spelling, and nowhere else."""

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api.dockerfilechecks import CHECKS, Level
from buildandpush.source.dockerfile import context
from buildandpush.source.dockerfile.context import Context, TooManyFilesError
from buildandpush.source.dockerfile.examine import NotReadableError, examine
from buildandpush.source.dockerfile.finding import Settings
from tests.unit.source.dockerfile.kitchen import Kitchen

FILES: dict[str, str | bytes] = {
    "app/x.txt": "x",
    "app/secret.env": "TOKEN=1",
    "conf/app.yml": "a: 1",
    "Dockerfile": "",
}


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("in"))
    return out.getvalue()


ARCHIVES: dict[str, str | bytes] = {
    "a.tar": _tar(),
    "a.tar.gz": gzip.compress(_tar()),
    "a.tar.bz2": bz2.compress(_tar()),
    "a.tar.xz": lzma.compress(_tar()),
    "a.tar.zst": b"\x28\xb5\x2f\xfd" + bytes(20),
    "dump.sql.gz": gzip.compress(b"select 1;" * 200),
    "dump.bz2": bz2.compress(b"select 1;" * 200),
    "short.gz": gzip.compress(b"x"),
    "broken.gz": b"\x1f\x8b" + bytes(30),
    "plain.sql": "select 1;",
}


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    """A context with some files."""
    return Kitchen(tmp_path).put(FILES)


# Check, the line of the Dockerfile and its text; settings where they matter. Line 1 is a FROM line.
FOUND: list[tuple[str, int, str, dict[str, Any]]] = [
    ("add-checksum", 2, "FROM scratch\nADD --checksum=sha256:00 http://files.test/f /f", {}),
    ("add-checksum", 2, "FROM scratch\nadd --Checksum=sha256:00 --chmod=644 http://files.test/f /f", {}),
    ("add-checksum", 2, "FROM scratch\nADD \\\n  --checksum=sha256:00 \\\n http://files.test/f /f", {}),
    ("add-checksum", 2, "FROM scratch\nONBUILD ADD --checksum=sha256:00 http://files.test/f /f", {}),
    ("add-checksum", 2, "FROM scratch AS a\nONBUILD ADD --checksum=sha256:00 http://f.test/f /f\nFROM a", {}),
    ("exclude", 2, "FROM scratch\nCOPY --exclude=*.env app /app/", {}),
    ("exclude", 2, "FROM scratch\nADD --exclude=*.env app /app/", {}),
    ("exclude", 3, "FROM scratch\nCOPY app /\nCOPY --chown=1 --exclude=*.env --exclude=*.txt app /app/", {}),
    ("parents", 2, "FROM scratch\nCOPY --parents app/x.txt /tree/", {}),
    ("parents", 2, "FROM scratch\nCOPY --parents=true app/x.txt /tree/", {}),
    ("add-keep-git-dir", 2, "FROM scratch\nADD --keep-git-dir=true https://h.test/a.git /a", {}),
    ("add-unpack", 2, "FROM scratch\nADD --unpack=false app/x.txt /a", {}),
    ("mount-ssh", 2, "FROM base\nRUN --mount=type=ssh git clone x", {}),
    ("mount-tmpfs", 2, "FROM base\nRUN --mount=type=tmpfs,target=/t x", {}),
    ("mount-tmpfs", 2, "FROM base\nRUN --mount=type=cache,target=/c --mount=target=/t,type=TMPFS x", {}),
    ("mount-from", 2, "FROM base\nRUN --mount=type=bind,from=build,source=/out,target=/in cp /in/app /", {}),
    ("mount-from", 2, "FROM base\nRUN --mount=from=build,target=/in cp /in/app /", {}),
    ("mount-from", 3, "FROM base\nARG S=build\nRUN --mount=from=$S,target=/in cp /in/app /", {}),
    ("run-network", 2, "FROM base\nRUN --network=none make", {}),
    ("run-security", 2, "FROM base\nRUN --security=insecure make", {}),
    ("copy-escape", 2, "FROM scratch\nCOPY ../../.docker /d", {}),
    ("copy-escape", 2, "FROM scratch\nCOPY app /../../.docker /d/", {}),
    ("copy-escape", 2, 'FROM scratch\ncopy ["app/../../x", "/d"]', {}),
    ("copy-escape", 2, "FROM scratch\nADD ../x /d", {}),
    ("copy-escape", 3, "FROM scratch\nARG UP=..\nCOPY $UP/x /d", {}),
    ("copy-escape", 2, "FROM base\nCOPY ../$VERSION/x /d", {}),
    ("copy-escape", 2, "FROM scratch\nCOPY .. /d", {}),
    ("copy-escape", 2, "FROM base\nRUN --mount=type=bind,source=../x,target=/y z", {}),
    ("copy-escape", 2, "FROM scratch AS a\nONBUILD COPY ../x /d\nFROM a", {}),
    ("own-folder", 2, "FROM scratch\nCOPY Dockerfile /kaniko/x", {}),
    ("own-folder", 2, "FROM scratch\nADD app/x.txt /a/../kaniko", {}),
    ("own-folder", 2, "FROM base\nWORKDIR /kaniko/w", {}),
    ("own-folder", 2, "FROM base\nCOPY <<EOF //kaniko/x\nEOF", {}),
    ("pod-file", 2, "FROM base\nCOPY app/x.txt /etc/hosts", {}),
    ("pod-file", 2, "FROM base\nADD app/x.txt /etc/resolv.conf", {}),
    ("pod-file", 2, "FROM base\nCOPY app/x.txt /dev/x", {}),
    ("add-git", 2, "FROM base\nADD https://h.test/sub.git /src", {}),
    ("add-git", 2, "FROM base\nADD https://h.test/sub.git#v1:docs /src", {}),
    ("add-git", 2, "FROM base\nADD git@h.test:sub.git /src", {}),
    ("add-git", 3, "FROM base\nARG URL=git://h.test/sub\nADD $URL /src", {}),
    ("stage-name", 3, "FROM b:1 AS build\nFROM b:1\nCOPY --from=biuld /a /a", {}),
    ("stage-name", 3, "FROM b:1 AS build\nFROM b:1\nCOPY --FROM=BUIDL /a /a", {}),
    ("stage-name", 2, "FROM b:1 AS builder\nFROM build", {}),
    ("from-platform", 1, "FROM --platform=linux/arm64 b", {}),
    ("from-platform", 2, "ARG P=linux/arm64/v8\nFROM --platform=$P b", {}),
    ("from-platform", 1, "FROM --platform=$BUILDPLATFORM b", {"platform": "linux/arm64"}),
    ("volume", 3, "FROM base\nVOLUME /v\nRUN mkdir -p /v && echo x > /v/f", {}),
    ("volume", 3, 'FROM base\nVOLUME ["/a", "/v/"]\nRUN touch /v/f', {}),
    ("volume", 4, "FROM base\nVOLUME /v\nWORKDIR /v/data\nRUN touch f", {}),
    ("volume", 4, "FROM base AS a\nVOLUME /v\nFROM a\nRUN touch /v", {}),
    ("volume", 4, "FROM base\nARG V=/v\nVOLUME $V\nRUN <<EOF\ntouch /v/f\nEOF", {}),
    ("var-run", 2, "FROM base\nRUN mkdir -p /var/run/app", {"keeps_var_run": False}),
    ("var-run", 2, "FROM base\nCOPY app /var/run/app", {"keeps_var_run": False}),
    ("label-escape", 2, 'FROM base\nLABEL a="b\\nc"', {}),
    ("label-escape", 2, 'FROM base\nLABEL x=1 a="C:\\\\\\dir"', {}),
    ("label-escape", 2, 'FROM base\nLABEL a="say \\"hi\\""', {}),
    ("label-escape", 2, "FROM base\nLABEL a='$HOME'", {}),
    ("label-escape", 2, "FROM base\nLABEL a=\"it's\"", {}),
    ("chown-mapped", 2, "FROM base\nCOPY --chown=200000:200000 Dockerfile /f", {"user_namespace": True}),
    ("chown-mapped", 2, "FROM base\nADD --chown=0:65536 Dockerfile /f", {"user_namespace": True}),
    ("chown-mapped", 3, "FROM base\nUSER 100000\nRUN id", {"user_namespace": True}),
    ("chown-scratch", 2, "FROM scratch\nCOPY --chown=0:root Dockerfile /f", {}),
    ("chown-scratch", 3, "FROM scratch AS a\nFROM a\nCOPY --chown=app Dockerfile /f", {}),
    ("add-owner", 3, "FROM base\nUSER 1000\nADD http://h.test/f /f", {}),
    ("capability-lost", 2, "FROM base\nRUN setcap cap_net_bind_service=+ep /srv/server", {"snapshot_mode": "redo"}),
    ("capability-copied", 2, "FROM base AS a\nRUN setcap x /s\nFROM base\nCOPY --from=a /s /s", {}),
    ("copy-owner", 3, "FROM base\nUSER 1000:2000\nCOPY app /f", {"switched": False}),
    ("run-group", 3, "FROM base\nUSER 1000:2000\nRUN id", {"switched": False}),
    ("workdir-owner", 3, "FROM base\nUSER 1000:2000\nWORKDIR /w/x/y", {"switched": False}),
    ("heredoc-variable", 2, "FROM base\nCOPY <<EOF /conf\nv=${V}\nEOF", {"switched": False}),
    ("git-folder", 2, "FROM base\nCOPY .git /g", {"keeps_git": False}),
    ("git-folder", 2, "FROM base\nADD ./.git/HEAD /g", {"keeps_git": False}),
    ("git-folder", 2, "FROM base\nRUN --mount=type=bind,source=.git,target=.git make", {"keeps_git": False}),
    *(
        ("git-command", text.count("\n") + 1, text, {"keeps_git": False})
        for text in (
            "FROM base\nCOPY . /src\nRUN echo $(git describe --tags) > /v",
            "FROM base\nADD ./ /src\nRUN cd /src && git submodule update",
            "FROM base\nARG S\nCOPY $S /src\nRUN git log -1",
            "FROM base\nCOPY app .gi* /src/\nRUN git log -1",
            "FROM base\nRUN --mount=type=bind,target=/src cd /src && git rev-parse HEAD",
            "FROM base AS a\nCOPY . /src\nFROM a\nRUN git ls-files",
            "FROM base AS a\nCOPY . /src\nFROM base\nCOPY --from=a /src /src\nRUN git tag",
            "FROM base AS a\nCOPY . /src\nFROM base\nCOPY --from=0 /src /src\nRUN git shortlog",
            "FROM base\nCOPY . /src\nRUN git describe && git clone https://h.test/x && git -C x log",
        )
    ),
]  # fmt: skip

NOT_FOUND: list[tuple[str, dict[str, Any]]] = [
    ("FROM scratch\nCOPY app /app/\nADD --chmod=644 app/x.txt /y\nCOPY --link --chown=1:2 app /z", {}),
    ("FROM scratch\nCOPY --parents=false app /z\nADD --keep-git-dir=false app /y", {}),
    ("FROM base\nRUN echo --network=none --mount=type=ssh", {}),
    ("FROM base\nRUN --network=default --security=sandbox true", {}),
    ("FROM base\nRUN --mount=type=secret,id=a --mount=type=cache,target=/c --mount=source=app,target=/a true", {}),
    ("FROM base AS unused\nRUN --mount=type=ssh true\nCOPY ../x /y\nFROM scratch\nCOPY app /", {}),
    ("FROM base\nCOPY --from=other/image ../x /y", {}),
    ("FROM base\nCOPY app/../conf /c", {}),
    ("FROM base\nCOPY /conf /c", {}),
    ("FROM base\nCOPY $UNKNOWN/x /c", {}),
    ("FROM base\nCOPY ${UNKNOWN}/../x /c", {}),
    ("FROM base\nCOPY app /kaniko2\nWORKDIR /opt/kaniko\nCOPY app /etc/hostsfile\nCOPY app /device", {}),
    ("FROM base\nADD http://h.test/page.github.io /src\nADD https://h.test/a.tar.gz /src", {}),
    ("FROM b:1 AS build\nFROM b:1\nCOPY --from=build /a /a\nCOPY --from=BUILD /a /b\nCOPY --from=0 /a /c", {}),
    ("FROM nginx AS nginx1\nFROM b:1\nCOPY --from=nginx /a /a", {}),
    ("FROM d.test/nginx:1 AS nginx1\nFROM nginx1\nCOPY --from=nginx /a /a", {}),
    ("FROM b:1 AS base\nFROM b:1\nCOPY --from=bash /a /a\nCOPY --from=h.test/bases /a /b", {}),
    ("FROM --platform=linux/amd64 b AS a\nFROM --platform=$TARGETPLATFORM b\nFROM --platform=$BUILDPLATFORM b", {}),
    ("FROM --platform=linux/amd64/v2 b", {}),
    ("FROM base\nRUN mkdir /v && touch /v/f\nVOLUME /v\nCOPY app /v/", {}),
    ("FROM base\nVOLUME /v\nRUN touch /var/f /v2", {}),
    ("FROM base\nRUN mkdir /var/run/app\nCOPY app /var/run", {}),
    ('FROM base\nLABEL a="b c" d=\'e\' f=g\\ h i="$UNKNOWN" old style', {}),
    ("FROM base\nCOPY --chown=65535:65535 app /f\nUSER 1000\nRUN id", {"user_namespace": True}),
    ("FROM base\nCOPY --chown=200000 app /f", {}),
    ("FROM base\nCOPY --chown=root:root app /f", {}),
    ("FROM scratch\nCOPY conf /etc/passwd\nCOPY --chown=root:root app /f", {}),
    ("FROM scratch\nCOPY --from=base / /\nCOPY --chown=root:root app /f", {}),
    ("FROM base\nUSER 1000\nADD --chown=0:0 http://h.test/f /f\nUSER root\nADD http://h.test/f /g", {}),
    ("FROM base\nUSER 1000:2000\nCOPY app /f\nRUN id\nWORKDIR /w/x/y\nCOPY <<EOF /c\n$V\nEOF", {}),
    ("FROM base\nUSER root\nCOPY app /f\nCOPY <<'EOF' /c\n$V\nEOF\nUSER 1\nCOPY --from=x /a /b", {"switched": False}),
    ("FROM base\nRUN setcap x /s", {}),
    ("FROM base\nCOPY .git /g\nRUN git describe", {}),
    ("FROM base\nCOPY .github /g\nRUN git clone x && git -C x log", {"keeps_git": False}),
    *(
        (text, {"keeps_git": False})
        for text in (
            "FROM base\nRUN git describe --tags",
            "FROM base\nCOPY app /src\nRUN git describe --tags",
            "FROM base\nCOPY . /s\nRUN git clone https://h.test/a.git /a && cd /a && git submodule update --init",
            "FROM base\nCOPY . /s\nRUN git init . && git status",
            "FROM base\nCOPY . /s\nRUN git clone --depth=1 -b v1 https://h.test/a.git \\\n  && git submodule update",
            "FROM base AS a\nCOPY . /s\nFROM base\nCOPY --from=other/image / /\nRUN git log",
            "FROM base AS a\nCOPY . /s\nFROM base\nRUN git log",
        )
    ),
    ("FROM base\nRUN <<EOF\nADD --checksum=x y z\nFROM --platform=x y\nEOF\n# ADD --checksum=x y z", {}),
    ("FROM base\nCOPY app/nofile /x\nCOPY none* app/x.txt /y/", {}),
]  # fmt: skip


@pytest.mark.parametrize(("check", "line", "text", "settings"), FOUND)
def test_a_difference_is_found_at_its_line(
    kitchen: Kitchen, check: str, line: int, text: str, settings: dict[str, Any]
) -> None:
    found = kitchen.examine(text, **settings)
    assert (check, line) in {(finding.check, finding.line) for finding in found}
    assert all(finding.word for finding in found)


@pytest.mark.parametrize(("check", "line", "text", "settings"), FOUND)
def test_a_line_has_its_own_differences_only(
    kitchen: Kitchen, check: str, line: int, text: str, settings: dict[str, Any]
) -> None:
    beside = {"add-keep-git-dir": {"add-git"}, "run-group": {"copy-owner"}}
    assert kitchen.checks(text, **settings) <= {check} | beside.get(check, set())


@pytest.mark.parametrize(("text", "settings"), NOT_FOUND)
def test_what_kaniko_does_as_docker_does_is_not_told(kitchen: Kitchen, text: str, settings: dict[str, Any]) -> None:
    assert kitchen.examine(text, **settings) == []


OWN_TESTS = {
    "copy-ignored", "copy-nothing", "copy-missing", "copy-link", "add-compression", "add-no-archive", "submodule",
    "lfs",
}  # fmt: skip
"""Those that hang on files, tested below."""


def test_a_git_folder_that_the_ignore_file_leaves_out_is_not_missed(kitchen: Kitchen) -> None:
    text = "FROM base\nCOPY . /src\nRUN git describe"
    assert kitchen.checks(text, keeps_git=False) == {"git-command"}
    assert kitchen.put({".dockerignore": ".git\n"}).checks(text, keeps_git=False) == set()


def test_each_row_of_the_table_is_tested() -> None:
    tested = {check for check, *_ in FOUND} | OWN_TESTS
    assert {check.id for check in CHECKS.values() if check.level is not Level.KNOWN} == tested


# ---- what hangs on files


@pytest.mark.parametrize(
    ("patterns", "line", "check"),
    [
        ("conf\n", "COPY conf/app.yml /app.yml", "copy-ignored"),
        ("conf\n", "ADD conf /conf", "copy-ignored"),
        ("**\n", "COPY app /app", "copy-ignored"),
        ("**/*.yml\n", "COPY conf/app.yml app/x.txt /app/", "copy-ignored"),
        ("conf\n!conf/app.yml\n", "COPY conf /conf", None),
        ("*\n!app\n", "COPY app /app", None),
        ("conf/*\n", "COPY conf /conf", None),
        ("conf\n", "COPY . /all", None),
        ("conf\n", "COPY --from=x conf /conf", None),
        ("conf\n", "COPY con* /conf/", "copy-nothing"),
        ("", "COPY nothing* /x/", "copy-nothing"),
        ("", "ADD no*/thing? [xyz] /x/", "copy-nothing"),
        ("", "COPY nothing* app/x.txt /x/", None),
        ("", "COPY nofile app/* /x/", "copy-missing"),
        ("", "COPY nofile app/x.txt /x/", None),
        ("", "COPY nofile nothing* /x/", "copy-nothing"),
        ("conf\n", "COPY conf/app.yml app/* /x/", "copy-ignored"),
        ("", "COPY nothing* <<EOF /x/\nEOF", None),
        ("", "COPY nothing* $UNKNOWN /x/", None),
        ("", "COPY app/*.txt /x/", None),
    ],
)
def test_a_copy_that_copies_nothing(kitchen: Kitchen, patterns: str, line: str, check: str | None) -> None:
    kitchen.put({".dockerignore": patterns})
    assert kitchen.checks(f"FROM base\n{line}\n") == ({check} if check else set())


def test_the_ignore_file_beside_the_dockerfile_counts_before_the_contexts(kitchen: Kitchen) -> None:
    kitchen.put({".dockerignore": "app", "Dockerfile.dockerignore": "conf"})
    assert kitchen.checks("FROM base\nCOPY app /app") == set()
    assert kitchen.checks("FROM base\nCOPY conf /conf") == {"copy-ignored"}


def test_a_link_as_a_source_is_told_and_one_on_the_way_must_stay_within_the_context(kitchen: Kitchen) -> None:
    (kitchen.root / "link").symlink_to("app/x.txt")
    (kitchen.root / "inside").symlink_to("app")
    (kitchen.root / "outside").symlink_to("/etc")
    assert kitchen.checks("FROM base\nCOPY link /x") == {"copy-link"}
    assert kitchen.checks("FROM base\nCOPY inside /x") == {"copy-link"}
    assert kitchen.checks("FROM base\nCOPY inside/x.txt /x") == set()
    assert kitchen.checks("FROM base\nCOPY outside /x") == {"copy-link"}
    assert kitchen.checks("FROM base\nCOPY outside/passwd /x") == {"copy-escape"}


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("a.tar", None),
        ("a.tar.gz", None),
        ("a.tar.bz2", None),
        ("a.tar.xz", "add-compression"),
        ("a.tar.zst", "add-compression"),
        ("dump.sql.gz", "add-no-archive"),
        ("dump.bz2", "add-no-archive"),
        ("short.gz", "add-no-archive"),
        ("broken.gz", "add-no-archive"),
        ("plain.sql", None),
        ("missing.gz", None),
        ("*.tar", None),
        ("*.xz", "add-compression"),
        (".", None),
    ],
)
def test_what_add_takes_for_an_archive(kitchen: Kitchen, name: str, check: str | None) -> None:
    kitchen.put(ARCHIVES)
    assert kitchen.checks(f"FROM base\nADD {name} /x/") == ({check} if check else set())
    assert kitchen.checks(f"FROM base\nCOPY {name} /x/") == set()


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"


@pytest.mark.parametrize(
    ("line", "patterns", "checks"),
    [
        ("COPY lib /lib", "", {"submodule"}),
        ("COPY . /src", "", {"submodule", "lfs"}),
        ("COPY l* /lib", "", {"submodule"}),
        ("COPY lib/deep/file /lib", "", set()),
        ("COPY data/weights.bin /w", "", {"lfs"}),
        ("COPY data /d", "", {"lfs"}),
        ("ADD data/*.bin /d/", "", {"lfs"}),
        ("RUN --mount=type=bind,source=.,target=/s make", "", {"submodule", "lfs"}),
        ("COPY . /src", "lib\n**/*.bin\n", set()),
        ("COPY app /app", "", set()),
        ("RUN true", "", set()),
    ],
)
def test_what_is_not_fetched_is_missed_where_it_is_copied(
    kitchen: Kitchen, line: str, patterns: str, checks: set[str]
) -> None:
    kitchen.put({".dockerignore": patterns, "data/weights.bin": POINTER, "data/real.bin": "x" * 200})
    (kitchen.root / "lib").mkdir()
    assert kitchen.checks(f"FROM base\n{line}", submodules=("lib",)) == checks


# ---- the whole


@pytest.mark.parametrize(
    ("text", "why"), [("", "it is empty"), (" \n\t\n", "it is empty"), ("# FROM x\n", "comments"), ("ARG A", "no FROM")]
)
def test_a_dockerfile_without_a_stage_is_none(kitchen: Kitchen, text: str, why: str) -> None:
    with pytest.raises(NotReadableError, match=why) as raised:
        kitchen.examine(text)
    assert raised.value.empty


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\n" * 201,
        "FROM a\n" + "ENV A=1\n" * 10_001,
        # ONBUILD lines run in each stage above them.
        "FROM b AS a\n" + "ONBUILD RUN x\n" * 4_500 + "FROM a\n" * 190,
        "FROM b AS a\n" + "ONBUILD RUN x\n" * 3_334 + "FROM a\n" * 2,
    ],
)
def test_one_that_nobody_wrote_is_left_alone(kitchen: Kitchen, text: str) -> None:
    with pytest.raises(NotReadableError, match="too many lines") as raised:
        kitchen.examine(text)
    assert not raised.value.empty


def test_onbuild_lines_count_where_they_run_only(kitchen: Kitchen) -> None:
    assert kitchen.examine("FROM b AS a\n" + "ONBUILD RUN x\n" * 3_333 + "FROM a\n" * 2 + "FROM b\n" * 10) == []


def test_so_many_unknown_names_are_held_against_those_of_stages(kitchen: Kitchen) -> None:
    lines = "".join(f"COPY --from=biuld-the-thing{number} a b\n" for number in range(10, 99))
    found = kitchen.examine("FROM b AS build-the-thing\nFROM b\n" + lines)
    assert [finding.line for finding in found] == list(range(3, 43))


def test_a_user_and_a_folder_longer_than_a_path_are_not_known(kitchen: Kitchen) -> None:
    text = "FROM b\nVOLUME /v\nUSER {}\nWORKDIR /v/{}\nRUN x"
    assert kitchen.checks(text.format("9" * 9, "a" * 9), user_namespace=True) == {"chown-mapped", "volume"}
    assert kitchen.checks(text.format("9" * 5_000, "a" * 5_000), user_namespace=True) == set()


def test_links_are_not_looked_for_without_an_end(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    kitchen.put({f"files/{number}": "" for number in range(100)})
    monkeypatch.setattr(context, "_MAX_LOOKS", 20_000)
    kitchen.examine("FROM a\n" + "COPY files/* /x/\n" * 10)
    with pytest.raises(TooManyFilesError):
        kitchen.examine("FROM a\n" + "COPY files/* /x/\n" * 20)


@pytest.mark.parametrize("name", ["dump.sql.gz", "dump.bz2"])
def test_files_are_not_unpacked_without_an_end(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    kitchen.put(ARCHIVES)
    monkeypatch.setattr(context, "_MAX_LOOKS", 40_000)
    kitchen.examine("FROM b\n" + f"ADD {name} /x/\n" * 8)
    kitchen.examine("FROM b\n" + "ADD plain.sql /x/\n" * 16)
    with pytest.raises(TooManyFilesError):
        kitchen.examine("FROM b\n" + f"ADD {name} /x/\n" * 16)


def test_what_is_not_fetched_is_not_looked_for_without_an_end(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "FROM a\n" + "COPY app /x/\n" * 10
    monkeypatch.setattr(context, "_MAX_LOOKS", 10_000)
    kitchen.examine(text, submodules=tuple(f"lib{number}" for number in range(100)))
    with pytest.raises(TooManyFilesError):
        kitchen.examine(text, submodules=tuple(f"lib{number}" for number in range(1_000)))


@pytest.mark.parametrize("text", ["FROM a\nCOPY " + "a " * 100, "FROM a\n" + "COPY files/*5* /x/\n" * 20])
def test_one_that_is_made_to_take_long_is_given_up(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    kitchen.put({f"files/{number}": "" for number in range(20)})
    kitchen.put({".dockerignore": "".join(f"**/a{number}*b\n" for number in range(50))})
    kitchen.examine(text)
    monkeypatch.setattr(context, "_MAX_LOOKS", 5_000)
    with pytest.raises(TooManyFilesError):
        kitchen.examine(text)


LINES = st.sampled_from(
    [
        *(line for _, _, text, _ in FOUND for line in text.split("\n")),
        *("COPY", "ADD", "FROM", "RUN", "VOLUME", "USER", "WORKDIR", "LABEL", "COPY a", "COPY --from= a b"),
        *("COPY [] x", "COPY []", "RUN --mount=", "RUN --mount=,,=", "USER $X", "VOLUME []", "ONBUILD", "ONBUILD COPY"),
    ]
)  # fmt: skip


@given(st.lists(LINES, min_size=1, max_size=12))
def test_any_lines_are_examined(lines: list[str]) -> None:
    text = "\n".join(["FROM base AS build", *lines])
    for settings in (Settings(), Settings(False, "redo", True, False, False, "linux/arm64")):
        for finding in examine(text, Context(Path("/nonexistent")), settings, machine="linux/amd64"):
            assert finding.check in CHECKS
            assert finding.line <= len(lines) + 1
