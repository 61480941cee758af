"""Filter Workbench: replay captured mitmproxy traffic through Proxy-Wasm filters and see what they changed, decided and cost.

    import workbench as wb

    capture = wb.open_capture("captures/toystore.mitm")
    chain = wb.Chain(wb.Filter("sample_filters/add_header/add_header.wasm"))
    replay = chain.replay(capture)
    replay[12]

Names are loaded when they are first used: `import workbench` brings in no WebAssembly engine, no proxy and no notebook library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import CaptureError, ConfigError, FilterLoadError, InterceptError, ReplayError, WorkbenchError

if TYPE_CHECKING:
    from . import config
    from .capture import open_capture
    from .chain import Chain
    from .filter import Filter
    from .publish import serve_filter
    from .replay import Replay, compare
    from .widgets import Workbench

__version__ = "0.1.0"

__all__ = [
    "CaptureError", "Chain", "ConfigError", "Filter", "FilterLoadError", "InterceptError", "Replay", "ReplayError", "Workbench",
    "WorkbenchError", "compare", "config", "open_capture", "serve_filter",
]  # fmt: skip

_LAZY = {
    "Chain": "chain",
    "Filter": "filter",
    "Replay": "replay",
    "Workbench": "widgets",
    "compare": "replay",
    "config": "config",
    "open_capture": "capture",
    "serve_filter": "publish",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_LAZY[name]}", __name__)
    value = module if _LAZY[name] == name else getattr(module, name)
    globals()[name] = value
    return value


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext workbench`: the magics `%replay` and `%%filter`."""
    from .magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext workbench`."""
    from .magics import unload

    unload(shell)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where the JupyterLab extension lies, for `jupyter-builder develop`."""
    return [{"src": "labextension", "dest": "filter-workbench"}]


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
