"""WebAssembly text to a module, for filters written in a notebook."""

from __future__ import annotations

from ..errors import FilterLoadError

__all__ = ["assemble"]

_MOST_TEXT = 4 << 20


def assemble(text: str, where: str) -> bytes:
    """The module that a WAT text is. Raises `FilterLoadError` with the place and what is wrong there."""
    import wasmtime

    if len(text) > _MOST_TEXT:
        raise FilterLoadError(f"{len(text)} characters of text", where=where, remedy=f"{_MOST_TEXT} are the most")
    try:
        return bytes(wasmtime.wat2wasm(text))
    except (wasmtime.WasmtimeError, UnicodeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        place = next((line.rpartition(":")[0].rpartition(":")[2] for line in lines if line.startswith("-->")), "")
        what = lines[0] if lines else "no WebAssembly text"
        raise FilterLoadError(
            f"line {place}: {what}" if place else what, where=where, remedy="The text form is described in the WebAssembly specification"
        ) from None
