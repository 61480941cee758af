"""Objects of Istio that several tests read."""

from __future__ import annotations

import textwrap
from pathlib import Path

from tests.config.envoy_files import ADD_HEADER, TOKEN_BUCKET

__all__ = ["ADD_HEADER", "BASIC_AUTH", "TOKEN_BUCKET", "plugin", "stored"]

# The form in which EnvoyFilters brought Wasm filters before there was a WasmPlugin: one puts a filter there that another configures.
BASIC_AUTH = """\
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: basic-auth, namespace: istio-system}
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: GATEWAY
      listener: {filterChain: {filter: {name: envoy.http_connection_manager}}}
      proxy: {proxyVersion: ^1\\.9.*}
    patch:
      operation: INSERT_BEFORE
      value:
        name: istio.auth
        config_discovery:
          config_source: {ads: {}, initial_fetch_timeout: 0s}
          type_urls: ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"]
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: auth-config, namespace: istio-system}
spec:
  configPatches:
  - applyTo: EXTENSION_CONFIG
    match: {context: GATEWAY}
    patch:
      operation: ADD
      value:
        name: istio.auth
        typed_config:
          '@type': type.googleapis.com/udpa.type.v1.TypedStruct
          type_url: type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
          value:
            config:
              configuration:
                '@type': type.googleapis.com/google.protobuf.StringValue
                value: |
                  {
                    "basic_auth_rules": []
                  }   \n\
              vm_config:
                vm_id: auth
                code: {remote: {http_uri: {uri: "http://modules.example/auth.wasm"}}}
                runtime: envoy.wasm.runtime.v8
"""


def plugin(name: str, spec: str = "", *, namespace: str = "mesh", url: str = f"file://{ADD_HEADER}", created: str = "") -> str:
    """A WasmPlugin; `spec` are lines."""
    about = f"name: {name}, namespace: {namespace}" + (f", creationTimestamp: {created}" if created else "")
    body = textwrap.indent(textwrap.dedent(spec), "  ")
    head = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\n"
    return f"{head}metadata: {{{about}}}\nspec:\n  url: {url}\n{body}\n"


def stored(folder: Path, *texts: str, name: str = "mesh.yaml") -> Path:
    """A file of documents."""
    path = folder / name
    path.write_text("---\n".join(texts), encoding="utf-8")
    return path
