"""What Envoy would run is the chain that comes of its configuration, whichever part of it a file holds."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.config.envoy_files import (
    ADD_HEADER,
    TOKEN_BUCKET,
    TYPE,
    bootstrap,
    listener,
    manager,
    plugin,
    tcp_proxy,
    text_value,
    wasm,
    written,
)  # fmt: skip
from workbench.capture import open_capture
from workbench.chain import Chain
from workbench.config.envoy import load
from workbench.envoy.config import FilterSpec
from workbench.envoy.config import bootstrap as judged
from workbench.envoy.config import tcp_bootstrap as judged_tcp
from workbench.errors import ConfigError
from workbench.filter import Filter

ONE = wasm("one", plugin("one", ADD_HEADER, configuration=text_value('{"header": "x-one", "value": "1"}')))
TWO = wasm("two", plugin("two", TOKEN_BUCKET, root_id="r", failure_policy="FAIL_OPEN"))
LUA = {"name": "lua", "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.http.lua.v3.Lua"}}
BOTH = (
    Filter(ADD_HEADER, '{"header": "x-one", "value": "1"}', name="one"),
    Filter(TOKEN_BUCKET, name="two", root_id="r", failure_policy="open"),
)


FORMS: dict[str, Any] = {
    "bootstrap": bootstrap(listener("in", [manager(ONE, TWO)])),
    "static_resources": bootstrap(listener("in", [manager(ONE, TWO)]))["static_resources"],
    "listener": listener("in", [manager(ONE, TWO)]),
    "typed listener": {"@type": f"{TYPE}envoy.config.listener.v3.Listener", **listener("in", [manager(ONE, TWO)])},
    "resources": {"resources": [{"@type": f"{TYPE}envoy.config.listener.v3.Listener", **listener("in", [manager(ONE, TWO)])}]},
    "filter chain": {"filters": [manager(ONE, TWO)]},
    "network filters": [manager(ONE, TWO)],
    "manager": manager(ONE, TWO),
    "manager's configuration": manager(ONE, TWO)["typed_config"],
    "http_filters": {"http_filters": [ONE, TWO]},
    "list": [ONE, TWO],
    "dump": {
        "configs": [
            {"@type": f"{TYPE}envoy.admin.v3.BootstrapConfigDump", "bootstrap": bootstrap(listener("in", [manager(ONE, TWO)]))},
            {
                "@type": f"{TYPE}envoy.admin.v3.ListenersConfigDump",
                "dynamic_listeners": [{"name": "in", "active_state": {"listener": listener("in", [manager(ONE, TWO)])}}],
            },
        ]
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_part_of_a_configuration(tmp_path: Path, form: str) -> None:
    for name in ("envoy.yaml", "envoy.json"):
        found = load(written(tmp_path, FORMS[form], name))
        assert (found.filters, found.kind, found.notes) == (BOTH, "http", ())


@pytest.mark.parametrize(
    "value",
    [ONE, ONE["typed_config"], {"config": ONE["typed_config"]["config"]}, ONE["typed_config"]["config"]],
    ids=["filter", "typed_config", "Wasm", "PluginConfig"],
)
def test_one_filter_alone(tmp_path: Path, value: Any) -> None:
    assert load(written(tmp_path, value)).filters == BOTH[:1]


def test_one_network_filter_alone(tmp_path: Path) -> None:
    one = wasm("one", plugin("one", ADD_HEADER), "network")
    for value in (one, one["typed_config"], [one]):
        found = load(written(tmp_path, value))
        assert (found.kind, found.filters) == ("tcp", (Filter(ADD_HEADER, name="one"),))


def test_every_field_of_a_filter(tmp_path: Path) -> None:
    """Fields in camelCase and snake_case, enums by name and number, an Any wrapped in a TypedStruct."""
    text = f"""\
        http_filters:
          - name: envoy.filters.http.wasm
            typed_config:
              "@type": {TYPE}xds.type.v3.TypedStruct
              typeUrl: {TYPE}envoy.extensions.filters.http.wasm.v3.Wasm
              value:
                config:
                  name: all
                  rootId: root
                  failurePolicy: 1
                  allowOnHeadersStopIteration: yes
                  capability_restriction_config: {{allowed_capabilities: {{proxy_log: {{}}}}}}
                  configuration:
                    "@type": {TYPE}google.protobuf.BytesValue
                    value: /wCA
                  vmConfig:
                    vmId: vm
                    runtime: envoy.wasm.runtime.v8
                    code: {{local: {{filename: {TOKEN_BUCKET}}}}}
                    configuration:
                      "@type": {TYPE}google.protobuf.StringValue
                      value: |
                        {{"a": 1}}
                    environmentVariables: {{hostEnvKeys: [HOME_OF, OTHER], keyValues: {{MODE: "1"}}}}
                    nackOnCodeCacheMiss: true
    """
    found = load(written(tmp_path, text), env={"HOME_OF": "here"})
    assert found.filters == (
        Filter(
            TOKEN_BUCKET,
            b"\xff\0\x80",
            name="all",
            root_id="root",
            failure_policy="reload",
            allow_on_headers_stop_iteration=True,
            allowed_capabilities=["proxy_log"],
            vm_id="vm",
            vm_config='{"a": 1}\n',
            env={"HOME_OF": "here", "MODE": "1"},
        ),
    )
    assert [note.split("envoy.yaml: ")[1] for note in found.notes] == [
        "line 25: nack_on_code_cache_miss means nothing here: the module is there from the start",
        "line 24: OTHER comes from the proxy's environment; nobody said env={'OTHER': …} or --host-env OTHER=…, so it is not set",
    ]


def test_what_json_of_protobuf_allows(tmp_path: Path) -> None:
    """Enums in small letters or by number, booleans in quotes, null for a value of a map: real Envoy takes them too."""
    variables = {"environment_variables": {"key_values": {"A": None}}}
    fields: dict[str, Any] = {"failure_policy": "3", "allow_on_headers_stop_iteration": "true", "vm_config": variables}
    capabilities = {"allowed_capabilities": {"proxy_log": None}}
    found = load(written(tmp_path, [wasm("one", plugin("one", ADD_HEADER, capability_restriction_config=capabilities, **fields))])).filters
    assert found == (
        Filter(
            ADD_HEADER,
            name="one",
            failure_policy="open",
            allow_on_headers_stop_iteration=True,
            env={"A": ""},
            allowed_capabilities=["proxy_log"],
        ),
    )


def test_the_older_form_of_fail_open(tmp_path: Path) -> None:
    assert load(written(tmp_path, [wasm("x", plugin("", ADD_HEADER, fail_open=True))])).filters == (
        Filter(ADD_HEADER, name="x", fail_open=True),
    )
    assert load(written(tmp_path, [wasm("envoy.filters.http.wasm", plugin("", ADD_HEADER))])).filters[0].name == "add_header"


def test_other_filters_are_told(tmp_path: Path) -> None:
    rbac = {"name": "rbac", "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.network.rbac.v3.RBAC"}}
    off = {**TWO, "disabled": True}
    native = wasm("stats", {"vm_config": {"runtime": "envoy.wasm.runtime.null", "code": {"local": {"inline_string": "stats"}}}})
    ecds = {"name": "later", "config_discovery": {"config_source": {"ads": {}}, "type_urls": [f"{TYPE}x"]}}
    found = load(written(tmp_path, listener("in", [rbac, manager(LUA, ONE, off, native, ecds)])))
    assert found.filters == BOTH[:1]
    assert [note.split(": ", 2)[2] for note in found.notes] == [
        "rbac stands before HTTP and is not replayed",
        "lua is no Wasm filter and not replayed",
        "two is disabled until a route enables it, and not replayed",
        "stats is compiled into Envoy and not replayed",
        "later gets its configuration from elsewhere and is not replayed",
    ]
    assert all(": line " in note for note in found.notes)
    assert "lua is no Wasm filter" in found.text() and repr(found) == "<Configured listener in: 1 filters, 5 notes>"


def test_modules_that_are_no_filters_are_told(tmp_path: Path) -> None:
    given = bootstrap(listener("in", [manager(ONE)]))
    logger = {"@type": f"{TYPE}envoy.extensions.access_loggers.wasm.v3.WasmAccessLog", "config": plugin("log", ADD_HEADER)}
    given["static_resources"]["listeners"][0]["access_log"] = [{"name": "log", "typed_config": logger}]
    service = {"@type": f"{TYPE}envoy.extensions.wasm.v3.WasmService", "config": plugin("service", ADD_HEADER), "singleton": True}
    given["bootstrap_extensions"] = [{"name": "envoy.bootstrap.wasm", "typed_config": service}]
    notes = load(written(tmp_path, given)).notes
    assert [note.split(": ", 2)[2] for note in notes] == [
        "an access logger of Wasm is no filter and not replayed",
        "a service of Wasm is no filter and not replayed",
    ]


def test_a_buffer_limit_of_its_own_is_told(tmp_path: Path) -> None:
    for limit, notes in ((32768, 1), (1 << 20, 0)):
        found = load(written(tmp_path, {**listener("in", [manager(ONE)]), "per_connection_buffer_limit_bytes": limit}))
        assert len(found.notes) == notes
        assert all("unless it is told buffer_limit=32768" in note for note in found.notes)


def test_discovered_configuration(tmp_path: Path) -> None:
    """It is found among resources of the same file, else the default is taken."""
    discovery = {"config_source": {"ads": {}}, "type_urls": [TWO["typed_config"]["@type"]]}
    extension = {"@type": f"{TYPE}envoy.config.core.v3.TypedExtensionConfig", **TWO}
    entry = {"name": "two", "config_discovery": discovery}
    resources = [{"@type": f"{TYPE}envoy.config.listener.v3.Listener", **listener("in", [manager(ONE, entry)])}, extension]
    assert load(written(tmp_path, {"resources": resources})).filters == BOTH
    entry["config_discovery"] = {**discovery, "default_config": TWO["typed_config"]}
    assert load(written(tmp_path, [ONE, entry])).filters == BOTH
    dump = {"@type": f"{TYPE}envoy.admin.v3.EcdsConfigDump", "ecds_filters": [{"ecds_filter": extension}]}
    state = [{"listener": listener("in", [manager(ONE, {"name": "two", "config_discovery": discovery})])}]
    listeners = {"@type": f"{TYPE}envoy.admin.v3.ListenersConfigDump", "static_listeners": state}
    assert load(written(tmp_path, {"configs": [listeners, dump]})).filters == BOTH


def test_network_filters_are_a_tcp_chain(tmp_path: Path) -> None:
    found = load(written(tmp_path, bootstrap(listener("db", [wasm("one", plugin("one", ADD_HEADER), "network"), tcp_proxy()]))))
    assert (found.kind, found.filters, found.notes) == ("tcp", (Filter(ADD_HEADER, name="one"),), ())
    assert found.chain().kind == "tcp"


def test_one_of_several_chains(tmp_path: Path) -> None:
    file = written(tmp_path, bootstrap(listener("in", [manager(ONE)], [manager(TWO)]), listener("plain", [tcp_proxy()])))
    for wanted in (None, "in"):
        with pytest.raises(ConfigError, match=r"several chains with Wasm filters: in/0, in/1. Choose one with listener=NAME"):
            load(file, listener=wanted)
    assert load(file, listener="in/1").filters == BOTH[1:]
    with pytest.raises(ConfigError, match=r"no listener 'out'. There are in/0, in/1, plain"):
        load(file, listener="out")
    with pytest.raises(ConfigError, match="no Wasm filter in this configuration"):
        load(file, listener="plain")


def test_listeners_without_names_have_numbers(tmp_path: Path) -> None:
    file = written(tmp_path, {"listeners": [{"filter_chains": [{"filters": [manager(each)]}]} for each in (ONE, TWO)]})
    with pytest.raises(ConfigError, match=r"several chains with Wasm filters: 0, 1"):
        load(file)
    assert load(file, listener="1").filters == BOTH[1:]


def test_a_field_in_both_its_forms(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is root_id a second time"):
        load(written(tmp_path, [wasm("one", plugin("one", ADD_HEADER, root_id="x", rootId="y"))]))


def test_chains_that_say_the_same_need_no_choice(tmp_path: Path) -> None:
    assert load(written(tmp_path, bootstrap(listener("a", [manager(ONE)]), listener("b", [manager(ONE)])))).place == "listener a"


def test_code_from_everywhere(tmp_path: Path) -> None:
    code = ADD_HEADER.read_bytes()

    def of(local: dict[str, Any]) -> dict[str, Any]:
        return wasm("one", plugin("one", ADD_HEADER, vm_config={"code": local}))

    inline = load(written(tmp_path, [of({"local": {"inline_bytes": base64.b64encode(code).decode()}})])).filters[0]
    assert inline.path.read_bytes() == code
    (tmp_path / "beside.wasm").write_bytes(code)
    assert load(written(tmp_path, [of({"local": {"filename": "beside.wasm"}})])).filters[0].path == tmp_path / "beside.wasm"
    digest, url = hashlib.sha256(code).hexdigest(), "https://modules.example/one.wasm"
    file = written(tmp_path, [of({"remote": {"http_uri": {"uri": url, "cluster": "c", "timeout": "5s"}, "sha256": digest}})])
    assert load(file, modules={url: ADD_HEADER}).filters == (Filter(ADD_HEADER, name="one", expected_sha256=digest),)
    with pytest.raises(ConfigError, match=r"is fetched by the proxy, not here. Get the module and say where it is: modules="):
        load(file)
    with pytest.raises(ConfigError, match=r"no module is called 'x'. It names https://modules.example/one.wasm"):
        load(file, modules={url: ADD_HEADER, "x": ADD_HEADER})
    with pytest.raises(ConfigError, match="which is no file"):
        load(file, modules={url: tmp_path})
    container = written(tmp_path, [of({"local": {"filename": "container/one.wasm"}})])
    assert load(container, modules={"container/one.wasm": ADD_HEADER}).filters[0].path == ADD_HEADER
    with pytest.raises(ConfigError, match=r"no file 'container/one.wasm' here. Say where the module is"):
        load(container)


def test_a_struct_is_told_to_be_no_json(tmp_path: Path) -> None:
    from google.protobuf.struct_pb2 import Struct

    given = {"@type": f"{TYPE}google.protobuf.Struct", "value": {"b": 1, "a": [1.5, None]}}
    found = load(written(tmp_path, [wasm("one", plugin("one", ADD_HEADER, configuration=given))]))
    assert Struct.FromString(found.filters[0].config)["b"] == 1
    assert "as protobuf, not as JSON" in found.notes[0]


@pytest.mark.parametrize(
    ("chain", "tcp"),
    [
        ([FilterSpec("one", ADD_HEADER)], False),
        ([FilterSpec("one", ADD_HEADER, configuration=b"{}\n"), FilterSpec("two", TOKEN_BUCKET, vm_configuration=b"\xff\0")], False),
        ([FilterSpec("one", ADD_HEADER, "root", vm_id="vm", failure_policy="open", env=(("A", "b"), ("C", "")))], False),
        ([FilterSpec("one", ADD_HEADER, fail_open_old=True, allow_on_headers_stop_iteration=True)], False),
        ([FilterSpec("one", ADD_HEADER, failure_policy="reload", allowed_capabilities=("proxy_log", "proxy_on_tick"))], True),
    ],
)
def test_what_the_judge_writes_comes_back(tmp_path: Path, chain: list[FilterSpec], tcp: bool) -> None:
    made = judged_tcp(chain, 1) if tcp else judged(chain, 1, certificate=(tmp_path / "chain", tmp_path / "key"))
    found = load(written(tmp_path, made, "envoy.json"))
    assert [FilterSpec.of(each) for each in found.filters] == chain
    assert (found.kind, found.notes) == ("tcp" if tcp else "http", ())


def test_a_replay_is_the_same_as_of_a_chain_by_hand(tmp_path: Path, sample_capture: Path) -> None:
    capture = open_capture(sample_capture)
    found = load(written(tmp_path, FORMS["bootstrap"])).chain().replay(capture)
    by_hand = Chain(*BOTH).replay(capture)

    def told(replay: Any) -> list[dict[str, Any]]:
        return [{key: value for key, value in each.items() if key != "timing_ns"} for each in replay.outcomes()]

    assert told(found) == told(by_hand)
    assert any(each["mutations"] for each in told(found))
