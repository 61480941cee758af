from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from workbench.analysis.laboratory import Laboratory, Setting
from workbench.analysis.laboratory_modules import sweep_module
from workbench.analysis.laboratory_requests import Requests
from workbench.analysis.limiters import ALGORITHMS
from workbench.errors import ConfigError, WorkbenchError

SECOND = 10**9
REPO = Path(__file__).parents[2]


def requests(times: list[float], keys: list[int] | None = None, connections: list[int] | None = None) -> Requests:
    n = len(times)
    key = np.array(keys or [0] * n, np.int64)
    return Requests(
        exchange=np.arange(n),
        time=np.array([int(time * SECOND) for time in times], np.int64),
        connection=np.array(connections or [1] * n, np.int64),
        key=key,
        keys=tuple(f"key {at}" for at in range(int(key.max()) + 1 if n else 0)),
        recorded=np.zeros(n, bool),
    )


def traffic(seed: int, n: int = 400, keys: int = 4) -> Requests:
    random = np.random.default_rng(seed)
    times = np.cumsum(random.exponential(0.3, n))
    return requests(times.tolist(), random.integers(0, keys, n).tolist(), random.integers(1, 9, n).tolist())


@pytest.fixture(scope="module")
def edge() -> Any:
    """Six stores at work, each with a bucket of its own."""
    import workbench as wb

    config = {"key": "header:x-user", "methods": [], "prefix": "/", "rate": 8, "per_s": 10}
    chain = wb.Chain(wb.Filter(REPO / "sample_filters/token_bucket/token_bucket.wasm", config=config))
    return chain.replay(wb.open_capture(REPO / "captures/edge.mitm"))


def test_the_laboratory_knows_what_the_real_filter_did(edge: Any) -> None:
    """The token bucket written in Rust, in a replay, and the laboratory's agree on each of 540 requests."""
    lab = edge.laboratory()
    assert lab.configured == Setting(8, 10.0, "token bucket")
    assert (lab.run().limited == lab.requests.recorded).all()
    assert lab.run().count == edge.count("limited") > 100


def test_another_limit_is_what_the_real_filter_would_do(edge: Any) -> None:
    lab = edge.laboratory()
    configs = [
        {"key": "header:x-user", "methods": [], "prefix": "/", "rate": rate, "per_s": 10, "burst": burst}
        for rate, burst in ((3, 3), (20, 5))
    ]
    real = sweep_module(edge.chain, "token_bucket", configs, edge.capture)
    assert real.complete
    for trial, config in zip(real.trials, configs, strict=True):
        tried = lab.run(limit=config["rate"], burst=config["burst"])
        assert trial.exchange[trial.limited].tolist() == sorted(tried.requests.exchange[tried.limited].tolist())
    assert real.table["limited"].tolist() == [int(trial.limited.sum()) for trial in real.trials]
    assert real.table["rate"].tolist() == [3, 20]


@pytest.mark.parametrize(
    ("key", "keys"), [("all", 1), ("method", 1), ("path", 1), ("host", 1), ("client", 1), ("header:X-User", 5), ("connection", 6)]
)
def test_keys_are_read_from_the_requests(edge: Any, key: str, keys: int) -> None:
    lab = edge.laboratory("~m POST", key=key)
    assert len(lab.requests.keys) == keys
    assert len(lab) == len(edge.where("~m POST"))
    assert lab.run(limit=5).table["requests"].sum() == len(lab)


def test_keys_from_a_function_or_a_column(edge: Any) -> None:
    by_path = edge.laboratory(key="path").requests
    called = edge.laboratory(key=lambda exchange: exchange.request.path.partition(b"?")[0]).requests
    given = edge.laboratory(edge.facts.exchange, key=[edge.capture[at].request.path.partition(b"?")[0] for at in range(len(edge))]).requests
    for other in (called, given):
        assert [by_path.keys[at] for at in by_path.key] == [other.keys[at] for at in other.key]
    queries = edge.laboratory(key="query:page").requests
    assert set(queries.keys) == {
        edge.capture[at].request.path.partition(b"page=")[2].partition(b"&")[0].decode() for at in range(len(edge))
    }


@pytest.mark.parametrize("key", ["", "header:", "cookie", "query:"])
def test_a_key_that_is_none_is_said(edge: Any, key: str) -> None:
    with pytest.raises(ConfigError, match="no key"):
        edge.laboratory(key=key)
    with pytest.raises(ConfigError, match="keys for"):
        edge.laboratory(key=["a"])
    with pytest.raises(ConfigError, match="not replayed"):
        edge.laboratory([10_000])


@pytest.mark.parametrize(
    "changes", [{"limit": -1}, {"limit": 1.5}, {"limit": True}, {"window_s": 0}, {"window_s": float("nan")}, {"algorithm": "leaky"},
                {"workers": 0}, {"spread": "x"}, {"budgets": "x"}, {"burst": 0}, {"typo": 1}],
)  # fmt: skip
def test_a_setting_that_is_none_is_said(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Laboratory(requests([0])).run(**changes)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_workers_with_one_budget_are_one(algorithm: str) -> None:
    lab = Laboratory(traffic(1))
    alone = lab.run(limit=5, window_s=10, algorithm=algorithm)
    assert (lab.run(limit=5, window_s=10, algorithm=algorithm, workers=4).limited == alone.limited).all()


@pytest.mark.parametrize("spread", ["round robin", "by connection", "random"])
@pytest.mark.parametrize("budgets", ["per worker", "divided"])
def test_each_worker_is_a_limiter_of_its_own(spread: str, budgets: str) -> None:
    """The same as splitting the requests by hand and trying each part alone."""
    mine, workers, limit = traffic(2), 3, 7
    lab = Laboratory(mine)
    found = lab.run(limit=limit, window_s=10, workers=workers, spread=spread, budgets=budgets, seed=9).limited
    on = {
        "round robin": np.arange(len(mine)) % workers,
        "by connection": np.array([((number * 0x9E3779B1) & 0xFFFFFFFF) * workers >> 32 for number in mine.connection.tolist()]),
        "random": np.random.default_rng(9).integers(0, workers, len(mine)),
    }[spread]
    for worker in range(workers):
        part = on == worker
        budget = limit if budgets == "per worker" else limit // workers + (worker < limit % workers)
        alone = Laboratory(
            Requests(*(getattr(mine, name)[part] for name in ("exchange", "time", "connection", "key")), mine.keys, mine.recorded[part])
        )
        assert (alone.run(limit=budget, window_s=10).limited == found[part]).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("budgets", ["per worker", "divided"])
def test_no_spread_lies_outside_the_band(seed: int, budgets: str) -> None:
    lab = Laboratory(traffic(seed))
    changes: dict[str, Any] = {"limit": 6, "window_s": 5, "workers": 3, "budgets": budgets}
    band = lab.band(**changes)
    assert band.laxest.count < band.strictest.count
    for spread in ("round robin", "by connection", "random"):
        assert band.laxest.count <= lab.run(spread=spread, seed=seed, **changes).count <= band.strictest.count


def test_the_band_is_what_was_said() -> None:
    """Ten requests at once, 4 allowed by each of two workers: all on one 6 are limited, dealt out 2."""
    band = Laboratory(requests([1.0] * 10)).band(limit=4, window_s=10, workers=2, budgets="per worker")
    assert (band.strictest.count, band.laxest.count) == (6, 2)
    band = Laboratory(requests([1.0] * 10)).band(limit=4, window_s=10, workers=2, budgets="divided")
    assert (band.strictest.count, band.laxest.count) == (8, 6)


def test_a_sweep_is_its_settings_one_by_one() -> None:
    lab = Laboratory(traffic(3))
    sweep = lab.sweep(limits=[1, 5, 9], windows_s=[1, 10], algorithms=ALGORITHMS, workers=[2], budgets="per worker")
    assert sweep.complete and len(sweep.table) == 30
    for at, setting in enumerate(sweep.settings):
        one = lab.run(setting)
        assert sweep.table.loc[at, "limited"] == one.count
        assert sweep.limited[at].tolist() == one.by_key[1].tolist()
    table = sweep.table
    assert ((table["laxest"] <= table["limited"]) & (table["limited"] <= table["strictest"])).all()
    assert sweep.by_key["limited"].sum() == table["limited"].sum()
    assert len(sweep.by_key) == 30 * len(lab.requests.keys)


def test_a_sweep_that_is_stopped_keeps_what_it_has(edge: Any) -> None:
    cancel = Event()
    done: list[int] = []

    def progress(now: int, total: int) -> None:
        done.append(now)
        if now == 2:
            cancel.set()

    sweep = Laboratory(traffic(4)).sweep(limits=range(1, 9), progress=progress, cancel=cancel)
    assert done == [1, 2] and len(sweep.table) == 2 and not sweep.complete
    cancel.clear()
    done.clear()
    configs = [{"rate": rate} for rate in (1, 2, 3, 4)]
    real = sweep_module(edge.chain, 0, configs, edge.capture, progress=progress, cancel=cancel)
    assert done == [1, 2] and len(real.trials) == 2 and not real.complete


def test_a_configuration_that_is_refused_is_a_trial_with_an_error(edge: Any) -> None:
    real = sweep_module(edge.chain, "token_bucket", [{"rate": 0}, {"rate": 5}], edge.capture)
    assert real.complete
    assert "rate" in real.trials[0].error or "configuration" in real.trials[0].error
    assert real.table["problem"].tolist()[1] == "" and real.table["limited"].tolist()[0] == 0
    with pytest.raises(WorkbenchError, match="nobody"):
        sweep_module(edge.chain, "nobody", [{}], edge.capture)


def test_no_requests_at_all() -> None:
    lab = Laboratory(requests([]))
    assert lab.run(limit=5).share == 0
    assert lab.sweep(limits=[1]).table["limited"].tolist() == [0]


def test_words() -> None:
    lab = Laboratory(requests([0] * 8))
    assert repr(lab.run(limit=5, window_s=10, aligned=False)) == "<3 of 8 limited by 5 in 10 s, fixed window from the first hit>"
