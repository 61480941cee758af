"""WASI, as a Proxy-Wasm host gives it: the functions are there, most of the world is not."""

from __future__ import annotations

from collections.abc import Sequence

from tests.conformance.case import case, plugin
from tests.core.wat import OUT, Bytes, Raw, call

FAR = 0xFFFF0000


def iovecs(*parts: tuple[int, int]) -> Raw:
    """Pointers and sizes at 3072."""
    numbers = [number for part in parts for number in part]
    return Raw(" ".join(f"(i32.store (i32.const {3072 + 4 * place}) (i32.const {number}))" for place, number in enumerate(numbers)))


def data(text: str) -> Raw:
    """A text of up to 8 bytes at 3000."""
    return Raw(f"(i64.store (i32.const 3000) (i64.const {int.from_bytes(text.encode(), 'little')}))")


def logged(at: int, size: int) -> Sequence[object]:
    """Log what lies in memory."""
    return (call("log", 2, Bytes(at, size)),)


CASES = [
    case(
        "wasi/fd_write to stdout",
        "is a log line at info, to stderr at error; one newline at its end goes (cpp-host exports.cc)",
        plugin(
            request_headers=[data("hello\n\n"), iovecs((3000, 7)), call("fd_write", 1, 3072, 1, OUT), call("fd_write", 2, 3072, 1, OUT)]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_write(1) "hello\\n" -> SUCCESS
          fd_write(2) "hello\\n" -> SUCCESS
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/fd_write of several pieces",
        "is one line; empty pieces are fine (cpp-host)",
        plugin(request_headers=[data("abcdef"), iovecs((3000, 2), (0, 0), (3003, 3)), call("fd_write", 1, 3072, 3, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_write(1) "abdef" -> SUCCESS
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/fd_write of nothing",
        "is Ok and no line (cpp-host)",
        plugin(request_headers=[iovecs((3000, 0)), call("fd_write", 1, 3072, 1, OUT), call("fd_write", 1, 0, 0, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_write(1) -> SUCCESS
          fd_write(1) -> SUCCESS
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/fd_write elsewhere",
        "BADF for other descriptors, FAULT for bad memory (cpp-host)",
        plugin(
            request_headers=[
                call("fd_write", 3, 0, 0, OUT),
                call("fd_write", 1, FAR, 1, OUT),
                call("fd_write", 1, 0, 0, FAR),
                iovecs((FAR, 5)),
                call("fd_write", 1, 3072, 1, OUT),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_write(3) -> BADF
          fd_write(1) -> FAULT
          fd_write(1) -> FAULT
          fd_write(1) -> FAULT
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/fd_read and fd_pread",
        "NOSYS (cpp-host)",
        plugin(request_headers=[call("fd_read", 0, 0, 0, OUT), call("fd_pread", 0, 0, 0, 0, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_read() -> NOSYS
          fd_pread() -> NOSYS
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/fd_seek and fd_close",
        "do nothing and succeed (cpp-host)",
        plugin(request_headers=[call("fd_seek", 9, 0, 0, OUT), call("fd_close", 9)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_seek() -> SUCCESS
          fd_close() -> SUCCESS
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/fd_fdstat_get",
        "of stdout and stderr; BADF for others (cpp-host)",
        plugin(request_headers=[call("fd_fdstat_get", 1, OUT), call("fd_fdstat_get", 2, OUT), call("fd_fdstat_get", 0, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_fdstat_get() -> SUCCESS
          fd_fdstat_get() -> SUCCESS
          fd_fdstat_get() -> BADF
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/fd_tell and fd_sync",
        "0 for stdout and stderr, BADF for others (cpp-host)",
        plugin(request_headers=[call("fd_tell", 1, OUT), call("fd_tell", 3, OUT), call("fd_sync", 2), call("fd_sync", 0)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_tell() -> SUCCESS
          fd_tell() -> BADF
          fd_sync() -> SUCCESS
          fd_sync() -> BADF
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/preopened folders",
        "there are none: BADF, and NOSYS for a name (cpp-host)",
        plugin(request_headers=[call("fd_prestat_get", 3, OUT), call("fd_prestat_dir_name", 3, 0, 0)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_prestat_get() -> BADF
          fd_prestat_dir_name() -> NOSYS
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/files",
        "NOENT to open, NOTSUP for the rest (cpp-host)",
        plugin(
            request_headers=[
                call("path_open", 3, 0, 0, 0, 0, 0, 0, 0, OUT),
                call("path_unlink_file", 3, 0, 0),
                call("path_create_directory", 3, 0, 0),
                call("path_filestat_get", 3, 0, 0, 0, OUT),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          path_open() -> NOENT
          path_unlink_file() -> NOTSUP
          path_create_directory() -> NOTSUP
          path_filestat_get() -> NOTSUP
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/fd_readdir and fd_renumber",
        "20 for a folder's content, NOTSUP and BADF to renumber (cpp-host)",
        plugin(request_headers=[call("fd_readdir", 3, 0, 0, 0, OUT), call("fd_renumber", 1, 2), call("fd_renumber", 1, 3)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_readdir() -> EXIST
          fd_renumber() -> NOTSUP
          fd_renumber() -> BADF
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/flags and rights",
        "cannot be set: NOSYS; rights can, of stdout and stderr (cpp-host)",
        plugin(
            request_headers=[
                call("fd_fdstat_set_flags", 1, 0),
                call("fd_fdstat_set_rights", 1, 0, 0),
                call("fd_fdstat_set_rights", 5, 0, 0),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_fdstat_set_flags() -> NOSYS
          fd_fdstat_set_rights() -> SUCCESS
          fd_fdstat_set_rights() -> BADF
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/arguments",
        "there are none (cpp-host)",
        plugin(request_headers=[call("args_sizes_get", 3000, 3004), *logged(3000, 8), call("args_get", 0, 0)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          args_sizes_get() -> SUCCESS
          proxy_log(info) "\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000" -> Ok
          args_get() -> SUCCESS
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/environment",
        "what the VM's configuration gives, as NAME=VALUE and a NUL (cpp-host)",
        plugin(
            env={"KIT": "yes"},
            request_headers=[call("environ_sizes_get", 3000, 3004), *logged(3000, 8), call("environ_get", 3000, 3010), *logged(3010, 8)],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          environ_sizes_get() -> SUCCESS
          proxy_log(info) "\\u0001\\u0000\\u0000\\u0000\\b\\u0000\\u0000\\u0000" -> Ok
          environ_get() -> SUCCESS
          proxy_log(info) "KIT=yes\\u0000" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/no environment",
        "counts of 0 (cpp-host)",
        plugin(
            request_headers=[
                call("environ_sizes_get", 3000, 3004),
                *logged(3000, 8),
                call("environ_get", 3000, 3010),
                call("environ_sizes_get", FAR, OUT),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          environ_sizes_get() -> SUCCESS
          proxy_log(info) "\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000" -> Ok
          environ_get() -> SUCCESS
          environ_sizes_get() -> FAULT
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/clocks",
        "0 is the wall clock, 1 is monotonic, others are NOTSUP (cpp-host)",
        plugin(
            request_headers=[
                call("clock_time_get", 0, 0, OUT),
                call("clock_time_get", 1, 0, OUT),
                call("clock_time_get", 2, 0, OUT),
                call("clock_time_get", 0, 0, FAR),
                call("clock_res_get", 1, 3000),
                *logged(3000, 8),
                call("clock_res_get", 3, OUT),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          clock_time_get(0) -> SUCCESS
          clock_time_get(1) -> SUCCESS
          clock_time_get(2) -> NOTSUP
          clock_time_get(0) -> FAULT
          clock_res_get() -> SUCCESS
          proxy_log(info) "\\u0001\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000" -> Ok
          clock_res_get() -> NOTSUP
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/random_get",
        "at most 64 KiB a call: INVAL beyond; FAULT for bad memory (cpp-host limits.h)",
        plugin(
            request_headers=[
                call("random_get", 8192, 16),
                call("random_get", 8192, 65536),
                call("random_get", 8192, 65537),
                call("random_get", FAR, 0),
                call("random_get", FAR, 1),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          random_get(16) -> SUCCESS
          random_get(65536) -> SUCCESS
          random_get(65537) -> INVAL
          random_get(0) -> SUCCESS
          random_get(1) -> FAULT
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/sched_yield and poll_oneoff",
        "succeed, with no event (cpp-host: Go's runtime needs it)",
        plugin(request_headers=[call("sched_yield"), call("poll_oneoff", 0, 0, 0, 3000), *logged(3000, 4)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          sched_yield() -> SUCCESS
          poll_oneoff() -> SUCCESS
          proxy_log(info) "\\u0000\\u0000\\u0000\\u0000" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/proc_exit",
        "comes back (cpp-host; the spec says it does not)",
        plugin(request_headers=[call("proc_exit", 3), call("log", 2, "still here")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proc_exit(3)
          proxy_log(info) "still here" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/sockets",
        "NOTSUP (cpp-host)",
        plugin(
            request_headers=[
                call("sock_accept", 3, 0, OUT),
                call("sock_recv", 3, 0, 0, 0, OUT, OUT),
                call("sock_send", 3, 0, 0, 0, OUT),
                call("sock_shutdown", 3, 0),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          sock_accept() -> NOTSUP
          sock_recv() -> NOTSUP
          sock_send() -> NOTSUP
          sock_shutdown() -> NOTSUP
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/wasi_unstable",
        "is the same under its older name (cpp-host)",
        plugin(
            """(module
            (import "wasi_unstable" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_unstable" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 64) "old") (data (i32.const 128) "\\40\\00\\00\\00\\03\\00\\00\\00")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) (i32.const 256))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (drop (call $fd_write (i32.const 1) (i32.const 128) (i32.const 1) (i32.const 200)))
              (drop (call $sizes (i32.const 200) (i32.const 204)))
              (i32.const 0)))"""
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_write(1) "old" -> SUCCESS
          environ_sizes_get() -> SUCCESS
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "wasi/places out of bounds",
        "FAULT, but for fd_fdstat_get, which does not look (cpp-host exports.cc)",
        plugin(
            request_headers=[
                call("fd_fdstat_get", 1, FAR),
                call("fd_tell", 1, FAR),
                call("clock_res_get", 0, FAR),
                call("poll_oneoff", 0, 0, 0, FAR),
                call("args_sizes_get", FAR, OUT),
                call("args_sizes_get", OUT, FAR),
                call("environ_sizes_get", OUT, FAR),
                call("environ_get", FAR, OUT),
                call("environ_get", OUT, FAR),
                call("fd_readdir", 3, 0, 0, 0, FAR),
                call("sock_accept", 3, 0, FAR),
                call("sock_recv", 3, 0, 0, 0, OUT, FAR),
                call("sock_send", 3, 0, 0, 0, FAR),
                call("path_readlink", 3, 0, 0, 0, 0, FAR),
            ],
            env={"KIT": "yes"},
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          fd_fdstat_get() -> SUCCESS
          fd_tell() -> FAULT
          clock_res_get() -> FAULT
          poll_oneoff() -> FAULT
          args_sizes_get() -> FAULT
          args_sizes_get() -> FAULT
          environ_sizes_get() -> FAULT
          environ_get() -> FAULT
          environ_get() -> FAULT
          fd_readdir() -> FAULT
          sock_accept() -> FAULT
          sock_recv() -> FAULT
          sock_send() -> FAULT
          path_readlink() -> FAULT
        upstream: as sent
        client: as answered
        """,
    ),
]
