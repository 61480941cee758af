"""A sweep as a plotly figure: the share that is limited against the limit, for all requests and for each key."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from workbench.analysis.decision_lanes import short_keys
from workbench.analysis.laboratory import Setting, Sweep
from workbench.analysis.words import count, duration, shorten, visible

from .templates import COLOURS, Theme, template

__all__ = ["SweepFigure", "sweep_figure", "sweep_sentence"]

_MOST_KEYS = 8
_MOST_ROWS = 60
_APART = 0.045
"""Shares at which two names stand clear of each other."""


class SweepFigure(go.Figure):  # type: ignore[misc]
    """A figure that brings its numbers along as a table and a sentence, for pages that cannot draw it."""

    # The figure's own way to show itself would leave the table behind.
    _ipython_display_ = None

    def __init__(self, *args: Any, sweep: Sweep, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        object.__setattr__(self, "_sweep", sweep)

    def __repr__(self) -> str:
        return sweep_sentence(self._sweep)

    def _repr_mimebundle_(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(super()._repr_mimebundle_(*args, **kwargs))
        bundle.setdefault("text/plain", repr(self))
        bundle.setdefault("text/html", _table(self._sweep))
        return bundle


def sweep_sentence(sweep: Sweep) -> str:
    """The figure in words."""
    n = len(sweep.requests)
    if not sweep.settings or not n:
        return "No setting was tried on any request."
    counts = [int(one.sum()) for one in sweep.limited]
    least, most = int(np.argmin(counts)), int(np.argmax(counts))
    free = [setting.limit for setting, limited in zip(sweep.settings, counts, strict=True) if not limited]
    more = f" From {count(min(free))} on none is limited." if free else ""
    stopped = "" if sweep.complete else f" Stopped after {count(len(counts))} of {count(sweep.wanted)} settings."
    return (
        f"{count(len(counts))} settings on {count(n)} requests: from {count(counts[most])} limited ({sweep.settings[most].words()}) "
        f"to {count(counts[least])} ({sweep.settings[least].words()}).{more}{stopped}"
    )


def sweep_figure(sweep: Sweep, *, theme: Theme = "any") -> go.Figure:
    """The limited share against the limit: thick for all requests, thin for each of the keys that are limited most, and shaded between the
    strictest and the laxest that workers can be. Several windows, algorithms or numbers of workers are a line each, without keys.

    It holds numbers and the names of keys, which are captured. `theme` is light, dark, or any.
    """
    colour = COLOURS[theme]
    figure = SweepFigure(sweep=sweep)
    n = max(len(sweep.requests), 1)
    lines = _lines(sweep)
    palette = [colour[name] for name in ("accent", "chg", "add", "del", "host")]
    for number, (name, places) in enumerate(lines.items()):
        limits = [sweep.settings[at].limit for at in places]
        stroke = palette[number % len(palette)]
        ends = [[values[at] / n for at in places] for values in (sweep.strictest, sweep.laxest)]
        if ends[0] != ends[1]:
            figure.add_scatter(x=limits, y=ends[0], mode="lines", line={"width": 0}, hoverinfo="skip")
            figure.add_scatter(
                x=limits, y=ends[1], mode="lines", line={"width": 0}, fill="tonexty", fillcolor=_faint(stroke), hoverinfo="skip"
            )
        shares = [int(sweep.limited[at].sum()) / n for at in places]
        _line(figure, limits, shares, name or "all requests", stroke, 2.5)
    if len(lines) == 1:
        places = next(iter(lines.values()))
        limits = [sweep.settings[at].limit for at in places]
        total = np.bincount(sweep.requests.key, minlength=len(sweep.requests.keys))
        hits = np.stack([sweep.limited[at] for at in places])
        order = np.argsort(-hits.sum(axis=0), kind="stable")[:_MOST_KEYS]
        if len(total) > 1:
            for key, label in zip(order.tolist(), short_keys([sweep.requests.keys[at] for at in order.tolist()]), strict=True):
                _line(figure, limits, (hits[:, key] / max(int(total[key]), 1)).tolist(), _label(label) or "none", colour["host"], 1)
    figure.update_layout(
        template=template(theme),
        height=320,
        margin={"r": 110, "b": 40},
        xaxis={"title": {"text": "Limit", "font": {"size": 11}}},
        yaxis={"title": {"text": "Limited share", "font": {"size": 11}}, "tickformat": ".0%", "rangemode": "tozero"},
    )
    return figure


def _lines(sweep: Sweep) -> dict[str, list[int]]:
    """The settings that differ in nothing but their limit, by what they have in common as far as that differs."""
    names: dict[str, set[str]] = {}
    said: list[dict[str, str]] = []
    for one in sweep.settings:
        parts = _parts(one)
        said.append(parts)
        for name, value in parts.items():
            names.setdefault(name, set()).add(value)
    different = [name for name, values in names.items() if len(values) > 1]
    lines: dict[str, list[int]] = {}
    for at, parts in enumerate(said):
        lines.setdefault(", ".join(filter(None, (parts[name] for name in different))), []).append(at)
    return {name: sorted(places, key=lambda at: sweep.settings[at].limit) for name, places in lines.items()}


def _parts(setting: Setting) -> dict[str, str]:
    """What a setting says beside its limit."""
    return {
        "algorithm": setting.algorithm,
        "aligned": "" if setting.aligned else "from the first hit",
        "window": duration(setting.window_ns),
        "burst": "" if setting.burst is None else f"burst {setting.burst}",
        "workers": "1 worker" if setting.workers == 1 else f"{setting.workers} workers",
        "budgets": f"{setting.budgets} budgets",
        "spread": setting.spread,
    }


def _line(figure: go.Figure, limits: Sequence[int], shares: Sequence[float], name: str, stroke: str, width: float) -> None:
    # the first of those that end in one place is named, the others by the pointer
    ends = [trace.y[-1] for trace in figure.data if trace.mode == "lines+markers+text"]
    free = bool(limits) and all(abs(end - shares[-1]) >= _APART for end in ends)
    figure.add_scatter(
        x=limits,
        y=shares,
        name=name,
        mode="lines+markers+text" if free else "lines+markers",
        marker={"size": 5 if width > 1 else 3},
        line={"width": width, "color": stroke},
        text=[""] * (len(limits) - 1) + [f" {name}"] if free else None,
        textposition="middle right",
        textfont={"color": stroke},
        cliponaxis=False,
        hovertemplate="%{y:.1%} limited at %{x}<extra>" + name + "</extra>",
    )


def _faint(colour: str) -> str:
    return f"{colour[:7]}2e"


def _label(name: str) -> str:
    """A key for a figure: plotly reads a few tags in labels and fields in templates, so their brackets become quotes."""
    return shorten(visible(name), 24).translate(str.maketrans("<>{}%", "\u2039\u203a()\u066a"))


def _table(sweep: Sweep) -> str:
    heads = ("Setting", "Requests", "Limited", "Share", "Strictest", "Laxest")
    n = max(len(sweep.requests), 1)
    rows = [
        (
            setting.words(),
            count(len(sweep.requests)),
            count(int(limited.sum())),
            f"{100 * limited.sum() / n:.1f}\u202f%",
            count(high),
            count(low),
        )
        for setting, limited, high, low in zip(sweep.settings, sweep.limited, sweep.strictest, sweep.laxest, strict=True)
    ]
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[:_MOST_ROWS])
    return f"<p>{escape(sweep_sentence(sweep))}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
