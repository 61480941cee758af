"""Filter Workbench: what a Proxy-Wasm filter does to captured traffic, seen from a notebook."""

__version__ = "0.1.0"
