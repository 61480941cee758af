"""The Timing view's figures in plotly. Aggregated numbers only; names are made harmless, since plotly reads a few tags in labels."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import plotly.graph_objects as go

from workbench.analysis.facts import Outcome
from workbench.analysis.timetree import TimeNode
from workbench.analysis.timing import BINS, Dimension, TimeGroup, Timing
from workbench.analysis.words import count, duration, shorten, visible

from .templates import COLOURS, Theme, hatch, template
from .timing import timing_sentence

if TYPE_CHECKING:
    from workbench.host.baseline import Baseline

__all__ = ["FigureKind", "draw"]

FigureKind: TypeAlias = Literal["sum", "ecdf", "histogram", "capture", "icicle"]

_MOST_ROWS = 24
_MOST_CURVES = 6
_MOST_POINTS = 4000
_WHATS: dict[Dimension, str] = {"callbacks": "callback", "hostcalls": "hostcall", "filters": "filter", "paths": "path"}
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


class TimingFigure(go.Figure):  # type: ignore[misc]
    """A figure that brings its numbers along as a table and a sentence, for pages that cannot draw it."""

    # The figure's own way to show itself would leave the table behind.
    _ipython_display_ = None

    def __init__(self, *args: Any, groups: Sequence[TimeGroup] = (), filters: Sequence[str] = (), told: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        object.__setattr__(self, "_told", (tuple(groups), tuple(filters), told))

    def __repr__(self) -> str:
        return str(self._told[2])

    def _repr_mimebundle_(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(super()._repr_mimebundle_(*args, **kwargs))
        bundle.setdefault("text/plain", repr(self))
        bundle.setdefault("text/html", _table(*self._told))
        return bundle


def draw(timing: Timing, kind: FigureKind, by: Dimension, theme: Theme, baseline: Baseline) -> go.Figure:
    """The figure of `timing_view.TimingView.figure`."""
    by = "callbacks" if kind in ("capture", "icicle") else by
    groups = [group for group in timing.groups(by) if not group.start]
    told = timing_sentence(timing)
    figure = TimingFigure(groups=groups, filters=timing.filters, told=told)
    figure.update_layout(template=template(theme))
    most = sorted(groups, key=lambda group: -group.total.sum)
    if kind == "sum":
        _sum(figure, [group for group in groups if group in most[:_MOST_ROWS]], timing, theme)
    elif kind == "histogram":
        _histogram(figure, [group for group in groups if group in most[:_MOST_CURVES]], timing, by, theme)
    elif kind == "ecdf":
        _ecdf(figure, most[:_MOST_CURVES], timing, by, theme)
    elif kind == "capture":
        _capture(figure, timing, theme)
    else:
        _icicle(figure, timing, theme)
    if kind in ("histogram", "ecdf") and groups:
        figure.add_vline(x=baseline.ns, line={"color": COLOURS[theme]["text"], "width": 1, "dash": "dot"})
        # an annotation on a logarithmic axis is placed by exponent, a line by value
        place = {"x": float(np.log10(baseline.ns)), "y": 1, "yref": "paper", "xanchor": "left", "yanchor": "bottom", "showarrow": False}
        figure.add_annotation(text=f"empty hostcall, {duration(baseline.ns)}", font={"size": 11}, **place)
        axis = timing.axis(by)
        figure.update_xaxes(range=np.log10([min(axis.low, baseline.ns / 1.5), axis.high]).tolist())
    _entitle(figure, told if kind in ("sum", "icicle", "capture") else f"Time of each {_of(by)} by {_WHATS[by]}, filter and host apart")
    return figure


def _entitle(figure: go.Figure, words: str) -> None:
    said = textwrap.wrap(words, 116)
    top = 40 + 16 * len(said)
    title = {"text": "<br>".join(said), "font": {"size": 12}, "y": 1, "yanchor": "top", "pad": {"t": 16, "l": 12}}
    figure.update_layout(title=title, margin={"t": top}, height=(figure.layout.height or 260) + top + 30)


def _sum(figure: go.Figure, groups: Sequence[TimeGroup], timing: Timing, theme: Theme) -> None:
    colour, (unit, by) = COLOURS[theme], _unit(max((group.total.sum for group in groups), default=0))
    positions = list(range(len(groups)))
    over = f"Sum over {count(len(timing.exchange))} exchanges, {unit}. Filter solid, host hatched"
    for name, marker in (("filter", {"color": colour["accent"]}), ("host", {"color": colour["host"], "pattern": hatch(theme)})):
        spreads = [group.own if name == "filter" else group.host for group in groups]
        about = [
            f"{_whole(group, timing)}, {count(group.count)} times<br>{name} {duration(spread.sum)}, p50 {duration(spread.p50)}, "
            f"p99 {duration(spread.p99)}"
            for group, spread in zip(groups, spreads, strict=True)
        ]
        figure.add_bar(
            name=name,
            x=[spread.sum / by for spread in spreads],
            y=positions,
            orientation="h",
            width=0.55,
            marker={**marker, "line": {"width": 0}},
            customdata=about,
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.update_layout(
        barmode="stack",
        height=24 * max(1, len(groups)),
        yaxis={"tickmode": "array", "tickvals": positions, "ticktext": [_short(group) for group in groups], "autorange": "reversed"},
        xaxis={"title": {"text": over, "font": {"size": 11}}, "rangemode": "tozero"},
    )
    figure.update_yaxes(showgrid=False)
    figure.update_xaxes(showgrid=True)


def _log_axis(timing: Timing, by: Dimension) -> dict[str, Any]:
    axis = timing.axis(by)
    return {"type": "log", "tickvals": axis.ticks, "ticktext": [duration(tick) for tick in axis.ticks], "showgrid": True}


def _ecdf(figure: go.Figure, groups: Sequence[TimeGroup], timing: Timing, by: Dimension, theme: Theme) -> None:
    colour = COLOURS[theme]
    for at, group in enumerate(groups):
        curves = timing.curves(by, group.key)
        for part, name in (("own", "filter"), ("host", "host")):
            times, shares = curves[part]
            seen = [(ns, 100 * share) for ns, share in zip(times, shares, strict=True) if ns > 0]
            if not seen:
                continue
            label = f"{_short(group).strip()}, {name}"
            figure.add_scatter(
                name=label,
                x=[ns for ns, _ in seen],
                y=[share for _, share in seen],
                mode="lines",
                line={"shape": "hv", "color": colour["accent" if part == "own" else "host"], "dash": _DASHES[at % len(_DASHES)]},
                customdata=[f"{label}: {share:.3g}\u202f% within {duration(ns)}" for ns, share in seen],
                hovertemplate="%{customdata}<extra></extra>",
            )
    figure.update_layout(
        height=320,
        showlegend=True,
        legend={"font": {"size": 11}, "x": 1.01, "y": 1, "yanchor": "top"},
        xaxis=_log_axis(timing, by),
        yaxis={"title": {"text": f"share of {_of(by)}s within, %", "font": {"size": 11}}, "range": [0, 101], "showgrid": True},
    )


def _histogram(figure: go.Figure, groups: Sequence[TimeGroup], timing: Timing, by: Dimension, theme: Theme) -> None:
    colour = COLOURS[theme]
    edges = timing.axis(by).edges(BINS)
    # each group has a lane of its own: the filter's calls up from its line, the host's down
    for at, group in enumerate(groups):
        most = max(1, *group.own.histogram, *group.host.histogram)
        parts = (("filter", group.own.histogram, 0.46, {"color": colour["accent"]}),)
        parts += (("host", group.host.histogram, -0.42, {"color": colour["host"], "pattern": hatch(theme)}),)  # type: ignore[assignment]
        for name, counts, tall, marker in parts:
            figure.add_bar(
                name=f"{_short(group).strip()}, {name}",
                x=np.sqrt(edges[:-1] * edges[1:]),
                width=np.diff(edges) * 0.94,
                base=len(groups) - at,
                y=[tall * n / most for n in counts],
                marker={**marker, "line": {"width": 0}},
                customdata=[
                    f"{_whole(group, timing)}, {name}: {count(n)} of {count(group.count)} within {duration(low)} to {duration(high)}"
                    for n, low, high in zip(counts, edges[:-1], edges[1:], strict=True)
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
    lanes = [len(groups) - at for at in range(len(groups))]
    figure.update_layout(
        barmode="overlay",
        height=70 * max(1, len(groups)),
        xaxis=_log_axis(timing, by),
        yaxis={"tickvals": lanes, "ticktext": [_short(group) for group in groups], "showgrid": False, "range": [0.45, len(groups) + 0.55]},
    )


def _capture(figure: go.Figure, timing: Timing, theme: Theme) -> None:
    colour, n = COLOURS[theme], len(timing.exchange)
    total = timing.own + timing.host
    # of many exchanges the slowest of each moment, and every so many of the rest
    slow = np.argsort(-total, kind="stable")[: _MOST_POINTS // 4]
    places = np.arange(n) if n <= _MOST_POINTS else np.union1d(slow, np.linspace(0, n - 1, 3 * _MOST_POINTS // 4).astype(np.int64))
    when = timing.time[places].astype("datetime64[ns]")
    failed = timing.outcome[places] == Outcome.ERROR
    for part, name, key in ((timing.own, "filters", "accent"), (timing.host, "host", "host")):
        figure.add_scatter(
            name=name,
            x=when,
            y=np.where(part[places] > 0, part[places].astype(float), np.nan),
            mode="markers",
            marker={
                "size": 5,
                "symbol": np.where(failed, "x", "circle" if key == "accent" else "circle-open"),
                "color": np.where(failed, colour["del"], colour[key]),
            },
            customdata=[f"#{count(index)}, {name} {duration(ns)}" for index, ns in zip(timing.exchange[places], part[places], strict=True)],
            hovertemplate="%{customdata}, %{x|%H:%M:%S.%L}<extra></extra>",
        )
    ticks = [10.0**power for power in range(1, 10)]
    figure.update_layout(
        height=300,
        xaxis={"type": "date", "tickformat": "%H:%M:%S", "showgrid": False},
        yaxis={"type": "log", "tickvals": ticks, "ticktext": [duration(tick) for tick in ticks], "showgrid": True},
    )
    if n > len(places):
        note = f"{count(len(places))} of {count(n)} exchanges, the slowest among them"
        figure.add_annotation(text=note, showarrow=False, x=1, y=1, xref="paper", yref="paper", xanchor="right", yanchor="bottom")


def _icicle(figure: go.Figure, timing: Timing, theme: Theme) -> None:
    colour = COLOURS[theme]
    ids: list[str] = []
    columns: dict[str, list[Any]] = {"labels": [], "parents": [], "values": [], "customdata": [], "colors": [], "shapes": []}

    def add(node: TimeNode, parent: str) -> None:
        at = f"{parent}/{len(ids)}"
        ids.append(at)
        in_host = node.kind in ("hostcall", "host")
        label = f"{node.filter + 1} {_label(node.name)}" if node.kind == "filter" else _label(node.name)
        columns["labels"].append({"all": "All", "traffic": "Exchanges and ticks", "start": "Starting the filters"}.get(node.kind, label))
        columns["parents"].append(parent)
        columns["values"].append(node.ns)
        columns["customdata"].append(f"{duration(node.ns)}, {duration(node.ns - node.host_ns)} filter and {duration(node.host_ns)} host")
        columns["colors"].append(colour["accent"] if node.kind == "own" else colour["host"] if in_host else colour["soft"])
        columns["shapes"].append("/" if in_host else "")
        for child in node.children:
            add(child, at)

    add(timing.tree, "")
    figure.add_icicle(
        ids=ids,
        labels=columns["labels"],
        parents=columns["parents"],
        values=columns["values"],
        branchvalues="total",
        sort=False,
        customdata=columns["customdata"],
        hovertemplate="%{label}<br>%{customdata}<extra></extra>",
        marker={"colors": columns["colors"], "pattern": {**hatch(theme), "shape": columns["shapes"]}},
        tiling={"orientation": "v"},
        root_color="rgba(0,0,0,0)",
    )
    figure.update_layout(height=240, uniformtext={"minsize": 10, "mode": "hide"})


def _of(by: Dimension) -> str:
    return "call" if by in ("callbacks", "hostcalls") else "exchange"


def _short(group: TimeGroup) -> str:
    return f"{group.filter + 1} {_label(group.name)} " if group.filter >= 0 else f"{_label(group.name)} "


def _whole(group: TimeGroup, timing: Timing) -> str:
    return f"{_label(timing.filters[group.filter])}: {_label(group.name)}" if group.filter >= 0 else _label(group.name)


def _label(name: str) -> str:
    """A name for a figure: plotly reads a few tags in labels, so the brackets become quotes."""
    return shorten(visible(name), 60).replace("<", "\u2039").replace(">", "\u203a")


def _unit(ns: float) -> tuple[str, float]:
    return ("ns", 1.0) if ns < 10_000 else ("µs", 1e3) if ns < 10_000_000 else ("ms", 1e6)


def _table(groups: Sequence[TimeGroup], filters: Sequence[str], told: str) -> str:
    heads = ("", "Call", "Count", "Filter", "p50", "p99", "Host", "p50", "p99")
    rows = (
        (
            str(group.filter + 1) if group.filter >= 0 else "",
            visible(group.name),
            count(group.count),
            *(duration(number) for spread in (group.own, group.host) for number in (spread.sum, spread.p50, spread.p99)),
        )
        for group in groups
    )
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<p>{escape(told)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
