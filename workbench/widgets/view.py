"""What every view has in common: its source put together from plain files, and questions answered by messages.

Traits hold small facts only (a count, a selection), since they are copied to every view and may land in a saved notebook.
Rows, details and bodies travel as the buffer of an answer to a question; nothing of them is ever state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import anywidget
import traitlets

from workbench.analysis.words import visible
from workbench.errors import WorkbenchError

__all__ = ["Answer", "Buffers", "View", "script", "style"]


class Buffers(tuple[bytes, ...]):
    """Data of an answer that travel as they are: typed arrays for the page."""

    __slots__ = ()


Answer: TypeAlias = tuple[Mapping[str, Any], Any]
"""Facts for the head of an answer, and the data: `Buffers`, or anything that goes into its buffer as JSON."""

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)


@cache
def script(name: str, mount: str) -> str:
    """The ES module of a view: `name`.js with what it imports from its neighbours put before it, and `mount` as its entry.

    A view reaches the browser as one text without an address, so it could not load a second file.
    """
    parts: dict[str, str] = {}

    def add(module: str) -> None:
        if module in parts:
            return
        source = (_HERE / f"{module}.js").read_text(encoding="utf-8")
        for needed in _IMPORT.findall(source):
            add(needed)
        # Each file keeps its private names to itself; only what it exports is seen by the others.
        exported = re.findall(r"^export const (\w+)", source, re.MULTILINE)
        body = _IMPORT.sub("", source).replace("export const ", "const ")
        parts[module] = f"const {{ {', '.join(exported)} }} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();"

    add(name)
    return "\n".join(parts.values()) + (
        "\nexport default { render({ model, el }) {"
        "\n  const stop = new AbortController();"
        '\n  el.classList.add("fw");'
        '\n  el.dataset.charts = model.get("charts") ?? "auto";'
        f"\n  {mount}(model, el, stop.signal);"
        "\n  return () => stop.abort();"
        "\n} };\n"
    )


@cache
def style(*names: str) -> str:
    """The shared style sheet followed by those of a view's parts."""
    return "\n".join((_HERE / f"{name}.css").read_text(encoding="utf-8") for name in ("fw", *names))


class View(anywidget.AnyWidget):
    """A view that answers questions.

    A question is a message `{"kind": …, "ask": …, …}`; the answer repeats `ask`, so that the view can tell which question it answers.
    Whatever is wrong with a question is an answer too (`error`), never an exception in the kernel's thread.
    """

    total = traitlets.Int(0, help="Number of exchanges").tag(sync=True)
    noun = traitlets.Unicode("exchange", help="What one of them is: exchange or connection").tag(sync=True)
    selected = traitlets.Int(-1, help="Index of the selected exchange in the capture, -1 for none").tag(sync=True)
    revision = traitlets.Int(0, help="Goes up when the data behind the view are other ones").tag(sync=True)
    charts = traitlets.Enum(("auto", "light", "dark"), "auto", help="Theme of what is drawn; auto is the page's").tag(sync=True)
    grown = traitlets.Int(0, help="Goes up when they only became more, while a replay goes on").tag(sync=True)

    _answers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._receive)

    def _receive(self, _widget: object, question: object, _buffers: object) -> None:
        if not isinstance(question, Mapping) or not isinstance(question.get("kind"), str):
            return
        kind, ask = question["kind"], question.get("ask")
        answer: Callable[[Mapping[str, Any]], Answer] | None = getattr(self, f"_answer_{kind}", None) if kind in self._answers else None
        try:
            if answer is None:
                raise WorkbenchError(f"this view has no answer to {kind[:40]!r}")
            head, data = answer(question)
        except (WorkbenchError, LookupError, TypeError, ValueError) as error:
            self.send({"ask": ask, "kind": kind, "error": visible(str(error))[:500]})
            return
        if isinstance(data, Buffers):
            self.send({**head, "ask": ask, "kind": kind, "binary": True}, list(data))
            return
        # Escaping everything beyond ASCII keeps lone surrogates out of the message.
        self.send({**head, "ask": ask, "kind": kind}, [json.dumps(data, ensure_ascii=True, allow_nan=False).encode()])

    def _story(self) -> str:
        """What stands in a saved notebook in place of the view: no captured text."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"{self._story()}. Run the cell to get the view back."

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            # Exports without widget state fall back to this.
            data["text/html"] = f"<p><strong>{escape(self._story())}.</strong> Run the cell to get the view back.</p>"
        return bundle
