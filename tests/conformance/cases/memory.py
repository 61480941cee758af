"""Memory: pointers, and the filter's allocator."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.wat import OUT, Bytes, Raw, Ret, call

FAR = 0xFFFFFFF0
END = 32 << 16

CASES = [
    case(
        "memory/a text out of bounds",
        "InvalidMemoryAccess, computed without going round at 32 bits (cpp-host)",
        plugin(request_headers=[call("log", 2, Bytes(FAR, 32)), call("log", 2, Bytes(END - 3, 4)), call("log", 2, Bytes(END, 0xFFFFFFFF))]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_log(info) -> InvalidMemoryAccess
          proxy_log(info) -> InvalidMemoryAccess
          proxy_log(info) -> InvalidMemoryAccess
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/nothing",
        "of size 0 is fine within and at the end of memory, not behind it (cpp-host)",
        plugin(request_headers=[call("log", 2, Bytes(0, 0)), call("log", 2, Bytes(END, 0)), call("log", 2, Bytes(END + 1, 0))]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_log(info) "" -> Ok
          proxy_log(info) "" -> Ok
          proxy_log(info) -> InvalidMemoryAccess
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/a level before a pointer",
        "BadArgument for a log level that does not exist comes first (cpp-host exports.cc)",
        plugin(request_headers=[call("log", 6, Bytes(FAR, 32)), call("log", 5, "critical"), call("log", 0, "trace")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_log(6) -> BadArgument
          proxy_log(critical) "critical" -> Ok
          proxy_log(trace) "trace" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/a place for results out of bounds",
        "InvalidMemoryAccess, after the work is done (cpp-host)",
        plugin(
            request_headers=[
                call("get", 0, ":path", FAR, OUT),
                call("get", 0, ":path", OUT, END - 3),
                call("get", 0, ":path", OUT, END - 4),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> InvalidMemoryAccess
          proxy_get_header_map_value(HttpRequestHeaders) -> InvalidMemoryAccess
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/a failed call comes before a bad place",
        "NotFound: places are looked at when there is something to write (cpp-host)",
        plugin(request_headers=[call("get", 0, "none", FAR, FAR), call("prop", "none", FAR, FAR), call("size", 9, FAR)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_header_map_size(9) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/a map type before a pointer",
        "BadArgument first, then the name's memory (cpp-host)",
        plugin(
            request_headers=[
                call("get", 9, Bytes(FAR, 32), OUT, OUT),
                call("get", 0, Bytes(FAR, 32), OUT, OUT),
                call("add", 0, "a", Bytes(FAR, 32)),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(9) -> BadArgument
          proxy_get_header_map_value(HttpRequestHeaders) -> InvalidMemoryAccess
          proxy_add_header_map_value(HttpRequestHeaders) -> InvalidMemoryAccess
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/an unaligned place",
        "is as good as any (WebAssembly)",
        plugin(request_headers=[call("get", 0, ":path", 1025, 1031)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/an allocator that gives 0",
        "InvalidMemoryAccess (cpp-host)",
        plugin(malloc=[Ret(0)], request_headers=[call("get", 0, ":path", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> InvalidMemoryAccess
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/an allocator that gives too little",
        "a place that ends behind memory: InvalidMemoryAccess (cpp-host)",
        plugin(malloc=[Ret(END - 1)], request_headers=[call("get", 0, ":path", OUT, OUT), call("get", 0, ":path", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> InvalidMemoryAccess
          proxy_get_header_map_value(HttpRequestHeaders) -> InvalidMemoryAccess
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/an allocator that traps",
        "is a trap of the callback (cpp-host)",
        plugin(malloc=[Raw("(unreachable)")], request_headers=[call("get", 0, ":path", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) failed
          proxy_get_header_map_value(HttpRequestHeaders) failed
        upstream: nothing
        client: 503
        """,
    ),
    case(
        "memory/an allocator that grows memory",
        "what it gives then is valid (cpp-host)",
        plugin(
            malloc=[Raw("(drop (memory.grow (i32.const 1)))"), Ret(END + 8)],
            request_headers=[call("get", 0, ":path", OUT, OUT), call("log", 2, Bytes(END + 8, 2))],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "/p" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/an allocator that asks the host",
        "may log and little else: other calls end the filter (cpp-host, V8)",
        plugin(malloc=[call("tick", 5)], request_headers=[call("get", 0, ":path", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) failed
          proxy_get_header_map_value(HttpRequestHeaders) failed
          proxy_set_tick_period_milliseconds(5) failed
        upstream: nothing
        client: 503
        """,
    ),
    case(
        "memory/proxy_on_memory_allocate",
        "serves where there is no malloc (cpp-host)",
        plugin(
            """(module
            (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 64) ":path")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 256))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (drop (call $get (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 128) (i32.const 132)))
              (drop (call $log (i32.const 2) (i32.load (i32.const 128)) (i32.load (i32.const 132))))
              (i32.const 0)))"""
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "/p" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/malloc is preferred",
        "where both are exported (cpp-host; the spec says the other)",
        plugin(
            malloc=[call("log", 2, "malloc")],
            extra='(func (export "proxy_on_memory_allocate") (param i32) (result i32) (unreachable))',
            request_headers=[call("get", 0, ":path", OUT, OUT)],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "malloc" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/growing it",
        "is the filter's own affair; the host sees the new size at once (WebAssembly)",
        plugin(
            request_headers=[
                call("log", 2, Bytes(END, 1)),
                Raw("(drop (memory.grow (i32.const 1)))"),
                call("log", 2, Bytes(END + 65534, 1)),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_log(info) -> InvalidMemoryAccess
          proxy_log(info) "\\u0000" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "memory/a data segment that does not fit",
        "refuses the module (WebAssembly)",
        plugin(extra='(data (i32.const 2097150) "abc")', request_headers=[]),
        """
        refused
        """,
    ),
]
