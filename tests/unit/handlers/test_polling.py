"""What a branch that is polled costs, and that a new commit comes to be built."""

from datetime import timedelta

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.core.facts import Commit, Trouble
from tests.unit.core.factories import DIGEST
from tests.unit.handlers.cluster import WEB, Cluster

OLD, NEW = "a" * 40, "b" * 40


def polled() -> Cluster:
    """A cluster whose resource polls a branch."""
    cluster = Cluster()
    cluster.revisions.commits["main"] = Commit(OLD, "refs/heads/main")
    git = {"url": "https://git.example/shop.git", "revision": "main", "poll": {"interval": "30s"}}
    cluster.apply(source={"git": git}, tags=["<+codebase.shortCommitSha>"])
    cluster.restart()
    return cluster


async def build(cluster: Cluster) -> None:
    """A run from its start to its good end, each by one pass."""
    reconciler = cluster.make_reconciler()
    for step in (lambda: None, cluster.start_kaniko, lambda: cluster.end_kaniko(message=DIGEST)):
        step()
        cluster.watch()
        await reconciler.reconcile(WEB)


def status_writes(cluster: Cluster) -> int:
    return len([write for write in cluster.api.writes if write.plural == f"{meta.BUILD_PLURAL}/status"])


async def test_a_build_at_a_commit_costs_no_more_writes_than_another() -> None:
    plain, cluster = Cluster(), polled()
    await build(plain)
    await build(cluster)
    assert cluster.ready == ("True", "Succeeded")
    assert status_writes(cluster) == status_writes(plain)
    assert cluster.status["run"]["builds"][0]["tags"] == [OLD[:7]]


async def test_a_poll_that_finds_nothing_new_writes_nothing_and_is_followed_by_the_next() -> None:
    cluster = polled()
    await build(cluster)
    writes = len(cluster.api.writes)
    for _ in range(20):
        cluster.now += timedelta(seconds=30)
        delay = await cluster.reconcile()
        assert delay is not None
        assert 0 < delay <= 30
    assert len(cluster.api.writes) == writes


async def test_a_commit_that_comes_while_nobody_looks_is_built_afterwards() -> None:
    cluster = polled()
    await build(cluster)
    cluster.api.drop("pods", "shop", cluster.pod["metadata"]["name"])
    cluster.revisions.commits["main"] = Trouble(Reason.SOURCE_UNREACHABLE, "timed out", passing=True, count=3)
    cluster.now += timedelta(seconds=30)
    cluster.watch()
    await cluster.reconcile()
    assert cluster.ready == ("True", "Succeeded")
    assert cluster.events[-1] == "SourceUnreachable"
    cluster.revisions.commits["main"] = Commit(NEW, "refs/heads/main")
    cluster.now += timedelta(seconds=30)
    await cluster.reconcile()
    run = cluster.status["run"]
    assert (run["number"], run["trigger"]) == (2, "SourceRevision")
    assert (run["source"]["previousCommit"], run["source"]["commit"]) == (OLD, NEW)
