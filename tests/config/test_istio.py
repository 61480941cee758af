"""What istiod would make of objects is the chain that comes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.config.istio_files import ADD_HEADER, BASIC_AUTH, TOKEN_BUCKET, plugin, stored
from workbench.capture import open_capture
from workbench.chain import Chain
from workbench.config.istio import load
from workbench.errors import ConfigError
from workbench.filter import Filter


def told(notes: tuple[str, ...]) -> list[str]:
    """Notes without their places."""
    return [note.split(": ", 2)[2] for note in notes]


def test_every_field_of_a_plugin(tmp_path: Path) -> None:
    digest = hashlib.sha256(TOKEN_BUCKET.read_bytes()).hexdigest()
    spec = f"""\
        selector: {{matchLabels: {{istio: ingressgateway}}}}
        sha256: {digest}
        imagePullPolicy: Always
        imagePullSecret: secret
        pluginName: root
        pluginConfig: {{window_s: 1_0, text: "<a> é", limit: 1.50, deep: [true, null, {{b: 1e3, a: 2020-01-01}}]}}
        phase: AUTHN
        priority: 10
        failStrategy: FAIL_RELOAD
        vmConfig:
          env: [{{name: A, valueFrom: HOST}}, {{name: B, value: b}}, {{name: C, valueFrom: INLINE}}, {{name: D, valueFrom: HOST}}]
        match: [{{mode: CLIENT, ports: [{{number: 80}}]}}]
        type: HTTP
    """
    url = "https://modules.example/limit.wasm"
    found = load(stored(tmp_path, plugin("limit", spec, url=url)), modules={url: TOKEN_BUCKET}, env={"A": "a"})
    assert found.filters == (
        Filter(
            TOKEN_BUCKET,
            '{"deep":[true,null,{"a":"2020-01-01","b":1000}],"limit":1.5,"text":"\\u003ca\\u003e é","window_s":10}',
            name="mesh.limit",
            root_id="root",
            failure_policy="reload",
            env={"A": "a", "B": "b", "C": ""},
            expected_sha256=digest,
        ),
    )
    assert told(found.notes) == [
        "mesh.limit is for istio=ingressgateway, mode CLIENT, port 80 alone; here every exchange meets it",
        "D comes from the proxy's environment; nobody said env={'D': …} or --host-env D=…, so it is not set",
    ]


def test_no_configuration_is_no_bytes(tmp_path: Path) -> None:
    found = load(stored(tmp_path, plugin("a"), plugin("b", "pluginConfig: {}"), plugin("c", "pluginConfig: {a: ''}")))
    assert [each.config for each in found.filters] == [b"", b"", b'{"a":""}']


def test_phases_priorities_and_age_give_the_order(tmp_path: Path) -> None:
    one = stored(
        tmp_path,
        plugin("last"),
        plugin("stats", "phase: STATS"),
        plugin("low", "phase: AUTHZ\npriority: 10"),
        plugin("young", "phase: AUTHN", created="2026-01-02T00:00:00Z"),
        plugin("old", "phase: AUTHN", created="2026-01-01T00:00:00Z"),
        name="one.yaml",
    )
    two = stored(tmp_path, plugin("high", "phase: AUTHZ\npriority: 1000"), plugin("unset", "phase: AUTHZ"), name="two.yaml")
    found = load(one, two)
    assert [each.name for each in found.filters] == [f"mesh.{name}" for name in ("old", "young", "high", "low", "unset", "stats", "last")]
    assert found.files == (str(one), str(two)) and found.notes == ()


def test_an_order_that_hangs_on_little_is_told(tmp_path: Path) -> None:
    found = load(stored(tmp_path, plugin("b"), plugin("a"), plugin("c", "phase: STATS\npriority: -1"), plugin("d", "phase: STATS")))
    assert [each.name for each in found.filters] == ["mesh.c", "mesh.d", "mesh.a", "mesh.b"]
    assert told(found.notes) == [
        "mesh.c comes before mesh.d: istiod takes a priority that is not set for less than any; its API calls it 0",
        "mesh.a comes before mesh.b by name alone; phase and priority say no order, nor does their age",
    ]


def test_images_and_their_checksums(tmp_path: Path) -> None:
    digest = "0" * 64
    for url in ("registry.example:5000/limit:1", f"oci://registry.example/limit@sha256:{digest}"):
        found = load(stored(tmp_path, plugin("limit", f"sha256: '{digest}'", url=url)), modules={url: ADD_HEADER})
        assert found.filters == (Filter(ADD_HEADER, name="mesh.limit"),)
        assert told(found.notes) == ["the checksum of mesh.limit is that of an image and not looked at"]


def test_network_plugins_are_a_tcp_chain(tmp_path: Path) -> None:
    file = stored(tmp_path, plugin("a", "type: NETWORK"), plugin("b"))
    with pytest.raises(ConfigError, match="filters for HTTP and for TCP"):
        load(file)
    for kind, name in (("http", "mesh.b"), ("tcp", "mesh.a")):
        found = load(file, kind=kind)  # type: ignore[arg-type]
        assert (found.kind, [each.name for each in found.filters]) == (kind, [name])
    with pytest.raises(ConfigError, match="no filters of the kind 'tcp'"):
        load(stored(tmp_path, plugin("b")), kind="tcp")


def test_traffic_extensions(tmp_path: Path) -> None:
    text = f"""\
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata: {{name: limit, namespace: mesh}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: in}}]
  phase: AUTHN
  wasm: {{url: "file://{TOKEN_BUCKET}", pluginConfig: {{limit: 5}}, failStrategy: FAIL_OPEN}}
---
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata: {{name: script, namespace: mesh}}
spec: {{phase: EXECUTION_PHASE_STATS, lua: {{inlineCode: "function envoy_on_request(h) end"}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: other}}
"""
    found = load(stored(tmp_path, text, plugin("later", "phase: STATS")))
    assert found.filters == (
        Filter(TOKEN_BUCKET, '{"limit":5}', name="mesh.limit", failure_policy="open"),
        Filter(ADD_HEADER, name="mesh.later"),
    )
    assert told(found.notes) == [
        "mesh.limit is for Gateway in alone; here every exchange meets it",
        "mesh.script is Lua and not replayed",
        "ConfigMap is not read",
    ]


def test_an_envoy_filter_that_another_configures(tmp_path: Path) -> None:
    found = load(stored(tmp_path, BASIC_AUTH), modules={"http://modules.example/auth.wasm": ADD_HEADER})
    assert found.filters == (Filter(ADD_HEADER, '{\n  "basic_auth_rules": []\n}   \n', name="istio.auth", vm_id="auth"),)
    assert told(found.notes) == ["istio-system.basic-auth is for GATEWAY, proxyVersion ^1\\.9.* alone; here every exchange meets it"]


def test_basic_auth_of_that_time(tmp_path: Path, sample_capture: Path, sample_filter: Callable[[str], Path]) -> None:
    """The filter takes the text with the blanks behind it, and refuses whom it must."""
    rules = '"basic_auth_rules": [{"prefix": "/toys", "request_methods": ["POST"], "credentials": ["ok:test"]}]'
    file = stored(tmp_path, BASIC_AUTH.replace('"basic_auth_rules": []', rules))
    replay = (
        load(file, modules={"http://modules.example/auth.wasm": sample_filter("basic_auth")}).chain().replay(open_capture(sample_capture))
    )
    toys = [each for each in replay.outcomes() if each["url"].endswith("/toys")]
    refused = {each["method"] for each in toys if (each["local_response"] or {}).get("status") == 401}
    assert refused == {"POST"} < {each["method"] for each in toys}


def patched(name: str, *patches: tuple[str, str, str], priority: int = 0) -> str:
    """An EnvoyFilter with patches: an operation, the filter it refers to, the name of the Wasm filter it brings."""
    kind = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"
    made = []
    for operation, anchor, brought in patches:
        config = f"{{vm_config: {{code: {{local: {{filename: {ADD_HEADER}}}}}}}}}"
        value = f', value: {{name: {brought}, typed_config: {{"@type": {kind}, config: {config}}}}}' if brought else ""
        sub = f", subFilter: {{name: {anchor}}}" if anchor else ""
        listener = f"{{filterChain: {{filter: {{name: envoy.filters.network.http_connection_manager{sub}}}}}}}"
        made.append(f"  - {{applyTo: HTTP_FILTER, match: {{listener: {listener}}}, patch: {{operation: {operation}{value}}}}}")
    head = f"apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{name: {name}, namespace: mesh}}\n"
    return f"{head}spec:\n  priority: {priority}\n  configPatches:\n" + "\n".join(made) + "\n"


ROUTER = "envoy.filters.http.router"


@pytest.mark.parametrize(
    ("patches", "names"),
    [
        ([("INSERT_BEFORE", ROUTER, "x")], ["mesh.authn", "mesh.authz", "mesh.stats", "mesh.none", "x"]),
        ([("INSERT_BEFORE", "", "x"), ("INSERT_FIRST", "", "w")], ["w", "x", "mesh.authn", "mesh.authz", "mesh.stats", "mesh.none"]),
        ([("INSERT_BEFORE", "envoy.filters.http.jwt_authn", "x")], ["mesh.authn", "x", "mesh.authz", "mesh.stats", "mesh.none"]),
        ([("INSERT_AFTER", "envoy.filters.http.rbac", "x")], ["mesh.authn", "mesh.authz", "x", "mesh.stats", "mesh.none"]),
        (
            [("INSERT_AFTER", "mesh.stats", "x"), ("INSERT_AFTER", "x", "w")],
            ["mesh.authn", "mesh.authz", "mesh.stats", "x", "w", "mesh.none"],
        ),
        ([("REPLACE", "mesh.stats", "x"), ("REMOVE", "mesh.authn", "")], ["mesh.authz", "x", "mesh.none"]),
        (
            [("REMOVE", "envoy.filters.http.cors", ""), ("INSERT_BEFORE", ROUTER, "x")],
            ["mesh.authn", "mesh.authz", "mesh.stats", "mesh.none", "x"],
        ),
    ],
)
def test_patches_find_their_place(tmp_path: Path, patches: list[tuple[str, str, str]], names: list[str]) -> None:
    phases = {"authn": "AUTHN", "authz": "AUTHZ", "stats": "STATS", "none": "UNSPECIFIED_PHASE"}
    plugins = [plugin(name, f"phase: {phase}") for name, phase in phases.items()]
    found = load(stored(tmp_path, patched("p", *patches), *plugins))
    assert ([each.name for each in found.filters], found.notes) == (names, ())


def test_patches_in_the_order_of_their_filters(tmp_path: Path) -> None:
    late = patched("a", ("INSERT_FIRST", "", "late"), priority=5)
    early, root = patched("b", ("INSERT_FIRST", "", "early")), patched("z", ("INSERT_FIRST", "", "root")).replace("mesh}", "istio-system}")
    assert [each.name for each in load(stored(tmp_path, late, early, root)).filters] == ["late", "early", "root"]


def test_patches_that_find_nothing(tmp_path: Path) -> None:
    found = load(stored(tmp_path, patched("p", ("INSERT_AFTER", "gone", "x"), ("REPLACE", "gone", "w"), ("MERGE", ROUTER, "z"))))
    assert [each.name for each in found.filters] == ["x"]
    assert told(found.notes) == [
        "mesh.p: MERGE of HTTP_FILTER is not read",
        "gone is not in these files: x is taken as the last filter",
        "REPLACE of gone changes nothing in these files",
    ]
    for patch in (("ADD", "", "x"), ("INSERT_AFTER", "", "x"), ("INSERT_AFTER", ROUTER, "x")):
        with pytest.raises(ConfigError, match=r"x would stand behind envoy.filters.http.router, which Envoy refuses"):
            load(stored(tmp_path, patched("p", patch)))


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (plugin("a").replace("v1alpha1", "v1"), 1, "unknown version 'extensions.istio.io/v1' of WasmPlugin. Write"),
        (plugin("a", "pluginconfig: {}"), 6, "unknown field 'pluginconfig'"),
        (plugin("a", "phase: AUTHX"), 6, "unknown value 'AUTHX'"),
        (plugin("a", "failStrategy: FAIL_CLOSED"), 6, "unknown value 'FAIL_CLOSED'"),
        (plugin("a", "priority: high"), 6, "is no whole number of 32 bits"),
        (plugin("a", "sha256: abc"), 6, "is not 64 hexadecimal digits"),
        (plugin("a", "pluginConfig: {a: .inf}"), 6, "'.inf' is no value of JSON"),
        (plugin("a", "pluginConfig: [1]"), 6, "must be a mapping"),
        (plugin("a", f"sha256: '{'1' * 64}'", url=f"oci://r/a@sha256:{'0' * 64}"), 6, "is not the one in the url"),
        (plugin("a", url="ftp://modules.example/a.wasm"), 5, "has the scheme 'ftp'"),
        (plugin("a", url="oci://r/a"), 5, "oci://r/a is fetched by the proxy, not here. Get the module and say where it is"),
        (plugin("a", url="file:///nowhere/a.wasm"), 5, "no file '/nowhere/a.wasm' here"),
        (plugin("a", "vmConfig: {env: [{name: A, value: a}, {name: A}]}"), 6, "A is here a second time"),
        (plugin("a", "vmConfig: {env: [{name: A, valueFrom: HOST, value: a}]}"), 6, "A comes from the proxy's environment and has a value"),
        (plugin("a") + "---\n" + plugin("a"), 8, "a second plugin mesh.a"),
        ("kind: WasmPlugin\n", 1, "'apiVersion' is missing"),
        (patched("p", ("INSERT_FIRST", "", "")), 7, "has no value"),
        (patched("p", ("INSERT_SECOND", "", "x")), 7, "unknown value 'INSERT_SECOND'"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(tmp_path: Path, text: str, line: int, what: str) -> None:
    file = stored(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert what in str(caught.value) and caught.value.where == f"{file}: line {line}" and caught.value.remedy


def test_a_file_without_filters(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no Wasm filter to replay in these files"):
        load(stored(tmp_path, "apiVersion: v1\nkind: ConfigMap\n"))


def test_a_replay_is_the_same_as_of_a_chain_by_hand(tmp_path: Path, sample_capture: Path) -> None:
    capture = open_capture(sample_capture)
    file = stored(
        tmp_path,
        plugin("second", "pluginConfig: {header: x-two, value: two}"),
        plugin("first", "phase: AUTHN\npluginConfig: {header: x-one, value: one}"),
    )
    by_hand = Chain(
        Filter(ADD_HEADER, {"header": "x-one", "value": "one"}, name="mesh.first"),
        Filter(ADD_HEADER, {"header": "x-two", "value": "two"}, name="mesh.second"),
    )

    def outcomes(chain: Chain) -> list[dict[str, Any]]:
        return [{key: value for key, value in each.items() if key != "timing_ns"} for each in chain.replay(capture).outcomes()]

    found = outcomes(load(file).chain())
    assert found == outcomes(by_hand)
    assert {each["name"] for one in found for each in one["mutations"]} == {"x-one", "x-two"}
