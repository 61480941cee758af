from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.modules import FRAME, LOADED, REFUSED, assembled, custom, leb, section, text
from workbench.audit import Inspection, inspect_module
from workbench.chain import Filter
from workbench.cli import main
from workbench.errors import FilterLoadError

HEADER = b"\0asm\1\0\0\0"
FILTERS = Path(__file__).resolve().parents[1] / "filters"
EVIL = "\x1b[2J<script>alert(1)</script>\u202egnp\n"

Inspected = Callable[[bytes | str], Inspection]


@pytest.fixture
def inspected(tmp_path: Path) -> Inspected:
    """`inspected(module)`: the report on bytes, or on a module's text."""

    def look(module: bytes | str) -> Inspection:
        path = tmp_path / "filter.wasm"
        path.write_bytes(assembled(module) if isinstance(module, str) else module)
        return inspect_module(path)

    return look


@pytest.mark.parametrize(
    ("name", "abi", "language", "sdk", "features"),
    [
        ("add_header", "0.2.0", "Go", "", ("bulk_memory",)),
        ("basic_auth", "0.2.1", "Rust", "proxy-wasm-rust-sdk", ()),
        ("body_rewrite", "0.2.1", "Rust", "proxy-wasm-rust-sdk", ()),
        ("token_bucket", "0.2.1", "Rust", "proxy-wasm-rust-sdk", ()),
        ("trace_every_call", "0.2.1", "WAT", "", ("bulk_memory",)),
    ],
)
def test_sample_filters(
    sample_filter: Callable[[str], Path], name: str, abi: str, language: str, sdk: str, features: tuple[str, ...]
) -> None:
    path = sample_filter(name)
    found = Filter(path).inspect()
    assert (found.abi, found.guess.language, found.guess.sdk, found.features) == (abi, language, sdk, features)
    assert found.guess.certain == (language != "WAT") and found.guess.evidence
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() and found.size == path.stat().st_size
    assert found.unknown_imports == () and found.problems == ()
    for host in ("this-workbench", "envoy-v8", "istio", "envoy-wamr"):
        assert found.verdict(host).runs == "yes", (host, found.verdict(host).reasons)
    assert "proxy_on_context_create" in [each.name for each in found.called]
    assert [each.role for each in found.exports].count("marker") == 1
    assert found.memories[0].minimum >= 65536 and found.memories[0].traits == ()
    assert "name" in [each.name for each in found.custom_sections] and found.named_functions


def test_the_go_sample_does_not_run_everywhere(sample_filter: Callable[[str], Path]) -> None:
    found = inspect_module(sample_filter("add_header"))
    reason = found.verdict("ngx-wasm-module").reasons[0]
    assert "sched_yield" in reason.text and reason.remedy


@pytest.mark.parametrize("path", sorted(FILTERS.glob("*.wat")), ids=lambda path: path.stem)
def test_filters_of_the_tests(inspected: Inspected, path: Path) -> None:
    found = inspected(path.read_text())
    assert found.verdict("this-workbench").runs == found.verdict("envoy-v8").runs == "yes"
    assert found.guess.language in ("WAT", "") and not found.guess.certain


def test_three_unknown_imports_are_all_named(inspected: Inspected) -> None:
    found = inspected(REFUSED["three unknown imports"])
    assert [(each.module, each.name) for each in found.unknown_imports] == [("env", "a"), ("env", "b"), ("x", "c")]
    for host in ("this-workbench", "envoy-v8"):
        assert all(name in found.verdict(host).reasons[0].text for name in ("env.a", "env.b", "x.c"))
    report = found.text()
    assert "imports unknown to Envoy (3)" in report
    assert all(f"  {name} () -> ()" in report for name in ("env.a", "env.b", "x.c"))


def test_why_an_import_is_unknown(inspected: Inspected) -> None:
    redis = '(import "env" "proxy_redis_call" (func (param i32 i32 i32 i32 i32) (result i32)))'
    other = '(import "env" "proxy_clear_route_cache" (func (result i32)))'
    wrong = '(import "env" "proxy_log" (func (param i64)))'
    reasons = [each.reason for each in inspected(f"(module {redis} {other} {wrong} {FRAME})").imports]
    assert reasons == [
        "unknown to Envoy; known to Higress 2",
        "only for ABI 0.1.0, the module is of 0.2.1",
        "wrong type: Envoy has (i32, i32, i32) -> i32",
    ]


def test_exports_to_look_at(inspected: Inspected) -> None:
    wrong = '(func (export "proxy_on_tick") (param i64)) (func (export "_start")) (func (export "_initialize"))'
    found = inspected(f'(module {FRAME} {wrong} (func (export "proxy_on_wish")) (global (export "proxy_on_log") i32 (i32.const 0)))')
    reasons = {each.name: (each.role, each.reason) for each in found.exports if each.reason}
    assert reasons == {
        "proxy_on_tick": ("callback", "wrong type: Envoy calls (i32) -> () and refuses the module"),
        "_start": ("other", "not called: another export of that purpose goes first"),
        "proxy_on_wish": ("other", "not called by Envoy"),
        "proxy_on_log": ("other", "a global, not a function: Envoy takes it as missing"),
    }


def test_no_marker_is_a_report(inspected: Inspected) -> None:
    found = inspected(REFUSED["no marker"])
    assert found.abi == "" and found.verdict("this-workbench").runs == "no"
    assert "none: no function names a version" in found.text()
    assert found.text().count("it exports no ABI marker") < 4, "said once for all hosts of one mind"
    assert all(f"  {each.title}: no\n" in found.text() for each in found.verdicts)


def test_a_component_is_a_report(inspected: Inspected) -> None:
    found = inspected(b"\0asm\x0d\0\1\0" + custom("producers") + section(1, assembled(LOADED["plain"])))
    assert found.component and {each.runs for each in found.verdicts} == {"no"}
    assert [each.name for each in found.sections] == ["custom", "core module"]
    assert "wasip1" in found.verdict("envoy-v8").reasons[0].remedy
    assert "a component" in found.text()


def test_garbage_collected_types_are_read_past(inspected: Inspected) -> None:
    """Envoy takes them, this host does not; names are known all the same."""
    found = inspected(LOADED["gc"])
    assert found.features == ("gc",) and found.abi == "0.2.1" and found.problems == ()
    assert [each.name for each in found.exports] == ["memory", "malloc", "proxy_abi_version_0_2_1"]
    assert (found.verdict("envoy-v8").runs, found.verdict("this-workbench").runs) == ("yes", "no")


def test_memory_table_start_and_data(inspected: Inspected) -> None:
    found = inspected(
        '(module (memory (export "memory") 2 5) (table 3 7 funcref) (func $s) (start $s) (data (i32.const 0) "a") (data (i32.const 9) "b")'
        ' (func (export "malloc") (param i32) (result i32) (i32.const 0)) (func (export "proxy_abi_version_0_2_1")))'
    )
    assert [(each.minimum, each.maximum) for each in found.memories] == [(131072, 327680)]
    assert [(each.element, each.minimum, each.maximum) for each in found.tables] == [("funcref", 3, 7)]
    assert (found.start_function, found.data_segments, found.functions) == (0, 2, 3)


def test_debug_information_is_counted(inspected: Inspected) -> None:
    found = inspected(assembled(LOADED["plain"]) + custom(".debug_info", b"x" * 5000) + custom(".debug_str", b"y" * 3000))
    assert found.dwarf_bytes == 8000
    assert "8.0 kB of it debug information" in found.text()


@pytest.mark.parametrize("content", [b"", b"hello, this is text", b"\x7fELF\2\1\1\0\0\0", b"(module)", b"\0asm"])
def test_what_is_no_wasm_is_an_error(inspected: Inspected, content: bytes) -> None:
    with pytest.raises(FilterLoadError):
        inspected(content)


def test_every_cut_of_a_module_is_a_report(inspected: Inspected) -> None:
    whole = assembled(f'(module (import "env" "proxy_done" (func (result i32))) (table 1 funcref) {FRAME})')
    for size in range(8, len(whole) - 1):
        found = inspected(whole[:size])
        assert found.verdict("this-workbench").runs == "no"
        assert found.text() and json.dumps(found.as_dict())


BROKEN = {
    "a section of 4 GiB": HEADER + b"\2" + leb(0xFFFFFFFF) + b"\0",
    "a number without end": HEADER + b"\2" + b"\xff" * 20,
    "a million imports": HEADER + section(2, leb(1_000_000) + b"\0" * 50),
    "four billion exports": HEADER + section(7, leb(0xFFFFFFFF) + b"\0" * 9),
    "a table of an unknown type": HEADER + section(4, b"\1\x01\0\1"),
    "a name that is no UTF-8": HEADER + section(7, b"\1\2\xff\xfe\0\0"),
    "an unknown section": HEADER + section(99, b"abc"),
    "a section twice": HEADER + section(7, b"\0") * 2,
    "a custom section without a name": HEADER + b"\0\0",
    "too many producers": HEADER + custom("producers", leb(1) + text("language") + leb(5000) + (text("Rust") + text("1")) * 5000),
    "producers that lie": HEADER + custom("producers", leb(0xFFFFFFFF) + b"\5"),
    "a name section of nonsense": HEADER + custom("name", b"\1\xff\xff\xff\xff\x0f\xff\xff"),
    "custom sections without end": HEADER + custom("x") * 50_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_malformed_modules_are_bounded(inspected: Inspected, content: bytes) -> None:
    begun = time.monotonic()
    found = inspected(content)
    report = found.text()
    assert time.monotonic() - begun < 5
    assert len(report) < 200_000 and len(found.producers) <= 200 and len(found.custom_sections) <= 10_000
    assert found.verdict("this-workbench").runs == found.verdict("envoy-v8").runs == "no"
    assert len(found._repr_mimebundle_()["text/html"]) < 300_000


def test_hostile_names_stay_text(inspected: Inspected) -> None:
    imports = section(2, leb(1) + text(EVIL) + text(EVIL) + b"\0\0")
    module = HEADER + section(1, b"\1\x60\0\0") + imports + section(7, leb(1) + text(EVIL) + b"\0\0") + custom(EVIL, b"x")
    module += custom("producers", leb(1) + text("processed-by") + leb(1) + text("rustc" + EVIL) + text(EVIL))
    found = inspected(module)
    assert found.imports[0].name == EVIL
    for line in found.text().splitlines():
        assert line.isprintable() or not line
    page = found._repr_mimebundle_()["text/html"]
    assert "<script" not in page and "\x1b" not in page and "\u202e" not in page and "&lt;script&gt;" in page


def test_long_names_are_cut(inspected: Inspected) -> None:
    found = inspected(f'(module (import "env" "{"long" * 5000}" (func)) {FRAME})')
    assert max(map(len, found.text().splitlines())) < 3000
    assert len(found.verdict("envoy-v8").reasons[0].text) < 400


def test_many_unknown_imports_are_counted(inspected: Inspected) -> None:
    imports = "".join(f'(import "env" "wish_{number}" (func))' for number in range(3000))
    found = inspected(f"(module {imports} {FRAME})")
    assert len(found.unknown_imports) == 3000
    assert "imports unknown to Envoy (3000)" in found.text() and "and 2600 more" in found.text()
    assert "3000 imports it does not have" in found.verdict("envoy-v8").reasons[0].text


def test_the_worst_reason_decides(inspected: Inspected) -> None:
    for text_ in (LOADED["simd"], REFUSED["a wrong import"], LOADED["exceptions"]):
        for verdict in inspected(text_).verdicts:
            levels = {reason.level for reason in verdict.reasons}
            assert verdict.runs == ("no" if "no" in levels else "warning" if "warning" in levels else "yes")
    assert inspected(LOADED["simd"]).verdict("envoy-wamr").runs == "warning"
    assert inspected(LOADED["exceptions"]).verdict("envoy-wamr").runs == "no"


def test_the_memory_limit_of_the_filter_counts(tmp_path: Path) -> None:
    path = tmp_path / "filter.wasm"
    path.write_bytes(assembled(LOADED["plain"].replace('"memory") 1', '"memory") 9')))
    assert Filter(path, memory_limit=9 * 65536).inspect().verdict("this-workbench").runs == "yes"
    assert Filter(path, memory_limit=8 * 65536).inspect().verdict("this-workbench").runs == "no"


def test_the_command(inspected: Inspected, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = inspected(REFUSED["three unknown imports"])
    path = str(tmp_path / "filter.wasm")
    assert main(["inspect", path]) == 0
    assert capsys.readouterr().out == report.text()
    assert main(["inspect", path, "--json"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert read["sha256"] == report.sha256 and read["path"] == path
    assert [each["name"] for each in read["imports"] if not each["known"]] == ["a", "b", "c"]
    assert {each["host"]: each["runs"] for each in read["verdicts"]}["envoy-v8"] == "no"
    assert read["verdicts"][1]["sources"][0]["version"] == "1.40.0"
