"""The look of the workbench's plotly figures, as templates of plotly: `workbench_light`, `workbench_dark`, and one for any page."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import plotly.graph_objects as go
import plotly.io as pio

__all__ = ["COLOURS", "Theme", "hatch", "template"]

Theme: TypeAlias = Literal["any", "light", "dark"]

# "any" is for figures that do not know the page they stand on: greys halfway between the themes.
COLOURS: dict[str, dict[str, str]] = {
    "any": {"text": "#787878", "accent": "#1976d2", "host": "#8a8a8a", "soft": "#8080802e", "strong": "#999999", "paper": "#00000000"}
    | {"add": "#43a047", "del": "#e05252", "chg": "#d17b1f"},
    "light": {"text": "#5c5c5c", "accent": "#1976d2", "host": "#8a8a8a", "soft": "#eeeeee", "strong": "#bdbdbd", "paper": "#ffffff"}
    | {"add": "#1b5e20", "del": "#b71c1c", "chg": "#aa3c00"},
    "dark": {"text": "#aeaeae", "accent": "#2196f3", "host": "#878787", "soft": "#333333", "strong": "#616161", "paper": "#212121"}
    | {"add": "#81c784", "del": "#e98989", "chg": "#ffb74d"},
}


def hatch(theme: Theme) -> dict[str, Any]:
    """The pattern that host time always has."""
    colour = COLOURS[theme]
    return {"shape": "/", "fgcolor": colour["host"], "bgcolor": colour["paper"], "size": 5, "fillmode": "overlay"}


def template(theme: Theme) -> go.layout.Template:
    """Values have a grid, nothing else has; no shadow, no legend. Known to plotly as `workbench_light`, `workbench_dark`, `workbench_any`
    from the first call on."""
    name = f"workbench_{theme}"
    if name not in pio.templates:
        pio.templates[name] = _template(theme)
    return pio.templates[name]


def _template(theme: Theme) -> go.layout.Template:
    colour = COLOURS[theme]
    axis = {"zeroline": False, "ticks": "", "gridcolor": colour["soft"], "gridwidth": 1, "automargin": True, "nticks": 6}
    return go.layout.Template(
        layout={
            "font": {"family": 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif', "size": 11, "color": colour["text"]},
            "title": {"font": {"size": 13}, "x": 0, "xanchor": "left"},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 44, "r": 12, "t": 8, "b": 24},
            "xaxis": {**axis, "showgrid": False, "linecolor": colour["strong"]},
            "yaxis": {**axis, "showgrid": True},
            "colorway": [colour[name] for name in ("accent", "host", "add", "chg", "del")],
            "hoverlabel": {"bordercolor": colour["strong"], "font": {"size": 12}, "align": "left"},
            "hovermode": "closest",
            "showlegend": False,
        }
    )
