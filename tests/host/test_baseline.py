from __future__ import annotations

from workbench.host.baseline import empty_hostcall


def test_an_empty_hostcall_costs_something_and_little() -> None:
    found = empty_hostcall()
    assert found.calls == 18_000
    assert 1 <= found.ns < 100_000
    assert empty_hostcall() is found
