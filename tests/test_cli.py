from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.capture import open_capture
from workbench.cli import main

from .capture.har_entries import exported

REPO = Path(__file__).resolve().parents[1]
CAPTURE = str(REPO / "captures" / "burst.mitm")
ADD_HEADER = str(REPO / "sample_filters" / "add_header" / "add_header.wasm")
BODY_REWRITE = str(REPO / "sample_filters" / "body_rewrite" / "body_rewrite.wasm")
TOKEN_BUCKET = str(REPO / "sample_filters" / "token_bucket" / "token_bucket.wasm")

Refused = Callable[..., str]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_replay_prints_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", CAPTURE, "--filter", ADD_HEADER]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("burst.mitm through add_header\n")
    assert "15 exchanges" in out and "+ hello" in out
    assert err == ""


def test_replay_shows_chosen_exchanges(capsys: pytest.CaptureFixture[str], refused: Refused) -> None:
    assert main(["replay", CAPTURE, "--filter", ADD_HEADER, "--exchange", "2", "--exchange", "-1"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines() if line.startswith("#")] == ["#2", "#14"]
    assert out.count("\nCalls\n") == 2 and "on_response_headers(" in out and err == ""
    assert "exchange 15 is not in a capture of 15. The first is 0" in refused(
        "replay", CAPTURE, "--filter", ADD_HEADER, "--quiet", "--exchange", "15"
    )


def test_a_har_file_is_replayed_with_the_same_verdicts(need: Callable[..., str], tmp_path: Path) -> None:
    capture = exported(need("mitmdump"), REPO / "captures" / "toystore.mitm", tmp_path / "toystore.har")
    found = []
    for each in (REPO / "captures" / "toystore.mitm", capture):
        out = tmp_path / "out.jsonl"
        words = ["replay", str(each), "--filter", TOKEN_BUCKET, "--filter", BODY_REWRITE, "--jsonl", str(out), "--quiet"]
        assert main(words) == 0
        found.append(
            [{key: line[key] for key in ("url", "decision", "local_response", "mutations", "logs", "error")} for line in lines(out)]
        )
    assert found[0] == found[1]
    assert {line["decision"]["kind"] for line in found[0]} >= {"limited"}  # type: ignore[index]


def test_options_belong_to_the_filter_before_them(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    words = ["replay", CAPTURE, "--filter", ADD_HEADER, "--config", '{"header": "x-one", "value": "1"}', "--filter", ADD_HEADER]
    words += ["--config", '{"header": "x-two", "value": "2"}', "--jsonl", str(out), "--quiet"]
    assert main(words) == 0
    response = lines(out)[0]["downstream_response"]
    assert isinstance(response, dict)
    assert [pair for pair in response["headers"] if pair[0].startswith("x-")] == [["x-two", "2"], ["x-one", "1"]]


def test_a_swap_and_a_hash(tmp_path: Path, refused: Refused) -> None:
    new, out = tmp_path / "new.wasm", tmp_path / "out.jsonl"
    new.write_bytes(Path(ADD_HEADER).read_bytes() + b"\x00\x04\x03new")
    assert main(["replay", CAPTURE, "--filter", ADD_HEADER, "--swap", f"8:{new}", "--jsonl", str(out), "--quiet"]) == 0
    by = [each["mutations"][0]["filter"] for each in lines(out)]  # type: ignore[index]
    assert set(by[:8]) == {"add_header"} and set(by[8:]) == {"add_header-2"}
    assert "is expected" in refused("replay", CAPTURE, "--filter", ADD_HEADER, "--sha256", "0" * 64)
    for wrong in ("50", "x:new.wasm", "5:", f"500:{new}"):
        assert "swap" in refused("replay", CAPTURE, "--filter", ADD_HEADER, "--swap", wrong)


def test_a_file_gives_its_bytes_as_they_are(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_bytes(b'\n{"header": "x-file", "value": "caf\xc3\xa9"}\n\n')
    out = tmp_path / "out.jsonl"
    assert main(["replay", CAPTURE, "--filter", ADD_HEADER, "--config", f"@{config}", "--jsonl", str(out), "--quiet"]) == 0
    response = lines(out)[0]["downstream_response"]
    assert isinstance(response, dict) and ["x-file", "café"] in response["headers"]


def test_results_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """With --jsonl - standard output holds nothing but the results; the summary goes to standard error."""
    assert main(["replay", CAPTURE, "--filter", ADD_HEADER, "--jsonl", "-"]) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["exchange"] for line in out.splitlines()] == list(range(15))
    assert "burst.mitm through add_header" in err


def test_exports_for_other_viewers(tmp_path: Path, refused: Refused) -> None:
    perfetto, speedscope = tmp_path / "trace.json", tmp_path / "profile.json"
    words = ["replay", CAPTURE, "--filter", ADD_HEADER, "--quiet", "--perfetto", str(perfetto), "--speedscope", str(speedscope)]
    assert main(words) == 0
    assert {event["ph"] for event in json.loads(perfetto.read_text())["traceEvents"]} >= {"X", "M", "b", "e"}
    assert json.loads(speedscope.read_text())["profiles"][0]["name"] == "Sum of traffic"
    for option in ("--perfetto", "--speedscope"):
        assert "is a folder" in refused("replay", CAPTURE, "--filter", ADD_HEADER, option, str(tmp_path))
        assert "would overwrite what is read" in refused("replay", CAPTURE, "--filter", ADD_HEADER, option, CAPTURE)


def test_limits_decide_nothing_about_the_status(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert main(["replay", CAPTURE, "--filter", TOKEN_BUCKET, "--jsonl", str(out), "--quiet"]) == 0
    kinds = [one["decision"]["kind"] for one in lines(out)]  # type: ignore[index]
    assert kinds.count("limited") >= 3 and kinds.count("allowed") >= 5


def test_a_failing_filter_is_a_result(tmp_path: Path) -> None:
    wasmtime = pytest.importorskip("wasmtime")
    filter = tmp_path / "trap_third.wasm"
    filter.write_bytes(wasmtime.wat2wasm((REPO / "tests" / "filters" / "trap_third.wat").read_text()))
    out = tmp_path / "out.jsonl"
    words = ["replay", CAPTURE, "--filter", str(filter), "--jsonl", str(out), "--quiet"]
    assert main(words) == 0
    errors = [one["error"] for one in lines(out)]
    assert [error["kind"] if error else None for error in errors[:4]] == [None, None, "trap", "earlier"]  # type: ignore[index]
    assert main([*words[:4], "--failure-policy", "restart", *words[4:]]) == 0
    again = [one["error"] for one in lines(out)]
    assert [error["policy"] if error else None for error in again[:4]] == [None, None, "restart", None]  # type: ignore[index]


def test_settings_reach_the_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import workbench.chain

    seen: dict[str, object] = {}
    real = workbench.chain.Chain.replay

    def replay(self: workbench.chain.Chain, capture: object, **settings: object) -> object:
        seen.update(settings)
        return real(self, capture, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(workbench.chain.Chain, "replay", replay)
    words = ["replay", CAPTURE, "--filter", ADD_HEADER, "--limit-ms", "250", "--seed", "7", "--chunk-size", "100", "--quiet"]
    words += ["--workers", "3"]
    assert main(words) == 0
    assert (seen["callback_limit_s"], seen["seed"], seen["chunk_size"]) == (0.25, 7, 100)
    assert (seen["workers"], seen["main_thread"]) == (3, None)


def test_filters_that_cannot_be_used(refused: Refused, tmp_path: Path) -> None:
    text = tmp_path / "text.wasm"
    text.write_text("(module)")
    assert "no filter is given" in refused("replay", CAPTURE)
    assert "missing.wasm" in refused("replay", CAPTURE, "--filter", "missing.wasm")
    assert "text.wasm" in refused("replay", CAPTURE, "--filter", str(text))
    assert "--config belongs to the --filter before it" in refused("replay", CAPTURE, "--config", "{}", "--filter", ADD_HEADER)
    assert "--root-id belongs to" in refused("replay", "--root-id", "x", CAPTURE, "--filter", ADD_HEADER)
    assert "--config is given twice" in refused("replay", CAPTURE, "--filter", ADD_HEADER, "--config", "{}", "--config", "{}")
    assert "--failure-policy" in refused("replay", CAPTURE, "--filter", ADD_HEADER, "--failure-policy", "maybe")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{", "at line 1 column 2"),
        ('{"a": 1,\n "b": }', "at line 2 column 7"),
        ("", "at line 1 column 1"),
        ("NaN", "NaN is no JSON value"),
        ("[" * 100_000, "is not JSON"),
        ("@", "--config @"),
        ("@no/such/file", "No such file"),
        ("@" + str(REPO), "--config @"),
    ],
)
def test_configurations_that_cannot_be_used(refused: Refused, given: str, said: str) -> None:
    assert said in refused("replay", CAPTURE, "--filter", ADD_HEADER, f"--config={given}")


def test_captures_and_outputs_that_cannot_be_used(refused: Refused, tmp_path: Path) -> None:
    assert "nowhere.mitm" in refused("replay", "nowhere.mitm", "--filter", ADD_HEADER)
    assert "\\x1b" in refused("replay", "no\x1b[31m\nwhere", "--filter", ADD_HEADER)
    assert "its folder does not exist" in refused("replay", CAPTURE, "--filter", ADD_HEADER, "--jsonl", str(tmp_path / "a" / "b"))
    assert "is a folder" in refused("replay", CAPTURE, "--filter", ADD_HEADER, "--jsonl", str(tmp_path))
    assert "is no name" in refused("replay", CAPTURE, "--filter", ADD_HEADER, "--jsonl", "")
    for option in ("--jsonl", "--findings", "--perfetto", "--speedscope"):
        assert "would overwrite what is read" in refused("replay", CAPTURE, "--filter", ADD_HEADER, option, CAPTURE)
    assert "Give a whole number from 1 to 64" in refused("replay", CAPTURE, "--filter", ADD_HEADER, "--workers", "0")


def test_no_output_goes_over_what_is_read_or_over_another(refused: Refused, tmp_path: Path) -> None:
    module, other, config, out = (tmp_path / name for name in ("f.wasm", "g.wasm", "config.json", "out"))
    for each in (module, other):
        each.write_bytes(Path(ADD_HEADER).read_bytes())
    config.write_text("{}")
    chain = ("--filter", str(module), "--config", f"@{config}", "--swap", f"3:{other}")
    for place in (module, other, config):
        before = place.read_bytes()
        assert f"{place}: would overwrite what is read" in refused("replay", CAPTURE, *chain, "--jsonl", str(place))
        assert f"{place}: would overwrite what is read" in refused("verify", CAPTURE, *chain, "--json", str(place))
        assert place.read_bytes() == before
    assert "one file is given twice" in refused("replay", CAPTURE, *chain, "--jsonl", str(out), "--perfetto", f"{tmp_path}/./out")
    assert "standard output is given twice" in refused("replay", CAPTURE, *chain, "--jsonl", "-", "--findings", "-")


def test_what_is_left_over_is_told_with_the_help_that_has_the_answer(refused: Refused) -> None:
    assert "unrecognized arguments: more. See `workbench inspect --help`" in refused("inspect", ADD_HEADER, "more")
    assert "--more 5. See `workbench rls serve --help`" in refused("rls", "serve", "limits.yaml", "--more", "5")


def test_output_that_cannot_be_written_is_told_in_a_line() -> None:
    words = [sys.executable, "-m", "workbench", "inspect", TOKEN_BUCKET]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(words, cwd=REPO, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "workbench: output: No space left on device\n")
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *words]
    done = subprocess.run(closed, cwd=REPO, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("workbench: standard output is closed.") and done.stderr.count("\n") == 1
    closed = ["sh", "-c", 'exec "$@" 2>&-', "sh", *words]
    assert subprocess.run(closed, cwd=REPO, stdout=subprocess.PIPE, check=False).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        (), ("nonsense",), ("replay",), ("replay", CAPTURE, "--filter"), ("replay", CAPTURE, "--filter", ADD_HEADER, "--limit-ms", "0"),
        ("replay", CAPTURE, "--filter", ADD_HEADER, "--seed", "x"), ("replay", CAPTURE, "--filter", ADD_HEADER, "--chunk-size", "-1"),
        ("replay", CAPTURE, "--filt", ADD_HEADER), ("inspect",), ("inspect", CAPTURE),
    ],
)  # fmt: skip
def test_command_lines_that_cannot_be_used(refused: Refused, words: tuple[str, ...]) -> None:
    refused(*words)


def test_inspect(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", TOKEN_BUCKET]) == 0
    out, _ = capsys.readouterr()
    assert "ABI        0.2.1" in out
    assert "imports from env" in out and "  proxy_get_header_map_value" in out
    assert "proxy_on_request_headers" in out.split("called by the host")[1]


def command(*words: str, cwd: Path = REPO) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(REPO), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", "workbench", *words], cwd=cwd, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )


def test_as_a_command(tmp_path: Path) -> None:
    """No traceback, from anywhere; `--help` and `--version` are answers."""
    done = command("replay", "nowhere", "--filter", ADD_HEADER, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert command("--version").stdout.startswith("workbench ")
    shown = command("replay", "--help")
    assert shown.returncode == 0 and "--failure-policy" in shown.stdout


def test_a_reader_that_goes_away() -> None:
    words = [sys.executable, "-m", "workbench", "replay", CAPTURE, "--filter", ADD_HEADER, "--jsonl", "-", "--quiet"]
    with subprocess.Popen(words, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None and run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == 141


def test_a_terminal_has_a_bar_and_colours() -> None:
    """The real command on a real pseudo-terminal."""
    leader, follower = pty.openpty()
    words = [sys.executable, "-m", "workbench", "replay", str(REPO / "captures" / "edge.mitm"), "--filter", ADD_HEADER]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    run = subprocess.Popen(words, cwd=REPO, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    seen = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(leader)
    assert run.wait() == 0
    text = seen.decode()
    total = len(open_capture(REPO / "captures" / "edge.mitm"))
    assert f"edge.mitm [{'█' * 24}] {total} of {total}, " in text
    assert "\x1b[1mExchanges\x1b[0m" in text


def test_the_tour_needs_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    import workbench.cli.tour

    monkeypatch.setattr(workbench.cli.tour, "__file__", str(tmp_path / "site" / "workbench" / "cli" / "tour.py"))
    monkeypatch.chdir(tmp_path)
    assert "Run it in a clone of the repository" in refused("tour")


def test_import_is_light() -> None:
    heavy = "mitmproxy wasmtime pandas plotly ipywidgets anywidget numpy IPython"
    code = (
        f"import sys, workbench; dir(workbench); bad = [n for n in {heavy.split()!r} if n in sys.modules]; "
        "assert not bad, bad; import workbench.cli; bad = [n for n in sys.modules if n in bad]; assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPO, check=True)


def test_public_names() -> None:
    import workbench as wb

    for name in set(wb.__all__) - {"Workbench"}:
        assert getattr(wb, name).__name__ in (name, f"workbench.{name}")
    assert {name for name in dir(wb) if not name.startswith("_")} == set(wb.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = wb.nonsense


@pytest.mark.slow
@pytest.mark.kernel
def test_the_tour_without_a_terminal() -> None:
    """Replays, executes the notebook, and says where the page lies."""
    done = command("tour")
    assert done.returncode == 0, done.stderr
    assert "toystore.mitm through basic_auth → token_bucket → add_header" in done.stdout
    page = REPO / "out" / "00_tour.html"
    assert str(page) in done.stdout
    assert "token_bucket" in page.read_text(encoding="utf-8")
    assert "application/vnd.jupyter.widget-state+json" not in page.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.kernel
def test_the_tour_at_a_terminal(tmp_path: Path) -> None:
    """Opens the notebook in a real JupyterLab, which ends with the terminal's Ctrl-C."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "BROWSER": "true", "JUPYTER_RUNTIME_DIR": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path)}
    words = [sys.executable, "-m", "workbench", "tour"]
    run = subprocess.Popen(
        words, cwd=REPO, stdin=follower, stdout=follower, stderr=follower, env=environment, start_new_session=True, preexec_fn=_own_terminal
    )
    os.close(follower)
    seen, last = b"", time.monotonic()
    try:
        while run.poll() is None and time.monotonic() - last < 240:
            if select.select([leader], [], [], 1)[0]:
                try:
                    seen += os.read(leader, 65536)
                except OSError:
                    break
            elif b"is running at" in seen and b"received signal" not in seen:
                # the terminal's own Ctrl-C; another one skips JupyterLab's question
                os.write(leader, b"\x03")
        status = run.wait(30)
    finally:
        run.kill()
        os.close(leader)
    assert status == 0, seen.decode()
    assert b"Exchanges" in seen and b"received signal 2" in seen


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_an_interrupt_while_results_are_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.replay.write_jsonl", interrupted)
    assert main(["replay", CAPTURE, "--filter", ADD_HEADER, "--quiet", "--jsonl", str(tmp_path / "out.jsonl")]) == 130
    assert capsys.readouterr().err == "workbench: interrupted; files that were being written are not whole\n"


def test_compare_ends_with_one_where_builds_differ(capsys: pytest.CaptureFixture[str], refused: Refused, tmp_path: Path) -> None:
    words = ["compare", CAPTURE, "--filter", TOKEN_BUCKET]
    assert main([*words, "--new", TOKEN_BUCKET]) == 0
    assert "0 of 15 exchanges differ" in capsys.readouterr().out
    assert main([*words, "--new-config", '{"rate": 6, "per_s": 10}']) == 1
    assert "outcome" in capsys.readouterr().out.splitlines()[1]
    assert main([*words, "--new", ADD_HEADER, "--quiet", "--json", "-"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert rows and all(row["differs"] and (row["outcome_a"] != "limited" or row["status_b"] == 201) for row in rows)
    both = [*words, "--filter", ADD_HEADER]
    assert main([*both, "--of", "add_header", "--new", ADD_HEADER, "--quiet"]) == 0
    assert "Give one of token_bucket, add_header" in refused(*both, "--new", ADD_HEADER)
    assert "nothing is given to compare with" in refused(*words)
    assert "no filter named 'x'" in refused(*words, "--new", ADD_HEADER, "--of", "x")
    assert "a chain with a swap is not compared" in refused(*words, "--swap", f"3:{ADD_HEADER}", "--new", ADD_HEADER)
    config = tmp_path / "new.json"
    config.write_text('{"rate": 6, "per_s": 10}')
    assert "would overwrite what is read" in refused(*words, "--new-config", f"@{config}", "--json", str(config))
