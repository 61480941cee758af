"""Loading and starting: which functions are called, in which order, and what refuses a filter."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.wat import OUT, TRAP, Nth, Ret, call, show
from workbench.host.abi import Abi

CONFIG, VM_CONFIG = show("body", 7, 0, 100, OUT, OUT), show("body", 6, 0, 100, OUT, OUT)
OLD = show("proxy_get_configuration", OUT, OUT)
MODULE = """(module IMPORT
  (memory (export "memory") 1) (func (export "malloc") (param i32) (result i32) (i32.const 64)) MARKER CALLBACKS)"""
IMPORTING = MODULE.replace("MARKER", '(func (export "proxy_abi_version_0_2_1"))').replace("CALLBACKS", "")
MARKED = MODULE.replace("MARKER", '(func (export "proxy_abi_version_0_2_1"))').replace("IMPORT", "")
MODULE = MODULE.replace("IMPORT", "")

CASES = [
    case(
        "start/order of callbacks",
        "the root context starts, a stream is created, log comes before done and delete, the root ends last (cpp-host; Envoy: log first)",
        plugin(every=True),
        """
        proxy_on_context_create(1, 0)
        proxy_on_vm_start(1, 0) -> true
        proxy_on_configure(1, 0) -> true
        proxy_on_context_create(2, 1)
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_body(2, 0, 1) -> Continue
        proxy_on_log(2)
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "start/on_vm_start refuses",
        "on_vm_start returning 0 refuses the filter before on_configure (spec)",
        plugin(vm_start=[Ret(0)], configure=[]),
        """
        proxy_on_vm_start(1, 0) -> false
        refused
        """,
    ),
    case(
        "start/configuration in on_configure",
        "the plugin configuration is buffer 7 during on_configure, its size the argument (spec; not in later callbacks: cpp-host)",
        plugin(configure=[show("body", 7, 0, 100, OUT, OUT)], request_headers=[call("body", 7, 0, 100, OUT, OUT)], config="abc"),
        """
        proxy_on_configure(1, 3) -> true
          proxy_get_buffer_bytes(PluginConfiguration, 0, 100) -> Ok
          proxy_log(info) "abc" -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_buffer_bytes(PluginConfiguration, 0, 100) -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "start/on_configure refuses",
        "on_configure returning 0 refuses the filter (spec)",
        plugin(every=True, configure=[Ret(0)]),
        """
        proxy_on_context_create(1, 0)
        proxy_on_vm_start(1, 0) -> true
        proxy_on_configure(1, 0) -> false
        refused
        """,
    ),
    case(
        "start/a trap in on_vm_start",
        "refuses the filter (Envoy)",
        plugin(vm_start=[TRAP], configure=[]),
        """
        proxy_on_vm_start(1, 0) failed
        refused
        """,
    ),
    case(
        "start/a trap when the root is created",
        "refuses the filter: it can never work",
        plugin(context_create=[TRAP], vm_start=[]),
        """
        proxy_on_context_create(1, 0) failed
        refused
        """,
        here_only="it takes such a filter, and answers each request with 503",
    ),
    case(
        "start/VM configuration",
        "is buffer 6, at any time; its size is on_vm_start's argument (spec, cpp-host)",
        plugin(
            vm_config="machine",
            vm_start=[VM_CONFIG, call("body", 7, 0, 9, OUT, OUT)],
            configure=[VM_CONFIG],
            request_headers=[show("body", 6, 2, 3, OUT, OUT)],
        ),
        """
        proxy_on_vm_start(1, 7) -> true
          proxy_get_buffer_bytes(VmConfiguration, 0, 100) -> Ok
          proxy_log(info) "machine" -> Ok
          proxy_get_buffer_bytes(PluginConfiguration, 0, 9) -> NotFound
        proxy_on_configure(1, 0) -> true
          proxy_get_buffer_bytes(VmConfiguration, 0, 100) -> Ok
          proxy_log(info) "machine" -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_buffer_bytes(VmConfiguration, 2, 3) -> Ok
          proxy_log(info) "chi" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "start/configuration when the root is created",
        "it can be read there too, by the first root of a VM (cpp-host)",
        plugin(config="abc", context_create=[Nth(1, (CONFIG,)), Nth(2, (CONFIG,))]),
        """
        proxy_on_context_create(1, 0)
          proxy_get_buffer_bytes(PluginConfiguration, 0, 100) -> Ok
          proxy_log(info) "abc" -> Ok
        proxy_on_context_create(2, 1)
          proxy_get_buffer_bytes(PluginConfiguration, 0, 100) -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "start/no configuration",
        "Ok and empty, sizes 0 (cpp-host)",
        plugin(vm_start=[VM_CONFIG], configure=[CONFIG]),
        """
        proxy_on_vm_start(1, 0) -> true
          proxy_get_buffer_bytes(VmConfiguration, 0, 100) -> Ok
          proxy_log(info) "" -> Ok
        proxy_on_configure(1, 0) -> true
          proxy_get_buffer_bytes(PluginConfiguration, 0, 100) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "start/configuration in ABI 0.1.0",
        "proxy_get_configuration: the plugin's where that can be read, else the VM's (cpp-host)",
        plugin(abi=Abi.V0_1_0, config="plugin", vm_config="vm", vm_start=[OLD], configure=[OLD], request_headers=[OLD]),
        """
        proxy_on_vm_start(1, 2) -> true
          proxy_get_configuration() -> Ok
          proxy_log(info) "vm" -> Ok
        proxy_on_configure(1, 6) -> true
          proxy_get_configuration() -> Ok
          proxy_log(info) "plugin" -> Ok
        proxy_on_request_headers(2, 5) -> Continue
          proxy_get_configuration() -> Ok
          proxy_log(info) "vm" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "start/bytes that are no text",
        "a configuration is any bytes (Envoy: BytesValue)",
        plugin(config=b"\xff\x00\x01", configure=[CONFIG]),
        """
        proxy_on_configure(1, 3) -> true
          proxy_get_buffer_bytes(PluginConfiguration, 0, 100) -> Ok
          proxy_log(info) b"\\xff\\x00\\x01" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "start/_initialize, then main",
        "a reactor's are called before the root is created, its main with two zeros (cpp-host)",
        plugin(
            every=True,
            without=["request_headers", "log", "done", "delete"],
            _initialize=[call("log", 2, "init")],
            main=[call("log", 2, "main")],
        ),
        """
        _initialize()
          proxy_log(info) "init" -> Ok
        main()
          proxy_log(info) "main" -> Ok
        proxy_on_context_create(1, 0)
        proxy_on_vm_start(1, 0) -> true
        proxy_on_configure(1, 0) -> true
        """,
        traffic=[],
    ),
    case(
        "start/_start",
        "a command's is called where there is no _initialize (cpp-host)",
        plugin(_start=[call("log", 2, "start")], vm_start=[]),
        """
        _start()
          proxy_log(info) "start" -> Ok
        proxy_on_vm_start(1, 0) -> true
        """,
        traffic=[],
    ),
    case(
        "start/_initialize before _start",
        "only the first is called where both are there (cpp-host)",
        plugin(_initialize=[], _start=[TRAP], vm_start=[]),
        """
        _initialize()
        proxy_on_vm_start(1, 0) -> true
        """,
        traffic=[],
    ),
    case(
        "start/main alone",
        "is not called (cpp-host)",
        plugin(main=[TRAP], vm_start=[]),
        """
        proxy_on_vm_start(1, 0) -> true
        """,
        traffic=[],
    ),
    case(
        "start/what a start function may not call",
        "all but the log and some of WASI ends the filter (cpp-host, V8)",
        plugin(_initialize=[call("tick", 5)], vm_start=[]),
        """
        _initialize() failed
          proxy_set_tick_period_milliseconds(5) failed
        refused
        """,
        traffic=[],
    ),
    case(
        "start/what a start function may call",
        "the log, clocks of WASI, random bytes, the environment (cpp-host)",
        plugin(
            _initialize=[
                call("log", 2, "x"),
                call("clock_time_get", 0, 0, OUT),
                call("random_get", 64, 8),
                call("environ_sizes_get", OUT, OUT),
            ]
        ),
        """
        _initialize()
          proxy_log(info) "x" -> Ok
          clock_time_get(0) -> SUCCESS
          random_get(8) -> SUCCESS
          environ_sizes_get() -> SUCCESS
        """,
        traffic=[],
    ),
    case(
        "start/no ABI marker",
        "refused (spec)",
        plugin(MODULE.replace("MARKER", "").replace("CALLBACKS", "")),
        """
        refused
        """,
    ),
    case(
        "start/an ABI of the future",
        "refused as if it had none (cpp-host)",
        plugin(MODULE.replace("MARKER", '(func (export "proxy_abi_version_0_3_0"))').replace("CALLBACKS", "")),
        """
        refused
        """,
    ),
    case(
        "start/the first marker counts",
        "in the order of the exports: this is an ABI 0.1.0, whose headers callback has two arguments (cpp-host)",
        plugin(
            MODULE.replace("MARKER", '(func (export "proxy_abi_version_0_1_0")) (func (export "proxy_abi_version_0_2_1"))').replace(
                "CALLBACKS", '(func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0))'
            )
        ),
        """
        proxy_on_request_headers(2, 5) -> Continue
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "start/ABI 0.2.0",
        "is taken; it has no proxy_get_log_level (cpp-host)",
        plugin(abi=Abi.V0_2_0, request_headers=[show("get", 0, ":path", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "/p" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "start/the log level",
        "proxy_get_log_level, from 0.2.1 (spec): here trace, 0",
        plugin(request_headers=[show("proxy_get_log_level", OUT), call("proxy_get_log_level", 0xFFFFFFFE)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_log_level() -> Ok
          proxy_log(info) "0" -> Ok
          proxy_get_log_level() -> InvalidMemoryAccess
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "start/an import that does not exist",
        "refused (cpp-host)",
        plugin(IMPORTING.replace("IMPORT", '(import "env" "proxy_paint" (func))')),
        """
        refused
        """,
    ),
    case(
        "start/an import of another version",
        "proxy_clear_route_cache is ABI 0.1.0's (cpp-host)",
        plugin(IMPORTING.replace("IMPORT", '(import "env" "proxy_clear_route_cache" (func (result i32)))')),
        """
        refused
        """,
    ),
    case(
        "start/an import of another type",
        "refused (cpp-host)",
        plugin(IMPORTING.replace("IMPORT", '(import "env" "proxy_log" (func (param i32) (result i32)))')),
        """
        refused
        """,
    ),
    case(
        "start/a callback of another type",
        "refused (cpp-host, V8)",
        plugin(MARKED.replace("CALLBACKS", '(func (export "proxy_on_request_headers") (param i32) (result i32) (i32.const 0))')),
        """
        refused
        """,
    ),
    case(
        "start/no allocator",
        "refused: neither malloc nor proxy_on_memory_allocate (cpp-host)",
        plugin(MARKED.replace('(func (export "malloc") (param i32) (result i32) (i32.const 64))', "").replace("CALLBACKS", "")),
        """
        refused
        """,
    ),
    case(
        "start/no memory",
        "refused: such a filter could be told nothing",
        plugin(MARKED.replace('(memory (export "memory") 1)', "").replace("CALLBACKS", "")),
        """
        refused
        """,
        here_only="it takes such a filter",
    ),
    case(
        "start/only what must be there",
        "a module without callbacks is a filter that does nothing (cpp-host)",
        plugin(MARKED.replace("CALLBACKS", "")),
        """
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "start/another root_id",
        "is the plugin's affair: the host calls the same functions (Envoy)",
        plugin(root_id="nobody", configure=[show("prop", "plugin_root_id", OUT, OUT)], request_headers=[]),
        """
        proxy_on_configure(1, 0) -> true
          proxy_get_property() -> Ok
          proxy_log(info) "nobody" -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
    ),
]
