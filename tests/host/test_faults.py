"""What a trap is told as: the functions of the filter's own, as their language spells them."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from workbench.capture import open_capture
from workbench.chain import Chain

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("symbol", "told"),
    [
        ("_ZN9my_filter5parse17h0123456789abcdefE", "in my_filter::parse"),
        ("_ZN64_$LT$my_filter..F$u20$as$u20$proxy_wasm..traits..HttpContext$GT$3run17h0123456789abcdefE", "in <my_filter::F as proxy_wasm"),
        ("_RNvCs1234_7mycrate3foo", "in mycrate["),
        ("_ZN2my5parseEi", "in my::parse(int)"),
        ("parse", "in parse"),
        ("_ZN4core9panicking9panic_fmt17h0123456789abcdefE", "in function 3"),
    ],
)
def test_names_are_spelt_as_in_the_source(tmp_path: Path, symbol: str, told: str) -> None:
    """Rust's two manglings, that of C++, and a plain name; the machinery of a panic is left out."""
    path = tmp_path / "f.wasm"
    path.write_bytes(
        wasmtime.wat2wasm(f"""(module (memory (export "memory") 1)
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
            (func ${symbol} unreachable)
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call ${symbol}) (i32.const 0)))""")
    )
    replay = Chain(path).replay(open_capture(REPO / "captures" / "burst.mitm"))
    message = replay.failures["message"].iloc[0]
    assert message.startswith("reached `unreachable`") and told in message
    assert "0123456789abcdef" not in message
