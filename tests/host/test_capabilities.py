"""Capability restriction: beside the conformance cases, what the trace says and how it meets hooks."""

from __future__ import annotations

import pytest

from tests.core.wat import OUT, call
from tests.host.test_intercept import Make, chain, events, rows, traffic
from workbench.chain import Filter
from workbench.envoy.config import FilterSpec, bootstrap
from workbench.errors import ConfigError
from workbench.host.capabilities import allowed_callbacks, denied, operands
from workbench.host.compose import Composition, core_interface
from workbench.host.foreign import NAME
from workbench.trace.numbers import Status

__all__ = ["chain"]

HEADERS = "proxy_on_request_headers"


def test_what_a_denied_call_leaves(chain: Make) -> None:
    steps = [call("proxy_increment_metric", 7, -2), call("add", 0, "a", "b"), call("fd_seek", 1, 0, 0, OUT), call("log", 2, "unheard")]
    replay = chain({"request_headers": steps}, allowed_capabilities=[HEADERS]).replay(traffic())
    made = [row for name in ("proxy_increment_metric", "proxy_add_header_map_value", "wasi", "proxy_log") for row in rows(replay, name)]
    assert [(row.result, row.flags) for row in made] == [(10, 1), (10, 1), (76, 1), (10, 1)]
    assert (made[0].a, made[0].b, made[0].c) == (7, 0xFFFFFFFE, 0xFFFFFFFF)
    assert made[2].fields == (b"fd_seek",)
    assert len(replay.mutations) == len(replay.logs) == 0
    assert replay[0].mutations == ()


def test_a_hook_sees_what_is_denied(chain: Make) -> None:
    made = chain({"request_headers": [call("add", 0, "a", "b"), call(NAME, "compress", "x", OUT, OUT)]}, allowed_capabilities=[HEADERS])
    seen = []
    with (
        made.intercept("proxy_add_header_map_value", lambda call: seen.append(call.proceed().status)),
        made.intercept(NAME, lambda call: seen.append(call.proceed().status)),
    ):
        replay = made.replay(traffic())
    assert seen == [Status.InternalFailure] * 2
    assert events(replay) == []
    assert len(replay.mutations) == 0


def test_a_function_of_the_users_is_denied_too(chain: Make) -> None:
    made = chain({"request_headers": [call(NAME, "own", "x", OUT, OUT)]}, allowed_capabilities=[HEADERS])
    made.foreign("own", lambda argument: b"result")
    assert [row.result for row in rows(made.replay(traffic()), NAME)] == [Status.InternalFailure]


def test_every_function_can_be_denied() -> None:
    host = Composition()
    for each in core_interface().host:
        free = each.name in ("pthread_equal", "emscripten_notify_memory_growth")
        assert denied(each, ["x"]) is not free
        assert not denied(each, [each.name]) and not denied(each, ())
        if not free:
            assert len(operands(each, host.schema.hostcalls, 0)) == 8


def test_callbacks() -> None:
    given = dict.fromkeys(("malloc", "proxy_on_memory_allocate", "_start", "_initialize", "main", "proxy_on_tick", HEADERS), 0)
    assert set(given) - set(allowed_callbacks(given, [HEADERS])) == {"proxy_on_tick"}
    assert allowed_callbacks(given, ()) == given


def test_envoy_is_told(chain: Make) -> None:
    (filter_,) = chain({}, allowed_capabilities=[HEADERS])
    told = bootstrap([FilterSpec.of(filter_)], 1)
    manager = told["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    config = manager["http_filters"][0]["typed_config"]["config"]
    assert config["capability_restriction_config"] == {"allowed_capabilities": {HEADERS: {}}}


def test_a_text_is_no_list() -> None:
    with pytest.raises(ConfigError, match="list of names"):
        Filter("x.wasm", allowed_capabilities="proxy_log")
