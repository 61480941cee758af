"""Captures and filters opened as documents in JupyterLab: what its extension asks a view's kernel for.

The extension knows file names and the one call `show(request)`; everything else about a view is decided here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .analysis.redaction import SECRET_HEADERS
from .errors import ConfigError, WorkbenchError, visible

if TYPE_CHECKING:
    from .widgets import Workbench

__all__ = ["show"]

_MIB = 1 << 20
_views: dict[str, tuple[object, Workbench]] = {}
"""The views that are open, so that a page that is loaded anew finds its replay again."""


def show(request: str) -> None:
    """Show a document as the output of the running request.

    `request` is a JSON object. `view` names the view; `kind` is `capture`, `filter`, `begin` (nothing is shown yet) or `close`; `path`
    and `filters` are files from the folder `root` on; `settings` are those of the extension (its schema says what they mean); with `keep`
    a view that is there already is shown again as it is.

    Raises `WorkbenchError` for what cannot be read; its text is what, where and remedy on a line each, with control characters escaped.
    """
    from IPython.display import display

    asked: dict[str, Any] = json.loads(request)
    try:
        _show(asked, display)
    except WorkbenchError as error:
        # apart, for a page that has room for a remedy of its own; each of them is on one line
        error.args = ("\n".join(map(visible, (error.what, error.where, error.remedy))),)
        raise


def _show(asked: dict[str, Any], display: Callable[[Any], Any]) -> None:
    if asked["kind"] == "begin":
        # what a page does with widgets needs them to be loaded
        import_module(".widgets.dashboard", __package__)
        return
    view, root = str(asked["view"]), Path(asked["root"]).expanduser()
    if asked["kind"] == "close":
        _close(view)
        return
    path = _file(root, asked["path"])
    if asked["kind"] == "filter":
        from .filter import Filter

        display(Filter(path, **_limits(asked["settings"])).inspect())
        return
    filters = [_file(root, each) for each in asked["filters"]]
    wanted = (path, tuple(filters))
    kept = _views.get(view)
    if not (asked["keep"] and kept is not None and kept[0] == wanted):
        _close(view)
        kept = _views[view] = (wanted, _replay(path, filters, asked["settings"]))
    display(kept[1])


def _file(root: Path, name: str) -> Path:
    path = root / name
    if not path.is_file():
        remedy = (
            "The kernel has to run where the server's files are; choose another kernel" if not path.parent.is_dir() else "Was it moved?"
        )
        raise ConfigError("the kernel does not see this file", where=str(path), remedy=remedy)
    return path


def _replay(path: Path, filters: list[Path], settings: dict[str, Any]) -> Workbench:
    from .capture import open_capture
    from .chain import Chain
    from .filter import Filter
    from .widgets import Workbench

    limits = _limits(settings)
    chain = Chain(*(Filter(each, **limits) for each in filters))
    return Workbench(open_capture(path), chain, filter_defaults=limits, **_options(settings))


def _options(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that are of a view and its replays."""
    options: dict[str, Any] = {}
    if "time_limit_s" in settings:
        options["settings"] = {"callback_limit_s": float(settings["time_limit_s"])}
    if settings.get("redact"):
        options["redact"] = [str(each) for each in settings.get("redacted_headers", SECRET_HEADERS)]
    if "charts" in settings:
        options["charts"] = str(settings["charts"])
    return options


def _limits(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that are of a filter."""
    limits: dict[str, Any] = {}
    if "memory_limit_mib" in settings:
        limits["memory_limit"] = int(settings["memory_limit_mib"]) * _MIB
    if "failure_policy" in settings:
        limits["failure_policy"] = str(settings["failure_policy"])
    return limits


def _close(view: str) -> None:
    _, workbench = _views.pop(view, (None, None))
    if workbench is not None:
        workbench.cancel()
        # silently: a kernel's other clients never met these widgets, and Lab logs the end of a stranger as an error
        for widget in (workbench, workbench.layout):
            if widget.comm is not None:
                widget.comm.on_msg(None)
                widget.comm._closed = True
        workbench.layout.close()
        workbench.close()
