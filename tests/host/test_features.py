from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime

from tests.audit.modules import LOADED, REFUSED
from workbench.host.features import FEATURES, features_used, refused_here

USED = {name: text for name, text in (LOADED | REFUSED).items() if name in FEATURES}


@pytest.mark.parametrize("feature", USED)
def test_each_feature_is_told_apart(feature: str) -> None:
    used, invalid = features_used(bytes(wasmtime.wat2wasm(USED[feature])))
    assert invalid == ""
    assert set(used) - {"simd"} == {feature} - {"simd"}
    assert feature in used


def test_most_of_the_features_have_a_module_here() -> None:
    assert set(FEATURES) - set(USED) == {"memory64", "custom_page_sizes", "stack_switching"}


def test_a_plain_module_uses_none() -> None:
    assert features_used(bytes(wasmtime.wat2wasm(LOADED["plain"]))) == ((), "")


def test_features_come_together() -> None:
    both = "(module (memory 1) (tag $e) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)) (throw $e)))"
    assert features_used(bytes(wasmtime.wat2wasm(both))) == (("bulk_memory", "exceptions"), "")


def test_legacy_exceptions_hide_the_rest() -> None:
    assert features_used(bytes(wasmtime.wat2wasm(LOADED["legacy_exceptions"]))) == (("legacy_exceptions",), "")


def test_what_is_not_valid_says_why() -> None:
    used, invalid = features_used(b"\0asm\1\0\0\0\1\1\xff")
    assert used == () and "offset" in invalid
    assert "\n" not in invalid


def test_this_host_shares_no_memory() -> None:
    assert "threads" in refused_here(bytes(wasmtime.wat2wasm(LOADED["threads"])))
    assert refused_here(bytes(wasmtime.wat2wasm(LOADED["exceptions"]))) == ""


@pytest.mark.parametrize("name", ["add_header", "basic_auth", "body_rewrite", "token_bucket", "trace_every_call"])
def test_sample_filters(sample_filter: Callable[[str], Path], name: str) -> None:
    used, invalid = features_used(sample_filter(name).read_bytes())
    assert invalid == "" and set(used) <= {"bulk_memory"}
