"""Real Envoy and `load` agree: what one takes the other takes, what one refuses the other refuses, and filters get the same bytes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from tests.config.envoy_files import ADD_HEADER, TYPE, bootstrap, listener, manager, plugin, tcp_proxy, text_value, wasm, written
from workbench.config.envoy import load
from workbench.envoy import EnvoyProcess
from workbench.errors import ConfigError

pytestmark = pytest.mark.envoy

_TELL = """
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 16)
  (data (i32.const 16) "0123456789abcdef")
  (global $free (mut i32) (i32.const 65536))
  (func (export "malloc") (param i32) (result i32)
    (global.get $free) (global.set $free (i32.add (global.get $free) (local.get 0))))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func $digit (param i32) (result i32) (i32.load8_u (i32.add (i32.const 16) (i32.and (local.get 0) (i32.const 15)))))
  (func $tell (param $buffer i32) (param $size i32)
    (local $at i32) (local $byte i32)
    (drop (call $get (local.get $buffer) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 4)))
    (i32.store8 (i32.const 40) (i32.add (i32.const 48) (local.get $buffer)))
    (i32.store8 (i32.const 41) (i32.const 61))
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $size)) (then
        (local.set $byte (i32.load8_u (i32.add (i32.load (i32.const 0)) (local.get $at))))
        (i32.store8 (i32.add (i32.const 42) (i32.mul (local.get $at) (i32.const 2)))
          (call $digit (i32.shr_u (local.get $byte) (i32.const 4))))
        (i32.store8 (i32.add (i32.const 43) (i32.mul (local.get $at) (i32.const 2))) (call $digit (local.get $byte)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next))))
    (drop (call $log (i32.const 4) (i32.const 40) (i32.add (i32.const 2) (i32.mul (local.get $size) (i32.const 2))))))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (call $tell (i32.const 6) (local.get 1)) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $tell (i32.const 7) (local.get 1)) (i32.const 1)))
"""
"""Logs its VM configuration as `6=`, its plugin configuration as `7=`, in hexadecimal."""

_VALUES = """\
{zeta: 1, alpha: 1.5, big: 9007199254740993, most: 2147483647, over: 2147483648, less: -2147483649, hex: 0x10, octal: 010, modern: 0o10,
 parts: 1_000, base: 1:30, date: 2020-01-01, yes: yes, n: n, "on": On, odd: oN, none: ~, empty: , quoted: '1', exp: 1e3, inf: .inf,
 text: "<a> & é ☃ \\u2028 \\x01 😀", list: [1, a, {b: 2}, []], object: {}, tagged: !!str 5, plus: +5, minus: -, block: "a\\n  b"}"""
_NUMBERS = """\
{"a": 1.5, "big": 9007199254740993, "e": 1e3, "large": 123456789012345678901234, "tiny": 5e-324, "most": 1.7976931348623157e308,
 "third": 0.3333333333333333, "zero": -0.0, "pair": "\\ud83d\\ude00 \\\\ud83d", "slash": "\\/", "no": null, "t": [true, false]}"""


@pytest.fixture
def tell(tmp_path: Path) -> Path:
    """The filter that logs its configurations."""
    from wasmtime import wat2wasm

    path = tmp_path / "tell.wasm"
    path.write_bytes(bytes(wat2wasm(_TELL)))
    return path


def _heard(binary: Path, file: Path, names: Collection[str]) -> dict[str, dict[str, bytes]]:
    """The configurations that filters of these names get of Envoy with this file: their own by `7`, their VM's by `6`."""
    command = [str(binary), "-c", str(file), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    found: dict[str, dict[str, bytes]] = {name: {} for name in names}
    try:
        for line in process.stdout:
            if told := re.search(r"wasm log (\w+)[^:]*: ([67])=([0-9a-f]*)$", line.rstrip()):
                found[told[1]][told[2]] = bytes.fromhex(told[3])
            if all(len(each) == 2 for each in found.values()):
                return found
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    raise AssertionError(f"Envoy did not start every filter: {found}")


def _any(kind: str, value: str) -> str:
    return f'{{"@type": "{TYPE}google.protobuf.{kind}", "value": {value}}}'


_GIVEN: dict[str, dict[str, tuple[str, str]]] = {
    "envoy.yaml": {
        "struct": (_any("Struct", _VALUES), "{}"),
        "text": (_any("StringValue", '"é\\n {}  "'), "null"),
        "bytes": (_any("BytesValue", "_wCA"), f'{{"@type": {TYPE}google.protobuf.BytesValue}}'),
        "other": (_any("Int64Value", "300"), _any("Duration", "90s")),
        "empty": (f'{{"@type": {TYPE}google.protobuf.Empty}}', _any("StringValue", '""')),
    },
    "envoy.json": {
        "struct": (_any("Struct", _NUMBERS), "{}"),
        "text": (_any("StringValue", '"\\ud83d\\ude00"'), "null"),
    },
}


@pytest.mark.parametrize("name", _GIVEN)
def test_filters_get_the_same_bytes(envoy_binary: Path, tmp_path: Path, tell: Path, name: str) -> None:
    given = _GIVEN[name]
    filters = [
        wasm(each, plugin(each, tell, configuration=f"{each} 7", vm_config={"configuration": f"{each} 6", "vm_id": each})) for each in given
    ]
    file = written(tmp_path, bootstrap(listener("in", [manager(*filters)])), name)
    text = file.read_text(encoding="utf-8")
    for each, (config, vm_config) in given.items():
        text = text.replace(f'"{each} 7"', config).replace(f'"{each} 6"', vm_config)
    file.write_text(text, encoding="utf-8")
    heard = _heard(envoy_binary, file, given)
    for found in load(file).filters:
        assert found.vm_config == heard[found.name]["6"]
        if found.name == "struct":
            # the order of a map's entries is chance in Envoy
            assert Struct.FromString(found.config) == Struct.FromString(heard["struct"]["7"])
            assert len(found.config) == len(heard["struct"]["7"])
        else:
            assert found.config == heard[found.name]["7"]


def test_what_a_running_envoy_says_of_itself(envoy_binary: Path, tmp_path: Path, tell: Path) -> None:
    """`/config_dump` brings the same chain as the file that Envoy was started with."""
    filters = [
        wasm("one", plugin("one", tell, root_id="r", configuration=text_value("{}"), failure_policy="FAIL_OPEN")),
        wasm("two", plugin("two", tell, configuration={"@type": f"{TYPE}google.protobuf.Struct", "value": {"b": 1.5, "a": "x"}})),
    ]
    given = bootstrap(listener("in", [manager(*filters)]))
    with EnvoyProcess(given, binary=envoy_binary) as process:
        answers = [process.get(f"/config_dump{asked}") for asked in ("", "?resource=static_listeners", "?mask=bootstrap")]
    for status, body in answers:
        assert status == 200
        dump = tmp_path / "dump.json"
        dump.write_bytes(body)
        found = load(dump)
        assert (found.filters, found.place) == (load(written(tmp_path, given, "envoy.json")).filters, "listener in")


def _taken(binary: Path, file: Path) -> tuple[bool, str]:
    """Whether Envoy finds the file good, and what it says."""
    command = [str(binary), "--mode", "validate", "-c", str(file), "--log-level", "critical"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return run.returncode == 0, run.stdout + run.stderr


def _code(filename: str | Path, **further: str) -> dict[str, Any]:
    return {"local": {"filename": str(filename), **further}}


def _whole(*filters: Any) -> dict[str, Any]:
    return bootstrap(listener("in", [manager(*filters)]))


_ONE = wasm("one", plugin("one", ADD_HEADER))
_CHAINS = {
    "two chains": bootstrap(listener("in", [manager(_ONE)], [manager(_ONE)]), listener("out", [manager(_ONE)])),
    "network": bootstrap(listener("db", [wasm("one", plugin("one", ADD_HEADER), "network"), tcp_proxy()])),
    "camelCase": _whole(wasm("one", {"rootId": "r", "failurePolicy": 2, "vmConfig": {"vmId": "v", "code": _code(ADD_HEADER)}})),
    "what JSON of protobuf allows": _whole(
        wasm("one", plugin("one", ADD_HEADER, failure_policy="fail_open", allow_on_headers_stop_iteration="true")),
        wasm("two", plugin("two", ADD_HEADER, failure_policy="3", vm_config={"environment_variables": {"key_values": {"A": None}}})),
    ),
    "everything": _whole(
        wasm(
            "one",
            plugin(
                "one",
                ADD_HEADER,
                root_id="r",
                configuration=text_value("{}"),
                failure_policy="FAIL_RELOAD",
                reload_config={"backoff": {"base_interval": "2s"}},
                capability_restriction_config={"allowed_capabilities": {}},
                allow_on_headers_stop_iteration=True,
                vm_config={
                    "vm_id": "v",
                    "allow_precompiled": True,
                    "nack_on_code_cache_miss": True,
                    "environment_variables": {"host_env_keys": ["A"], "key_values": {"B": "c"}},
                },
            ),
        )
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("which", _CHAINS)
def test_envoy_takes_what_is_read(envoy_binary: Path, tmp_path: Path, which: str) -> None:
    file = written(tmp_path, _CHAINS[which])
    assert load(file).filters
    good, said = _taken(envoy_binary, file)
    assert good, said


_REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two policies": (plugin("one", ADD_HEADER, fail_open=True, failure_policy="FAIL_OPEN"), "stands beside failure_policy"),
    "policy": (plugin("one", ADD_HEADER, failure_policy="FAIL_CLOSE"), "unknown value 'FAIL_CLOSE'"),
    "field": (plugin("one", ADD_HEADER, rootid="x"), "unknown field 'rootid'"),
    "runtime": (plugin("one", ADD_HEADER, vm_config={"runtime": "v8"}), "Envoy has no runtime 'v8'"),
    "no code": ({"vm_config": {"runtime": "envoy.wasm.runtime.v8"}}, "has no code"),
    "no vm_config": ({"name": "one"}, "has no code"),
    "no source": (plugin("one", ADD_HEADER, vm_config={"code": {"local": {}}}), "has no code"),
    "two sources": (plugin("one", ADD_HEADER, vm_config={"code": _code("a", inline_string="b")}), "has filename and inline_string"),
    "no file": (plugin("one", Path("nowhere.wasm")), "no file 'nowhere.wasm' here"),
    "variable": (
        plugin("one", ADD_HEADER, vm_config={"environment_variables": {"host_env_keys": ["A"], "key_values": {"A": "b"}}}),
        "A has a value of its own already",
    ),
    "number as text": (plugin("one", ADD_HEADER, configuration=text_value(5)), "must be text, not 5"),  # type: ignore[arg-type]
    "base64": (plugin("one", ADD_HEADER, configuration={"@type": f"{TYPE}google.protobuf.BytesValue", "value": "%"}), "is no base64"),
    "type": (plugin("one", ADD_HEADER, configuration={"@type": f"{TYPE}no.such.Type", "value": 1}), "cannot be written as no.such.Type"),
    "no type": (plugin("one", ADD_HEADER, configuration={"value": 1}), "'@type' is missing"),
    "flag": (plugin("one", ADD_HEADER, allow_on_headers_stop_iteration="maybe"), "must be true or false"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("which", _REFUSED)
def test_envoy_refuses_what_is_refused(envoy_binary: Path, tmp_path: Path, which: str) -> None:
    config, told = _REFUSED[which]
    file = written(tmp_path, _whole(wasm("one", config)))
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert told in str(caught.value) and caught.value.where.startswith(f"{file}: line ") and caught.value.remedy
    good, said = _taken(envoy_binary, file)
    assert not good, said
