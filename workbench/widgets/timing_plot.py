"""The timing figure in plotly, and the workbench's template for figures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from workbench.analysis.words import count, duration, shorten, visible

from .timing import CallbackTime, Theme, timing_sentence

__all__ = ["draw", "template"]

# "any" is for figures that do not know the page they stand on: greys halfway between the themes.
_COLOURS: dict[str, dict[str, str]] = {
    "any": {"text": "#787878", "accent": "#1976d2", "host": "#8a8a8a", "soft": "#8080802e", "strong": "#999999", "paper": "#00000000"},
    "light": {"text": "#5c5c5c", "accent": "#1976d2", "host": "#8a8a8a", "soft": "#eeeeee", "strong": "#bdbdbd", "paper": "#ffffff"},
    "dark": {"text": "#aeaeae", "accent": "#2196f3", "host": "#878787", "soft": "#333333", "strong": "#616161", "paper": "#212121"},
}


class TimingFigure(go.Figure):  # type: ignore[misc]
    """A figure that brings its numbers along as a table and a sentence, for pages that cannot draw it."""

    # The figure's own way to show itself would leave the table behind.
    _ipython_display_ = None

    def __init__(self, *args: Any, times: Sequence[CallbackTime] = (), exchanges: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        object.__setattr__(self, "_told", (tuple(times), exchanges))

    def __repr__(self) -> str:
        times, exchanges = self._told
        return timing_sentence(list(times), exchanges)

    def _repr_mimebundle_(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(super()._repr_mimebundle_(*args, **kwargs))
        bundle.setdefault("text/plain", repr(self))
        bundle.setdefault("text/html", _table(*self._told))
        return bundle


def template(theme: Theme) -> go.layout.Template:
    """The look of the workbench's figures: values have a grid, nothing else has; no shadow, no legend."""
    colour = _COLOURS[theme]
    axis = {"zeroline": False, "ticks": "", "gridcolor": colour["soft"], "gridwidth": 1, "automargin": True, "nticks": 6}
    return go.layout.Template(
        layout={
            "font": {"family": 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif', "size": 11, "color": colour["text"]},
            "title": {"font": {"size": 13}, "x": 0, "xanchor": "left"},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 44, "r": 12, "t": 8, "b": 24},
            "xaxis": {**axis, "showgrid": True, "linecolor": colour["strong"]},
            "yaxis": {**axis, "showgrid": False},
            "colorway": [colour["accent"], colour["host"]],
            "hoverlabel": {"bordercolor": colour["strong"], "font": {"size": 12}, "align": "left"},
            "hovermode": "closest",
            "showlegend": False,
        }
    )


def draw(times: Sequence[CallbackTime], exchanges: int, theme: Theme) -> go.Figure:
    """The figure of `timing.timing_figure`."""
    colour = _COLOURS[theme]
    unit, by = _unit(max((one.filter_ns + one.host_ns for one in times), default=0))
    positions, names = list(range(len(times))), [f"{one.filter + 1} {_label(one.name)} " for one in times]
    about = [
        f"{_label(one.filter_name)}: {_label(one.name)}, {count(one.count)} calls, p50 {duration(one.p50)}, p99 {duration(one.p99)}"
        for one in times
    ]
    hatch = {"shape": "/", "fgcolor": colour["host"], "bgcolor": colour["paper"], "size": 5, "fillmode": "overlay"}
    series = (
        ("filter", [one.filter_ns for one in times], {"color": colour["accent"]}),
        ("host", [one.host_ns for one in times], {"color": colour["host"], "pattern": hatch}),
    )
    figure = TimingFigure(times=times, exchanges=exchanges)
    for name, values, marker in series:
        figure.add_bar(
            name=name,
            x=[value / by for value in values],
            y=positions,
            orientation="h",
            width=0.55,
            marker={**marker, "line": {"width": 0}},
            customdata=[[one, f"{name} {duration(value)}"] for one, value in zip(about, values, strict=True)],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        )
    said = textwrap.wrap(timing_sentence(list(times), exchanges), 120)
    top = 24 + 16 * (len(said) + 1)
    figure.update_layout(
        template=template(theme),
        barmode="stack",
        height=top + 56 + 24 * max(1, len(times)),
        margin={"t": top},
        title={"text": "<br>".join([*said, "Filter solid, host hatched"]), "font": {"size": 12}, "y": 1, "yanchor": "top"},
        title_pad={"t": 8, "l": 12},
        yaxis={"tickmode": "array", "tickvals": positions, "ticktext": names, "autorange": "reversed"},
        xaxis={"title": {"text": f"Sum over {count(exchanges)} exchanges, {unit}", "font": {"size": 11}}, "rangemode": "tozero"},
    )
    return figure


def _label(name: str) -> str:
    """A name for a figure: plotly reads a few tags in labels, so the brackets become quotes."""
    return shorten(visible(name), 60).replace("<", "\u2039").replace(">", "\u203a")


def _unit(ns: float) -> tuple[str, float]:
    return ("ns", 1.0) if ns < 10_000 else ("µs", 1e3) if ns < 10_000_000 else ("ms", 1e6)


def _table(times: Sequence[CallbackTime], exchanges: int) -> str:
    heads = ("", "Callback", "Calls", "Filter", "Host", "p50", "p99")
    rows = (
        (str(one.filter + 1), visible(one.name), count(one.count), *map(duration, (one.filter_ns, one.host_ns, one.p50, one.p99)))
        for one in times
    )
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<p>{escape(timing_sentence(list(times), exchanges))}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
