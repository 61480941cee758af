"""The magics in a real IPython shell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from workbench.chain import Chain
from workbench.errors import ConfigError, FilterLoadError
from workbench.magics import _complete

WAT = """(module
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "x-cell")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $add (i32.const 0) (i32.const 16) (i32.const 6) (i32.const 16) (i32.const 6)))
    (i32.const 0)))
"""


@pytest.fixture
def shell() -> Iterator[Any]:
    made: Any = InteractiveShell.instance()
    made.run_line_magic("load_ext", "workbench")
    yield made
    made.run_line_magic("unload_ext", "workbench")
    assert made.find_line_magic("replay") is None
    InteractiveShell.clear_instance()


def test_a_capture_through_a_file(shell: Any, sample_capture: Path, sample_filter: Callable[[str], Path]) -> None:
    replay = shell.run_line_magic("replay", f"'{sample_capture}' '{sample_filter('token_bucket')}'")
    assert replay.count("limited") > 0
    replay = shell.run_line_magic("replay", f"'{sample_capture}' '{sample_filter('token_bucket')}' --config '{{\"burst\": 1000}}'")
    assert replay.chain.filters[0].config == b'{"burst": 1000}'


def test_a_filter_of_a_cell_is_replayed_by_its_name(shell: Any, sample_capture: Path) -> None:
    made = shell.run_cell_magic("filter", "mine", WAT)
    assert shell.user_ns["mine"] is made
    replay = shell.run_line_magic("replay", f"'{sample_capture}' mine")
    assert set(replay.mutations["name"]) == {"x-cell"}


def test_text_that_is_none_is_told_with_its_line(shell: Any) -> None:
    with pytest.raises(FilterLoadError, match="line 2"):
        shell.run_cell_magic("filter", "mine", "(module\n  (func (i32.cons 3)))")
    assert "mine" not in shell.user_ns


@pytest.mark.parametrize(
    ("line", "says"),
    [("", "capture"), ("a.mitm --config 1", "1 configurations for 0 filters"), ("'a", "quot"), ("a b --nothing c", "--nothing")],
)
def test_a_line_that_cannot_be_meant(shell: Any, line: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        shell.run_line_magic("replay", line)


def test_a_name_that_cannot_be_a_variable(shell: Any) -> None:
    with pytest.raises(ConfigError, match="variable"):
        shell.run_cell_magic("filter", "../up", WAT)


def test_files_are_completed(shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mitm", "b.wasm", "c.txt", "sub/d.wasm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    shell.run_cell_magic("filter", "mine", WAT)
    assert _complete(shell, SimpleNamespace(line="%replay ")) == ["sub/", "a.mitm"]
    assert _complete(shell, SimpleNamespace(line="%replay a.mitm ")) == ["sub/", "b.wasm", "mine"]
    assert _complete(shell, SimpleNamespace(line="%replay a.mitm sub/")) == ["sub/d.wasm"]


def test_a_word_that_is_no_filter_says_what_it_is(shell: Any, sample_capture: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing here is named stamp\. Run the %%filter cell"):
        shell.run_line_magic("replay", f"{sample_capture} stamp")
    shell.push({"chain": Chain()})
    with pytest.raises(ConfigError, match="chain is a Chain, not a filter"):
        shell.run_line_magic("replay", f"{sample_capture} chain")
