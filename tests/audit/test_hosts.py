"""The table of hosts against what can be asked: the real Envoy, the core's own list, and itself."""

from __future__ import annotations

import datetime
import tomllib
from pathlib import Path

import pytest

from tests.audit.modules import FRAME, LOADED, REFUSED, assembled
from workbench.audit import inspect_module
from workbench.audit.hosts import hosts
from workbench.envoy.config import FilterSpec, bootstrap
from workbench.envoy.process import EnvoyProcess
from workbench.errors import FilterLoadError
from workbench.host.abi import Abi
from workbench.host.compose import core_interface
from workbench.host.features import FEATURES

TABLE = Path(__file__).resolve().parents[2] / "workbench" / "audit" / "hosts.toml"


def started(path: Path) -> bool:
    try:
        with EnvoyProcess(bootstrap([FilterSpec("f", path)], 1)):
            return True
    except FilterLoadError:
        return False


@pytest.mark.envoy
@pytest.mark.parametrize(("what", "text"), [*LOADED.items(), *REFUSED.items()], ids=[*LOADED, *REFUSED])
def test_a_real_envoy_agrees(envoy_binary: Path, tmp_path: Path, what: str, text: str) -> None:
    path = tmp_path / "filter.wasm"
    path.write_bytes(assembled(text))
    verdict = inspect_module(path).verdict("envoy-v8")
    assert started(path) == (what in LOADED)
    assert verdict.runs == ("yes" if what in LOADED else "no"), verdict.reasons


@pytest.mark.envoy
@pytest.mark.parametrize("abi", Abi)
def test_envoy_has_every_function_that_the_table_says(envoy_binary: Path, tmp_path: Path, abi: Abi) -> None:
    offered = hosts()[0].offers(core_interface(), abi)
    imports = []
    for (module, name), type_ in offered.items():
        params, results = type_.replace(",", "").split(" -> ")
        wat = f"(param {params[1:-1]})" + (f" (result {results})" if results != "()" else "")
        imports.append(f'(import "{module}" "{name}" (func {wat}))')
    path = tmp_path / "filter.wasm"
    path.write_bytes(assembled(f"(module {' '.join(imports)} {FRAME.replace('0_2_1', abi.name.removeprefix('V').lower())})"))
    assert len(imports) > 120
    assert started(path)
    assert inspect_module(path).verdict("envoy-v8").runs == "yes"


@pytest.mark.parametrize("what", REFUSED)
def test_what_envoy_refuses_has_a_reason_and_a_remedy(tmp_path: Path, what: str) -> None:
    path = tmp_path / "filter.wasm"
    path.write_bytes(assembled(REFUSED[what]))
    for verdict in inspect_module(path).verdicts:
        assert all(reason.text for reason in verdict.reasons)
        assert verdict.runs == "yes" or verdict.reasons[-1].remedy, verdict


def test_the_table_names_its_sources() -> None:
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    assert isinstance(table["looked_at"], datetime.date)
    for host in table["host"]:
        assert host["sources"], host["id"]
        assert all(source["url"].startswith("https://") and source["version"] for source in host["sources"])


def test_the_table_uses_known_words() -> None:
    names = {each.name for each in core_interface().host}
    wasi = {each.name for each in core_interface().host if each.module.startswith("wasi")}
    assert len({each.id for each in hosts()}) == len(hosts())
    for host in hosts():
        assert set(host.features) | set(host.unsure) <= {*FEATURES, "legacy_exceptions"}, host.id
        assert not set(host.features) & set(host.unsure), host.id
        assert set(host.failing) | set(host.newer.get("names", ())) | set(host.types) <= names, host.id
        for abi in Abi:
            offered = host.offers(core_interface(), abi)
            assert {name for module, name in offered if module == "env" and name.startswith("proxy_")} - set(host.extra) <= names
    for listed in tomllib.loads(TABLE.read_text(encoding="utf-8"))["wasi"].values():
        assert set(listed) <= wasi and len(set(listed)) == len(listed)


def test_callbacks_have_the_types_of_the_core() -> None:
    listed = tomllib.loads(TABLE.read_text(encoding="utf-8"))["callbacks"]
    core = {name: str(each.type) for name, each in core_interface().callbacks(Abi.V0_2_1).items()}
    assert {name: type_ for name, type_ in core.items() if name.startswith("proxy_on_") and name in listed} == {
        name: listed[name] for name in core if name in listed
    }
    assert len(set(core) & set(listed)) >= 13


@pytest.mark.parametrize(
    ("host", "imports", "runs", "says"),
    [
        ("higress", '(import "env" "proxy_redis_call" (func (param i32 i32 i32 i32 i32) (result i32)))', "yes", ""),
        ("envoy-v8", '(import "env" "proxy_redis_call" (func (param i32 i32 i32 i32 i32) (result i32)))', "no", "proxy_redis_call"),
        ("istio", '(import "wasi_snapshot_preview1" "fd_filestat_get" (func (param i32 i32) (result i32)))', "no", "fd_filestat_get"),
        ("envoy-v8", '(import "wasi_snapshot_preview1" "fd_filestat_get" (func (param i32 i32) (result i32)))', "yes", ""),
        ("istio", '(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))', "yes", ""),
        ("trafficserver", '(import "wasi_unstable" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))', "yes", ""),
        ("ngx-wasm-module", '(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))', "no", "sched_yield"),
        ("ngx-wasm-module", '(import "env" "proxy_get_log_level" (func (param i32) (result i32)))', "no", "(i32, i32) -> i32 there"),
        ("ngx-wasm-module", '(import "env" "proxy_grpc_close" (func (param i32) (result i32)))', "warning", "proxy_grpc_close"),
        ("ngx-wasm-module", '(import "env" "proxy_get_header_map_size" (func (param i32 i32) (result i32)))', "no", "map_size"),
        ("apisix", '(import "wasi_snapshot_preview1" "path_link" (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))', "yes", ""),
        (
            "google-service-extensions",
            '(import "env" "proxy_define_metric" (func (param i32 i32 i32 i32) (result i32)))',
            "warning",
            "metric",
        ),
    ],
)
def test_hosts_differ(tmp_path: Path, host: str, imports: str, runs: str, says: str) -> None:
    yes = "(result i32) (i32.const 1)"
    exports = {"context_create": "", "vm_start": yes, "configure": yes}
    if host == "apisix":  # which never calls it
        del exports["vm_start"]
    called = "".join(f'(func (export "proxy_on_{name}") (param i32 i32) {result})' for name, result in exports.items())
    frame = FRAME.replace('"malloc"', '"proxy_on_memory_allocate"')
    path = tmp_path / "filter.wasm"
    path.write_bytes(assembled(f"(module {imports} {frame} {called})"))
    verdict = inspect_module(path).verdict(host)
    assert verdict.runs == runs, verdict.reasons
    assert says in " ".join(reason.text for reason in verdict.reasons)


def test_an_sdk_that_imports_everything_is_no_warning(sample_filter: object) -> None:
    assert callable(sample_filter)
    verdict = inspect_module(sample_filter("token_bucket")).verdict("google-service-extensions")
    assert verdict.runs == "yes"
    assert {reason.level for reason in verdict.reasons} == {"note"}
