"""The bootstrap says what the chain says, and a chain that Envoy cannot have is refused before it is started."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.envoy.config import Cluster, FilterSpec, bootstrap
from workbench.errors import ConfigError


@pytest.fixture
def spec(tmp_path: Path) -> FilterSpec:
    wasm = tmp_path / "filter.wasm"
    wasm.write_bytes(b"\0asm")
    return FilterSpec("one", wasm)


def plugin(config: dict[str, Any], place: int = 0) -> dict[str, Any]:
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    found: dict[str, Any] = manager["http_filters"][place]["typed_config"]["config"]
    return found


def test_configurations_are_the_bytes_given(spec: FilterSpec) -> None:
    config = plugin(bootstrap([replace(spec, configuration='{"é": 1}\n'.encode(), vm_configuration=b"\xff\0")], 1))
    assert config["configuration"]["value"] == '{"é": 1}\n'
    assert config["configuration"]["@type"].endswith("StringValue")
    assert base64.b64decode(config["vm_config"]["configuration"]["value"]) == b"\xff\0"
    assert config["vm_config"]["configuration"]["@type"].endswith("BytesValue")


def test_policy_identity_and_environment(spec: FilterSpec) -> None:
    one = plugin(bootstrap([replace(spec, failure_policy="open", root_id="r", vm_id="v", env=(("K", "V"),))], 1))
    assert (one["failure_policy"], one["root_id"], one["vm_config"]["vm_id"]) == ("FAIL_OPEN", "r", "v")
    assert one["vm_config"]["environment_variables"] == {"key_values": {"K": "V"}}
    old = plugin(bootstrap([replace(spec, fail_open_old=True)], 1))
    assert old["fail_open"] is True
    assert "failure_policy" not in old


def test_filters_stand_in_order_before_the_router_on_every_listener(spec: FilterSpec, tmp_path: Path) -> None:
    config = bootstrap([spec, replace(spec, name="two")], 1, certificate=(tmp_path / "c", tmp_path / "k"), clusters=[Cluster("auth", 9)])
    listeners = config["static_resources"]["listeners"]
    assert [listener["name"] for listener in listeners] == ["plain", "tls"]
    for listener in listeners:
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        assert [entry["name"] for entry in manager["http_filters"]] == ["one", "two", "envoy.filters.http.router"]
    assert [cluster["name"] for cluster in config["static_resources"]["clusters"]] == ["upstream", "auth"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "different names"),
        ({"failure_policy": "restart"}, "Envoy has no failure policy 'restart'"),
        ({"fail_open_old": True, "failure_policy": "open"}, "exclude each other"),
        ({"wasm": Path("nowhere.wasm")}, "nowhere.wasm: no such file"),
    ],
)
def test_a_chain_that_envoy_cannot_have(spec: FilterSpec, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bootstrap([replace(spec, **change)], 1)


def test_two_filters_of_one_name(spec: FilterSpec) -> None:
    with pytest.raises(ConfigError, match="different names"):
        bootstrap([spec, spec], 1)
