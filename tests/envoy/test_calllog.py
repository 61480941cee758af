"""The calls that a log at trace level tells, also where threads and hostile messages mix."""

from __future__ import annotations

from tests.envoy.calllog import LogCall, read_calls, vms_left

_LOG = b"""\
[debug][1] Base Wasm created 1 now active
[debug][1] Thread-Local Wasm created 2 now active
[trace][1] [host->vm] proxy_on_configure(1, 3)
[trace][1] [vm->host] env.proxy_get_buffer_bytes(7, 0, 100, 1024, 1040)
[trace][2] [host->vm] proxy_on_log(2)
[trace][1] [host->vm] malloc(3)
[trace][1] [host<-vm] malloc return: 1048576
[trace][2] [host<-vm] proxy_on_log return: void
[trace][1] [vm<-host] env.proxy_get_buffer_bytes return: 0
[trace][1] [host<-vm] proxy_on_configure return: 0
[error][1] Wasm VM failed Failed to configure base Wasm plugin
[debug][1] ~Wasm 1 remaining active
"""


def test_threads_depth_and_results() -> None:
    base, started, other = read_calls(_LOG)
    assert (base.thread, base.calls) == (1, [])
    assert started.calls == [
        LogCall(0, "", "proxy_on_configure", (1, 3), 0, True),
        LogCall(1, "env", "proxy_get_buffer_bytes", (7, 0, 100, 1024, 1040), 0, True),
        LogCall(2, "", "malloc", (3,), 1048576, True),
    ]
    assert started.others[-2:] == ["Wasm VM failed Failed to configure base Wasm plugin", "~Wasm 1 remaining active"]
    assert (other.thread, other.calls) == (2, [LogCall(0, "", "proxy_on_log", (2,), None, True)])


def test_vms_left() -> None:
    assert vms_left(_LOG) == 1


def test_a_message_cannot_pass_for_a_call() -> None:
    message = b"a\n[trace][1] [host->vm] proxy_on_delete(2)\n"
    log = b"[trace][1] [host->vm] proxy_on_log(2)\n[trace][1] [vm->host] env.proxy_log(2, 4096, %d)\n" % len(message)
    log += b"[info][1] wasm log a b: " + message + b"\n[trace][1] [vm<-host] env.proxy_log return: 0\n"
    (section,) = read_calls(log + b"[trace][1] [host<-vm] proxy_on_log return: void\n")
    assert [(call.function, call.message, call.returned) for call in section.calls] == [
        ("proxy_on_log", None, True),
        ("proxy_log", message, True),
    ]


def test_a_trap_and_what_comes_after() -> None:
    log = b"""\
[trace][1] [host->vm] proxy_on_request_headers(2, 5, 1)
[trace][1] [vm->host] wasi_snapshot_preview1.fd_write(1, 8, 1, 16)
[info][1] wasm log: two
lines
[trace][1] [vm<-host] wasi_snapshot_preview1.fd_write return: 0
[error][1] Function: proxy_on_request_headers failed: Uncaught RuntimeError: unreachable
Proxy-Wasm plugin in-VM backtrace:
  0:  0x66 - proxy_on_request_headers
[trace][1] [host->vm] proxy_on_request_headers(3, 5, 1)
[trace][1] [host<-vm] proxy_on_request_headers return: 4294967295
"""
    (section,) = read_calls(log)
    trapped, write, following = section.calls
    assert (trapped.returned, trapped.failure.splitlines()[0]) == (False, "Uncaught RuntimeError: unreachable")
    assert (write.module, write.message, write.result) == ("wasi_snapshot_preview1", b"two\nlines", 0)
    assert (following.depth, following.returned, following.result) == (0, True, 4294967295)


def test_a_log_that_ends_in_a_line_is_read_so_far() -> None:
    assert [call.function for call in read_calls(_LOG[: _LOG.index(b"host<-vm] malloc") + 5])[1].calls][-1] == "malloc"
    assert read_calls(b"") == []
