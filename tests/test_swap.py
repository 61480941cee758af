"""A filter makes way for another build in the midst of a capture."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from tests.core.traffic import START_NS, Batch, Made, exchanges, request, response
from tests.core.wat import Raw, Ret, call, wasm
from workbench.chain import Chain, Filter
from workbench.config import kuadrant
from workbench.errors import ConfigError, FilterLoadError
from workbench.replay import Replay
from workbench.services.ratelimit import Limitador
from workbench.trace.records import NONE, Event, Kind
from workbench.trace.trace import Row

REPO = Path(__file__).resolve().parents[1]
TOKEN_BUCKET = REPO / "sample_filters/token_bucket/token_bucket.wasm"


class Traffic(Made):
    """In batches so small that a swap is in the midst of several."""

    def batches(self, size: int = 30) -> list[Batch]:
        return super().batches(size)


def posts(count: int, every_ms: int, took_ms: int = 3) -> Traffic:
    """POSTs below /toys, one every so often, each answered `took_ms` later."""
    items = [(request("POST", f"/toys/{i}", at_ms=i * every_ms), response(after_ms=took_ms)) for i in range(count)]
    return Traffic(replace(each, connection=3) for each in exchanges(*items))


def rebuilt(module: Path, folder: Path) -> Path:
    """The same filter under another hash: a custom section more."""
    path = folder / f"{module.stem}_v2.wasm"
    path.write_bytes(module.read_bytes() + b"\x00\x04\x03new")
    return path


def answered(replay: Replay) -> list[tuple[int, str | None]]:
    """Status and decision of each exchange."""
    return [(each["downstream_response"]["status"], each["decision"]["kind"]) for each in replay.outcomes()]  # type: ignore[index]


def served(replay: Replay) -> dict[str, list[int]]:
    """Which exchanges went through which filter."""
    found: dict[str, list[int]] = {}
    for row in (replay.trace.row(seq) for seq in range(len(replay.trace))):
        if row.kind == Kind.CALLBACK and replay.trace.name(row) == "proxy_on_request_headers":
            found.setdefault(str(replay.trace.filter_name(row)), []).append(row.exchange)
    return found


def roots(replay: Replay, name: str) -> list[Row]:
    """The calls of a callback in root contexts, in order."""
    rows = (replay.trace.row(seq) for seq in range(len(replay.trace)))
    return [row for row in rows if row.kind == Kind.CALLBACK and row.exchange == NONE and replay.trace.name(row) == name]


def events(replay: Replay, event: Event) -> list[Row]:
    """Events of one kind."""
    rows = (replay.trace.row(seq) for seq in range(len(replay.trace)))
    return [row for row in rows if row.kind == Kind.EVENT and row.code == event]


@pytest.mark.parametrize("workers", [1, 3])
def test_no_client_notices(tmp_path: Path, workers: int) -> None:
    """At exchange 50 of 100: the counter in shared data goes on, so that the same requests pass and are limited."""
    capture = posts(100, 400)
    chain = Chain(Filter(TOKEN_BUCKET, {"rate": 5, "per_s": 10}))
    swapped = chain.swap("token_bucket", rebuilt(TOKEN_BUCKET, tmp_path), at=50)
    before, after = chain.replay(capture, workers=workers), swapped.replay(capture, workers=workers)  # type: ignore[arg-type]
    assert answered(after) == answered(before) and before.count("limited") > 30 and len(after) == 100
    assert after.trace.filters == ("token_bucket", "token_bucket-2")
    assert served(after) == {"token_bucket": list(range(50)), "token_bucket-2": list(range(50, 100))}
    assert swapped.replay(capture, workers=workers).digest() == after.digest()  # type: ignore[arg-type]


def test_streams_under_way_finish_on_the_old_one(tmp_path: Path) -> None:
    """Each takes 250 ms and one begins every 100: three are open at the swap. The old root context ends with the last of them."""
    tag = {"request_headers": [call("add", 0, "x-by", "old")], "response_headers": [call("add", 2, "x-by", "old")]}
    paths = []
    for name in ("old", "new"):
        paths.append(tmp_path / f"{name}.wasm")
        steps = {key: [replace(each[0], args=(*each[0].args[:-1], name))] for key, each in tag.items()}
        paths[-1].write_bytes(wasm(**steps, done=[Ret(1)]))
    capture = posts(10, 100, took_ms=250)
    replay = Chain(paths[0]).swap("old", paths[1], at=timedelta(milliseconds=450)).replay(capture)  # type: ignore[arg-type]
    by = [dict(each["downstream_response"]["headers"])["x-by"] for each in replay.outcomes()]  # type: ignore[index]
    assert by == ["old"] * 5 + ["new"] * 5
    assert [dict(each["upstream_request"]["headers"])["x-by"] for each in replay.outcomes()] == by  # type: ignore[index]
    done, last = roots(replay, "proxy_on_done"), next(row for row in events(replay, Event.END) if row.exchange == 4)
    assert [replay.trace.filter_name(row) for row in done] == ["old", "old-2"]
    assert done[0].seq > last.seq and done[0].time == last.time


def test_several_swaps_of_one_filter_and_of_two(tmp_path: Path) -> None:
    chain = Chain(TOKEN_BUCKET, REPO / "sample_filters/body_rewrite/body_rewrite.wasm")
    second, third = rebuilt(TOKEN_BUCKET, tmp_path), tmp_path / "third.wasm"
    third.write_bytes(second.read_bytes() + b"\x00\x02\x01x")
    chain = chain.swap(0, second, at=10).swap("token_bucket-2", Filter(third), at=datetime.fromtimestamp(START_NS / 1e9 + 2, UTC))
    replay = chain.swap("body_rewrite", TOKEN_BUCKET, at=0).replay(posts(30, 100))  # type: ignore[arg-type]
    assert replay.trace.filters == ("token_bucket", "token_bucket-2", "third", "body_rewrite", "body_rewrite-2")
    through = served(replay)
    assert through["token_bucket"] == list(range(10)) and through["token_bucket-2"] == list(range(10, 20))
    assert "body_rewrite" not in through and replay.findings() is not None
    assert replay.name == "token_bucket then token_bucket-2 then third → body_rewrite then body_rewrite-2"
    assert replay.summary.head.endswith(f" through {replay.name}")


def test_a_successor_that_refuses_leaves_the_old_one(tmp_path: Path) -> None:
    """As where Envoy rejects an update."""
    bad = tmp_path / "bad.wasm"
    bad.write_bytes(wasm(configure=[call("log", 4, "no such limit"), Ret(0)]))
    replay = Chain(TOKEN_BUCKET).swap(0, bad, at=5).replay(posts(10, 100), main_thread=True)  # type: ignore[arg-type]
    assert served(replay) == {"token_bucket": list(range(10))}
    (note,) = [row.fields[0] for row in events(replay, Event.NOTE)]
    assert note == b"token_bucket stays: token_bucket-2 refused its configuration"


def test_traps_around_a_swap(tmp_path: Path) -> None:
    """The old one traps in a stream that it still has, and another one at its end: neither comes back, and no new stream suffers."""
    for name, script in {"stream": {"response_headers": [Raw("unreachable")]}, "end": {"done": [Raw("unreachable")]}}.items():
        path = tmp_path / f"{name}.wasm"
        path.write_bytes(wasm(**script))
        chain = Chain(Filter(path, failure_policy="restart")).swap(0, TOKEN_BUCKET, at=5)
        replay = chain.replay(posts(10, 100, took_ms=450 if name == "stream" else 3))  # type: ignore[arg-type]
        assert served(replay) == {name: list(range(5)), f"{name}-2": list(range(5, 10))}
        statuses = [status for status, _ in answered(replay)]
        assert statuses[5:] == [200] * 5 and (statuses[:5] == [200] * 5) == (name == "end")
        assert len(events(replay, Event.FAILURE)) == (5 if name == "stream" else 6)  # on_done comes to streams and to the root context


def test_the_hash_of_a_module_is_checked(tmp_path: Path) -> None:
    new = rebuilt(TOKEN_BUCKET, tmp_path)
    digest = sha256(new.read_bytes()).hexdigest()
    chain = Chain(TOKEN_BUCKET)
    assert len(chain.swap(0, new, at=5, expected_sha256=digest.upper()).replay(posts(10, 100))) == 10  # type: ignore[arg-type]
    with pytest.raises(FilterLoadError, match=f"its SHA-256 is {digest}, and {'0' * 64} is expected") as caught:
        chain.swap(0, new, at=5, expected_sha256="0" * 64).replay(posts(10, 100))  # type: ignore[arg-type]
    assert caught.value.where == str(new)
    with pytest.raises(FilterLoadError, match="is expected"):
        Chain(Filter(TOKEN_BUCKET, expected_sha256=digest)).replay(posts(1, 1))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        Filter(new, expected_sha256="abc")


def test_swaps_that_cannot_be_meant(tmp_path: Path) -> None:
    chain = Chain(TOKEN_BUCKET)
    with pytest.raises(ConfigError, match="no filter named 'other'"):
        chain.swap("other", TOKEN_BUCKET, at=1)
    with pytest.raises(ConfigError, match="swapped already"):
        chain.swap(0, TOKEN_BUCKET, at=1).swap("token_bucket", TOKEN_BUCKET, at=2)
    with pytest.raises(ConfigError, match="no time zone"):
        chain.swap(0, TOKEN_BUCKET, at=datetime(2026, 1, 1))
    with pytest.raises(ConfigError, match="out of range"):
        chain.swap(0, TOKEN_BUCKET, at=10).replay(posts(3, 1))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="before the filter's own time"):
        chain.swap(0, TOKEN_BUCKET, at=2).swap("token_bucket-2", TOKEN_BUCKET, at=1).replay(posts(3, 1))  # type: ignore[arg-type]


def test_limits_in_a_service_go_on(tmp_path: Path) -> None:
    """Kuadrant's toystore policy, 5 POSTs in 10 seconds, over 100 POSTs a second apart: Limitador counts on behind the new build."""
    shim = REPO / "sample_filters/rls_shim"
    policy = kuadrant.load(shim / "policy.yaml", shim / "route.yaml")
    limitador = Limitador.parse(policy.limits_yaml())
    chain = policy.chain(shim / "rls_shim.wasm", clusters={policy.cluster(): limitador})
    items = [(request("POST", "/toys", at_ms=1000 * i, host="api.toystore.com"), response()) for i in range(100)]
    capture = Traffic(items)
    before = chain.replay(capture)  # type: ignore[arg-type]
    after = chain.swap("rls_shim", rebuilt(shim / "rls_shim.wasm", tmp_path), at=52).replay(capture)  # type: ignore[arg-type]
    statuses = [status for status, _ in answered(before)]
    assert statuses == ([200] * 5 + [429] * 5) * 10
    assert answered(after) == answered(before) and len(after) == 100
    assert {name: len(through) for name, through in served(after).items()} == {"rls_shim": 52, "rls_shim-2": 48}
