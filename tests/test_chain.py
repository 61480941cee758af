from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import wasmtime
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from tests.core.wat import call, wasm
from workbench.capture import open_capture
from workbench.chain import Chain, Filter
from workbench.errors import ConfigError, FilterLoadError, ReplayError
from workbench.replay import Replay
from workbench.trace.records import Policy


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, b""),
        ({"limit": 5, "names": ["ä"], "on": True}, '{"limit":5,"names":["ä"],"on":true}'.encode()),
        ([1, 2], b"[1,2]"),
        ({}, b"{}"),
        ("plain ä", "plain ä".encode()),
        (b"\xff\x00", b"\xff\x00"),
    ],
)
def test_configuration_becomes_bytes(config: object, expected: bytes) -> None:
    filter_ = Filter("some/limiter.wasm", config, vm_config=config)  # type: ignore[arg-type]
    assert filter_.config == filter_.vm_config == expected


@pytest.mark.parametrize("config", [{"when": object()}, {"limit": float("nan")}])
def test_configuration_that_is_no_json_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="config cannot be written as JSON"):
        Filter("limiter.wasm", config)


def test_a_filter_is_named_like_its_file() -> None:
    assert Filter("some/limiter.wasm").name == "limiter"
    assert Filter("some/limiter.wasm", name="first").name == "first"


def test_unknown_policies_and_keywords_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown failure_policy 'shut'") as caught:
        Filter("limiter.wasm", failure_policy="shut")
    assert "restart" in caught.value.remedy
    with pytest.raises(ConfigError, match="both"):
        Filter("limiter.wasm", failure_policy="open", fail_open=True)
    with pytest.raises(TypeError, match="limit"):
        Filter("limiter.wasm", limit=5)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"path": "."}, "names no file"),
        ({"path": ""}, "names no file"),
        ({"name": 5}, "name is 5"),
        ({"root_id": None}, "root_id is None"),
        ({"vm_id": b"x"}, "vm_id is b'x'"),
        ({"expected_sha256": 5}, "expected_sha256 is 5"),
        ({"memory_limit": "64MB"}, "memory_limit is '64MB'"),
        ({"env": "HOME"}, "env is 'HOME'"),
        ({"env": ["HOME=/"]}, "env is "),
        ({"env": {"LIMIT": 5}}, "env is "),
    ],
)
def test_what_a_filter_cannot_be_told_is_refused_at_once(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Filter(**{"path": "limiter.wasm", **given})


def test_a_chain_shows_itself_as_one_would_write_it() -> None:
    limiter = Filter("some/limiter.wasm", {"limit": 5}, failure_policy="open")
    assert repr(limiter) == "Filter('some/limiter.wasm', config=b'{\"limit\":5}', failure_policy='open')"
    assert repr(Chain(limiter, "b.wasm", kind="http")) == f"Chain({limiter!r}, Filter('b.wasm'), kind='http')"
    assert repr(Chain("b.wasm").swap("b", "c.wasm", at=3)) == "Chain(Filter('b.wasm')).swap('b', Filter('c.wasm', name='b-2'), at=3)"
    assert len(repr(Filter("f.wasm", b"x" * 1_000_000))) < 200


def test_policies_have_their_numbers() -> None:
    assert {name: Filter("f.wasm", failure_policy=name).policy for name in ("closed", "open", "reload", "restart")} == {
        "closed": Policy.CLOSED,
        "open": Policy.OPEN,
        "reload": Policy.RELOAD,
        "restart": Policy.RESTART,
    }


def test_equal_filters_are_one_key() -> None:
    one = Filter("f.wasm", {"a": 1}, env={"A": "1"})
    assert one == Filter("f.wasm", '{"a":1}', env={"A": "1"})
    assert len({one, Filter("f.wasm", b'{"a":1}', env=[("A", "1")]), Filter("f.wasm", {"a": 2})}) == 2


def test_sha256_is_that_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "f.wasm"
    path.write_bytes(b"one")
    filter_ = Filter(path)
    assert filter_.sha256 == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"two")
    assert filter_.sha256 == hashlib.sha256(b"two").hexdigest()
    path.unlink()
    with pytest.raises(FilterLoadError, match="No such file"):
        _ = filter_.sha256


def test_names_in_a_chain_are_one_each() -> None:
    chain = Chain("a.wasm", Filter("b.wasm"), "a.wasm", Filter("x/a.wasm", {"on": 1}))
    assert [each.name for each in chain] == ["a", "b", "a-2", "a-3"]
    assert chain["a-3"].config == b'{"on":1}'
    assert chain[-1] is chain[3]


def test_a_filter_is_swapped_by_name_place_or_likeness() -> None:
    chain = Chain(Filter("a.wasm", {"keep": 1}, root_id="r"), Filter("b.wasm"))
    by_name = chain.with_filter("a_v2.wasm", "a")
    assert (by_name["a"].path, by_name["a"].config, by_name["a"].root_id) == (Path("a_v2.wasm"), b'{"keep":1}', "r")
    assert chain["a"].path == Path("a.wasm")
    by_place = chain.with_filter(Filter("c.wasm", {"own": 2}), 1)
    assert (by_place["b"].path, by_place["b"].config) == (Path("c.wasm"), b'{"own":2}')
    assert chain.with_filter("elsewhere/b.wasm")["b"].path == Path("elsewhere/b.wasm")
    assert Chain("only.wasm").with_filter("other.wasm")["only"].path == Path("other.wasm")
    with pytest.raises(ConfigError, match="no filter named 'c'"):
        chain.with_filter("c.wasm")
    with pytest.raises(ConfigError, match="no filter 7"):
        chain.with_filter("c.wasm", 7)


def test_a_chain_has_an_end() -> None:
    with pytest.raises(ConfigError, match="254"):
        Chain(*["f.wasm"] * 255)


def test_a_list_of_filters_is_not_a_filter() -> None:
    with pytest.raises(ConfigError, match=r"Chain\(\*filters\)"):
        Chain(["a.wasm", "b.wasm"])  # type: ignore[arg-type]


@pytest.mark.parametrize("at", ["5", 1.5, None])
def test_a_swap_wants_a_moment(at: Any) -> None:
    with pytest.raises(ConfigError, match="is no moment"):
        Chain("f.wasm").swap("f", "g.wasm", at)


def test_what_cannot_be_called_steps_into_nothing() -> None:
    with pytest.raises(ConfigError, match="5 cannot be called"):
        Chain("f.wasm").intercept("proxy_log", 5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no foreign function: 5"):
        Chain("f.wasm").foreign(5, print)  # type: ignore[arg-type]


def test_a_capture_goes_through_a_chain(repo: Path, tmp_path: Path, sample_capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.capture import open_capture

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "ten_hostcalls.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm((repo / "tests/filters/ten_hostcalls.wat").read_text())))
    capture = open_capture(sample_capture)
    seen: list[tuple[int, int]] = []
    replay = Chain(path).replay(capture, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(capture), len(capture))
    assert len(replay) == len(capture)
    assert replay.digest() == Chain(path).replay(capture).digest()


@pytest.mark.parametrize("workers", [0, -1, 65])
def test_workers_have_bounds(sample_capture: Path, workers: int) -> None:
    from workbench.capture import open_capture

    with pytest.raises(ConfigError, match="from 1 to 64"):
        Chain("f.wasm").replay(open_capture(sample_capture), workers=workers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1),
        ("seed", 1 << 64),
        ("seed", "x"),
        ("chunk_size", 1.5),
        ("chunk_size", 1 << 31),
        ("buffer_limit", -1),
        ("log_level", 6),
        ("workers", "two"),
        ("callback_limit_s", 0),
        ("callback_limit_s", float("nan")),
        ("callback_limit_s", None),
        ("websocket", "yes"),
        ("profile", "x"),
    ],
)
def test_what_a_replay_cannot_be_told_is_refused_by_name(sample_capture: Path, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: is "):
        Chain("f.wasm").replay(open_capture(sample_capture), **{name: value})


@pytest.mark.parametrize("capture", ["captures/burst.mitm", None])
def test_a_capture_is_opened_first(capture: Any) -> None:
    with pytest.raises(ConfigError, match="is no capture"):
        Chain("f.wasm").replay(capture)


class Broken(Event):
    """Breaks within the watchdog alone."""

    def is_set(self) -> bool:
        if sys._getframe(1).f_code.co_name == "_judge":
            raise ZeroDivisionError
        return False


def test_a_fault_of_the_watchdog_is_not_laid_on_the_filter(repo: Path, tmp_path: Path, sample_capture: Path) -> None:
    path = tmp_path / "spins.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm((repo / "tests/filters/spin_third.wat").read_text())))
    with pytest.raises(ReplayError, match="watchdog") as caught:
        Chain(path).replay(open_capture(sample_capture), cancel=Broken())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_several_workers_bring_the_main_thread(repo: Path, tmp_path: Path, sample_capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.capture import open_capture

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "ten_hostcalls.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm((repo / "tests/filters/ten_hostcalls.wat").read_text())))
    capture = open_capture(sample_capture)

    def threads(**settings: Any) -> list[str]:
        return Chain(path).replay(capture, **settings).vms["thread"].tolist()

    assert threads() == ["worker 0"]
    assert threads(workers=2) == ["trial", "main thread", "worker 0", "worker 1"]
    assert threads(workers=2, main_thread=False) == ["worker 0", "worker 1"]
    assert threads(main_thread=True) == ["trial", "main thread", "worker 0"]


def test_what_a_chain_is_for(tmp_path: Path, repo: Path) -> None:
    from wasmtime import wat2wasm

    frame = '(memory (export "memory") 1) (func (export "malloc") (param i32) (result i32) (i32.const 0))'
    frame += '(func (export "proxy_abi_version_0_2_1"))'
    data = '(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 0))'
    headers = '(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))'
    paths = {}
    for name, functions in (("tcp", data), ("http", headers), ("both", data + headers), ("neither", "")):
        paths[name] = tmp_path / f"{name}.wasm"
        paths[name].write_bytes(bytes(wat2wasm(f"(module {frame} {functions})")))
    kinds = {name: Chain(path).kind_of() for name, path in paths.items()}
    assert kinds == {"tcp": "tcp", "http": "http", "both": "http", "neither": "http"}
    assert Chain(paths["tcp"], paths["both"]).kind_of() == "tcp"
    assert Chain(paths["tcp"], paths["http"]).kind_of() == "http"
    assert Chain(paths["both"], kind="tcp").with_filter(paths["http"]).kind_of() == "tcp"
    assert Chain(paths["tcp"], kind="http").kind_of() == "http" and Chain().kind_of() == "http"
    with pytest.raises(ConfigError, match="a chain of kind 'udp'"):
        Chain(paths["tcp"], kind="udp")  # type: ignore[arg-type]


def test_a_notebook_shows_an_error_in_one_line(tmp_path: Path) -> None:
    """But where a user's own function raised, all of the way there."""
    shell = InteractiveShell.instance()
    shell.run_cell("import workbench as wb, workbench.errors as errors")
    with capture_output() as shown:
        shell.run_cell(f"wb.open_capture({str(tmp_path / 'none.mitm')!r})")
    assert shown.stdout.count("\n") == 1 and "CaptureError" in shown.stdout and "none.mitm" in shown.stdout
    with capture_output() as shown:
        shell.run_cell(
            "def mine():\n    1 / 0\ntry:\n    mine()\nexcept ZeroDivisionError as error:\n    raise errors.ReplayError('x') from error"
        )
    assert "ZeroDivisionError" in shown.stdout and "ReplayError" in shown.stdout
    InteractiveShell.clear_instance()


def test_other_filters_keep_what_belongs_to_the_chain(sample_filter: Callable[[str], Path]) -> None:
    chain = Chain(sample_filter("add_header"), kind="http", clusters={"a": "capture"}, foreign={"f": bytes.upper})
    other = chain.with_filters(sample_filter("token_bucket"), sample_filter("token_bucket"))
    assert [each.name for each in other] == ["token_bucket", "token_bucket-2"]
    assert (other.kind, other.clusters, other._foreign) == (chain.kind, chain.clusters, chain._foreign)


def test_a_replay_can_be_read_while_it_goes_on(sample_capture: Path, tmp_path: Path) -> None:
    tags = tmp_path / "tags.wasm"
    tags.write_bytes(wasm(request_headers=(call("add", 0, "x-tag", "1"),)))
    seen: list[Replay] = []
    whole = Chain(tags).replay(open_capture(sample_capture), partial=seen.append)
    assert seen and not seen[0].complete
    assert 0 < len(seen[0]) < len(whole) == 93
    first = int(seen[0].facts.exchange[0])
    assert seen[0][first].result["downstream_response"] == whole[first].result["downstream_response"]
