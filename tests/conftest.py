"""What any test may ask for: the project's root, outside tools, the sample capture and filters."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workbench.envoy import find_envoy
from workbench.errors import EnvoyError

REPO = Path(__file__).resolve().parent.parent

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell that runs the tests in the background ignores interrupts, and so would every process that a test starts
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that needs another program's process has two more tries: what a busy machine does to the start of an Envoy, to its sockets
    and idle timers is no fault of ours, nor that a kernel's ports are chosen before it starts and may be taken by then."""
    for item in items:
        if (item.get_closest_marker("envoy") or item.get_closest_marker("kernel")) and not item.get_closest_marker("flaky"):
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the project."""
    return REPO


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Compiled modules are kept apart from the user's."""
    directory = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(directory))
        yield directory


@pytest.fixture(scope="session")
def need() -> Callable[..., str]:
    """`need("chromium", "google-chrome")`: the path of the first of these tools that is here, this Python's own folder first.

    Where there is none the test is skipped with the reason; with CI=true it fails, so that nothing goes untested unseen.
    """
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

    def find(*names: str) -> str:
        for name in names:
            if found := shutil.which(name, path=places):
                return found
        reason = f"needs {' or '.join(names)}, which is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}; with CI=true a missing tool is a failure", pytrace=False)
        pytest.skip(reason)

    return find


@pytest.fixture(scope="session")
def envoy_binary() -> Path:
    """The real Envoy; skips where there is none, fails there with CI=true."""
    try:
        return find_envoy()
    except EnvoyError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{error}; with CI=true a missing tool is a failure", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def sample_capture() -> Path:
    """The small recorded capture that the tour replays."""
    return REPO / "captures" / "toystore.mitm"


@pytest.fixture(scope="session")
def sample_filter() -> Callable[[str], Path]:
    """`sample_filter("add_header")`: the built module of that sample."""

    def built(name: str) -> Path:
        return REPO / "sample_filters" / name / f"{name}.wasm"

    return built


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command line that must end with status 2 and one line on standard error, which it gives."""
    from workbench.cli import main

    def run(*words: object) -> str:
        assert main([str(word) for word in words]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("workbench: ") and err.endswith("\n") and err.count("\n") == 1
        return err

    return run
