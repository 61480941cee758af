"""WASI as Envoy's host gives it. Source: proxy-wasm-cpp-host, `src/exports.cc`."""

from __future__ import annotations

from tests.core.conftest import MS, Play, request, response
from tests.core.wat import OUT, Raw, call

BADF, EXIST, FAULT, INVAL, NOENT, NOSYS, NOTSUP = 8, 20, 21, 28, 44, 52, 58
FAR = 0xFFFF0000


ERRNOS = [
    (call("fd_read", 0, 0, 0, OUT), NOSYS),
    (call("fd_pread", 0, 0, 0, 0, OUT), NOSYS),
    (call("fd_seek", 9, 0, 0, OUT), 0),
    (call("fd_tell", 1, OUT), 0),
    (call("fd_tell", 3, OUT), BADF),
    (call("fd_close", 9), 0),
    (call("fd_fdstat_get", 1, OUT), 0),
    (call("fd_fdstat_get", 1, FAR), 0),
    (call("fd_fdstat_get", 3, OUT), BADF),
    (call("fd_fdstat_set_flags", 1, 0), NOSYS),
    (call("fd_filestat_get", 1, OUT), BADF),
    (call("fd_sync", 2), 0),
    (call("fd_sync", 0), BADF),
    (call("fd_renumber", 1, 2), NOTSUP),
    (call("fd_renumber", 1, 3), BADF),
    (call("fd_prestat_get", 3, OUT), BADF),
    (call("fd_prestat_dir_name", 3, 0, 0), NOSYS),
    (call("fd_readdir", 3, 0, 0, 0, OUT), EXIST),
    (call("fd_readdir", 3, 0, 0, 0, FAR), FAULT),
    (call("args_sizes_get", OUT, OUT), 0),
    (call("args_get", 0, 0), 0),
    (call("environ_sizes_get", FAR, OUT), FAULT),
    (call("clock_time_get", 2, 0, OUT), NOTSUP),
    (call("clock_time_get", 0, 0, FAR), FAULT),
    (call("clock_res_get", 1, OUT), 0),
    (call("clock_res_get", 3, OUT), NOTSUP),
    (call("random_get", 64, 65536), 0),
    (call("random_get", 64, 65537), INVAL),
    (call("random_get", FAR, 0), 0),
    (call("random_get", FAR, 1), FAULT),
    (call("sched_yield"), 0),
    (call("poll_oneoff", 0, 0, 0, OUT), 0),
    (call("path_open", 3, 0, 0, 0, 0, 0, 0, 0, OUT), NOENT),
    (call("path_unlink_file", 3, 0, 0), NOTSUP),
    (call("sock_accept", 3, 0, OUT), NOTSUP),
    (call("sock_recv", 3, 0, 0, 0, OUT, OUT), NOTSUP),
    (call("sock_recv", 3, 0, 0, 0, OUT, FAR), FAULT),
    (call("sock_send", 3, 0, 0, 0, OUT), NOTSUP),
    (call("fd_write", 3, 0, 0, OUT), BADF),
    (call("fd_write", 1, FAR, 1, OUT), FAULT),
    (call("fd_write", 1, 0, 0, FAR), FAULT),
]


def test_errno(play: Play) -> None:
    rows = play([{"request_headers": [step for step, _ in ERRNOS]}]).hostcalls()
    found = [(step.name, step.args, row.result) for (step, _), row in zip(ERRNOS, rows, strict=True)]
    assert found == [(step.name, step.args, errno) for step, errno in ERRNOS]


def iovecs(*parts: tuple[int, int]) -> Raw:
    stores = [f"(i32.store (i32.const {2048 + 8 * i + 4 * j}) (i32.const {part[j]}))" for i, part in enumerate(parts) for j in (0, 1)]
    return Raw(" ".join(stores))


def test_written_pieces_are_one_message(play: Play) -> None:
    """One newline at its end goes; it counts as written."""
    text = Raw("(i64.store (i32.const 3000) (i64.const 0x0a0a6f6c6c6568))")
    played = play(
        [
            {
                "request_headers": [
                    text,
                    iovecs((3000, 2), (0, 0), (3002, 5)),
                    call("fd_write", 1, 2048, 3, OUT),
                    call("fd_write", 2, 2048, 1, OUT),
                ]
            }
        ]
    )
    assert [(row.a, row.b, row.fields) for row in played.of("fd_write")] == [(1, 7, (b"hello\n",)), (2, 2, (b"he",))]


def test_nothing_written_is_no_message(play: Play) -> None:
    (row,) = play([{"request_headers": [call("fd_write", 1, 0, 0, OUT)]}]).of("fd_write")
    assert (row.result, row.fields) == (0, ())


def test_a_piece_out_of_memory(play: Play) -> None:
    (row,) = play([{"request_headers": [iovecs((3000, 2), (FAR, 5)), call("fd_write", 1, 2048, 2, OUT)]}]).of("fd_write")
    assert row.result == FAULT


def test_clocks(play: Play) -> None:
    """0 is the capture's, 1 begins with the replay."""
    steps = [call("clock_time_get", 0, 0, 1024), call("clock_time_get", 1, 0, 1040), call("set_prop", "x", "")]
    show = Raw("(drop (call $proxy_log (i32.const 2) (i32.const 1024) (i32.const 24)))")
    played = play([{"request_headers": [*steps, show, call("log", 9, "")]}], [request(at_ms=0), (request(at_ms=5), response())])
    logged = [row.fields[0] for row in played.of("proxy_log") if row.result == 0]
    first, second = ((int.from_bytes(text[:8], "little"), int.from_bytes(text[16:], "little")) for text in logged)
    assert second[0] - first[0] == second[1] - first[1] == 5 * MS and first[1] == 1


def test_random_bytes_follow_the_seed(play: Play) -> None:
    show = Raw("(drop (call $proxy_log (i32.const 2) (i32.const 1024) (i32.const 20)))")
    script = {"request_headers": [call("random_get", 1024, 20), show, call("log", 9, "")]}
    texts = [play([script], seed=seed).of("proxy_log")[0].fields[0] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2] and len(set(texts[0])) > 5


def test_environment(play: Play) -> None:
    show = Raw("(drop (call $proxy_log (i32.const 2) (i32.const 1024) (i32.const 24)))")
    script = {"request_headers": [call("environ_get", 1024, 1032), show, call("environ_sizes_get", OUT, OUT), call("log", 9, "")]}
    played = play([(script, {"env": {"A": "1", "BC": ""}})])
    assert played.of("proxy_log")[0].fields[0] == (1032).to_bytes(4, "little") + (1036).to_bytes(4, "little") + b"A=1\0BC=\0" + bytes(8)


def test_proc_exit_comes_back(play: Play) -> None:
    played = play([{"request_headers": [call("proc_exit", 3), call("log", 2, "still here")]}])
    assert [played.trace.name(row) for row in played.hostcalls()] == ["proc_exit", "proxy_log"] and played.status() == 200
