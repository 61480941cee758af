"""VMs and the filters that share one: starts, numbers of contexts, failures, reloads and ends; the VMs that threads have for themselves."""

from __future__ import annotations

from tests.conformance.case import Plugin, case, plugin
from tests.core.traffic import GET, request
from tests.core.wat import OUT, TRAP, Call, If, In, Nth, Out, Ret, call, show


def known(key: str) -> Call:
    """Whether shared data has a value."""
    return call("proxy_get_shared_data", key, OUT, OUT, OUT)


def keep(key: str) -> Call:
    """Give it one, which outlives the VM."""
    return call("proxy_set_shared_data", key, "1", 0)


def two(first: str = "closed", second: str = "closed", **script: object) -> list[Plugin]:
    """Two plugins of the same code in one VM; their failure policies, and the callbacks' steps. `fail_open` is the old form of `open`."""
    return [
        plugin(config=config, fail_open=True, **script) if policy == "fail_open" else plugin(config=config, failure_policy=policy, **script)
        for config, policy in (("1", first), ("2", second))
    ]


THIRD = {"request_headers": [Nth(3, (TRAP,))]}
"""Two filters that trap in the first one's callback of the second exchange."""
FOURTH = {"request_headers": [Nth(4, (TRAP,))]}

CASES = [
    case(
        "vm/each plugin starts in it",
        "on_vm_start and on_configure for each root context, not once a VM (cpp-host)",
        two(vm_start=[], configure=[]),
        """
        proxy_on_vm_start(1, 0) -> true
        proxy_on_configure(1, 1) -> true
        proxy_on_vm_start(2, 0) -> true
        proxy_on_configure(2, 1) -> true
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "vm/configuration in context_create",
        "each root context's own, none in a stream's (Envoy)",
        two(context_create=[show("body", 7, 0, 9, OUT, OUT)]),
        """
        proxy_on_context_create(1, 0)
          proxy_get_buffer_bytes(PluginConfiguration, 0, 9) -> Ok
          proxy_log(info) "1" -> Ok
        proxy_on_context_create(2, 0)
          proxy_get_buffer_bytes(PluginConfiguration, 0, 9) -> Ok
          proxy_log(info) "2" -> Ok
        proxy_on_context_create(3, 1)
          proxy_get_buffer_bytes(PluginConfiguration, 0, 9) -> NotFound
        proxy_on_context_create(4, 2)
          proxy_get_buffer_bytes(PluginConfiguration, 0, 9) -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "vm/roots end from the last to the first",
        "on_done and on_delete of each, in the order in which Envoy lets go of its filters (Envoy)",
        [plugin(done=[], delete=[])] * 3,
        """
        proxy_on_done(3) -> true
        proxy_on_delete(3)
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        """,
        traffic=[],
    ),
    case(
        "vm/a neighbour says that a root is done",
        "proxy_done acts on the effective context's root, which waits since its on_done (cpp-host)",
        two(done=[Nth(1, (Ret(0),)), Nth(2, (call("effective", 2), call("done"), call("done")))], delete=[]),
        """
        proxy_on_done(2) -> false
        proxy_on_done(1) -> true
          proxy_set_effective_context(2) -> Ok
          proxy_done() -> Ok
          proxy_done() -> NotFound
        proxy_on_delete(2)
        proxy_on_delete(1)
        """,
        traffic=[],
    ),
    case(
        "vm/a trap of the first",
        "the VM is gone for both: no callback of the second either (cpp-host)",
        two(**THIRD, response_headers=[], log=[]),
        """
        proxy_on_request_headers(3, 5, 1) -> Continue
        proxy_on_request_headers(4, 5, 1) -> Continue
        proxy_on_response_headers(4, 2, 0) -> Continue
        proxy_on_response_headers(3, 2, 0) -> Continue
        proxy_on_log(3)
        proxy_on_log(4)
        proxy_on_request_headers(5, 5, 1) failed
        upstream 0: as sent
        client 0: as answered
        upstream 1: nothing
        client 1: 503
        upstream 2: nothing
        client 2: 503
        """,
        traffic=[GET] * 3,
    ),
    case(
        "vm/the first fails open, the second closed",
        "each fails by its own policy: the second's 503 (Envoy)",
        two("open", **THIRD),
        """
        proxy_on_request_headers(3, 5, 1) -> Continue
        proxy_on_request_headers(4, 5, 1) -> Continue
        proxy_on_request_headers(5, 5, 1) failed
        upstream 0: as sent
        client 0: as answered
        upstream 1: nothing
        client 1: 503
        upstream 2: nothing
        client 2: 503
        """,
        traffic=[GET] * 3,
    ),
    case(
        "vm/the first fails closed, the second open",
        "the first's 503 (Envoy)",
        two("closed", "open", **FOURTH),
        """
        proxy_on_request_headers(3, 5, 1) -> Continue
        proxy_on_request_headers(4, 5, 1) -> Continue
        proxy_on_request_headers(5, 5, 1) -> Continue
        proxy_on_request_headers(6, 5, 1) failed
        upstream 0: as sent
        client 0: as answered
        upstream 1: nothing
        client 1: 503
        upstream 2: nothing
        client 2: 503
        """,
        traffic=[GET] * 3,
    ),
    case(
        "vm/both fail open in the old form",
        "the exchange that trapped passes too (Envoy)",
        two("fail_open", "fail_open", **THIRD),
        """
        proxy_on_request_headers(3, 5, 1) -> Continue
        proxy_on_request_headers(4, 5, 1) -> Continue
        proxy_on_request_headers(5, 5, 1) failed
        upstream 0: as sent
        client 0: as answered
        upstream 1: as sent
        client 1: as answered
        upstream 2: as sent
        client 2: as answered
        """,
        traffic=[GET] * 3,
    ),
    case(
        "vm/both fail open",
        "the exchange that trapped is a 503, the next one passes (Envoy)",
        two("open", "open", **FOURTH),
        """
        proxy_on_request_headers(3, 5, 1) -> Continue
        proxy_on_request_headers(4, 5, 1) -> Continue
        proxy_on_request_headers(5, 5, 1) -> Continue
        proxy_on_request_headers(6, 5, 1) failed
        upstream 0: as sent
        client 0: as answered
        upstream 1: nothing
        client 1: 503
        upstream 2: as sent
        client 2: as answered
        """,
        traffic=[GET] * 3,
    ),
    case(
        "vm/a trap in the response",
        "the second's, where the first has not seen the response: no callback of it any more (Envoy)",
        two("closed", "fail_open", request_headers=[], response_headers=[TRAP], log=[]),
        """
        proxy_on_request_headers(3, 5, 1) -> Continue
        proxy_on_request_headers(4, 5, 1) -> Continue
        proxy_on_response_headers(4, 2, 0) failed
        upstream 0: as sent
        client 0: 503
        upstream 1: nothing
        client 1: 503
        """,
        traffic=[GET] * 2,
    ),
    case(
        "vm/both reload",
        "each as its stream is made: the second's root context comes behind the first's stream, in one fresh VM (Envoy)",
        two("reload", "reload", context_create=[], **THIRD),
        """
        proxy_on_context_create(1, 0)
        proxy_on_context_create(2, 0)
        proxy_on_context_create(3, 1)
        proxy_on_request_headers(3, 5, 1) -> Continue
        proxy_on_context_create(4, 2)
        proxy_on_request_headers(4, 5, 1) -> Continue
        proxy_on_context_create(5, 1)
        proxy_on_request_headers(5, 5, 1) failed
        proxy_on_context_create(1, 0)
        proxy_on_context_create(3, 0)
        proxy_on_context_create(2, 1)
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_context_create(4, 3)
        proxy_on_request_headers(4, 5, 1) -> Continue
        upstream 0: as sent
        client 0: as answered
        upstream 1: nothing
        client 1: 503
        upstream 2: as sent
        client 2: as answered
        """,
        traffic=[GET, GET, request(at_ms=1500)],
        paced=True,
    ),
    case(
        "vm/only the first reloads",
        "it lives on in a fresh VM, and sees the second's 503 (Envoy)",
        two("reload", **THIRD, vm_start=[], response_headers=[]),
        """
        proxy_on_vm_start(1, 0) -> true
        proxy_on_vm_start(2, 0) -> true
        proxy_on_request_headers(3, 5, 1) -> Continue
        proxy_on_request_headers(4, 5, 1) -> Continue
        proxy_on_response_headers(4, 2, 0) -> Continue
        proxy_on_response_headers(3, 2, 0) -> Continue
        proxy_on_request_headers(5, 5, 1) failed
        proxy_on_vm_start(1, 0) -> true
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_response_headers(2, 1, 1) -> Continue
        upstream 0: as sent
        client 0: as answered
        upstream 1: nothing
        client 1: 503
        upstream 2: nothing
        client 2: 503
        """,
        traffic=[GET, GET, request(at_ms=1500)],
        paced=True,
    ),
    case(
        "vm/only the second reloads",
        "it is told of the stream at its end (Envoy)",
        two("closed", "reload", **THIRD, context_create=[], log=[]),
        """
        proxy_on_context_create(1, 0)
        proxy_on_context_create(2, 0)
        proxy_on_context_create(3, 1)
        proxy_on_request_headers(3, 5, 1) -> Continue
        proxy_on_context_create(4, 2)
        proxy_on_request_headers(4, 5, 1) -> Continue
        proxy_on_log(3)
        proxy_on_log(4)
        proxy_on_context_create(5, 1)
        proxy_on_request_headers(5, 5, 1) failed
        proxy_on_context_create(1, 0)
        proxy_on_context_create(2, 1)
        proxy_on_log(2)
        upstream 0: as sent
        client 0: as answered
        upstream 1: nothing
        client 1: 503
        upstream 2: nothing
        client 2: 503
        """,
        traffic=[GET, GET, request(at_ms=1500)],
        paced=True,
    ),
    case(
        "vm/the wait for a reload begins with the VM",
        "one that fails later than the back-off after its start is replaced at once (Envoy)",
        plugin(failure_policy="reload", vm_start=[], request_headers=[Nth(1, (TRAP,))]),
        """
        proxy_on_vm_start(1, 0) -> true
        proxy_on_request_headers(2, 5, 1) failed
        proxy_on_vm_start(1, 0) -> true
        proxy_on_request_headers(2, 5, 1) failed
        upstream 0: nothing
        client 0: 503
        upstream 1: nothing
        client 1: 503
        upstream 2: nothing
        client 2: 503
        """,
        traffic=[GET, request(at_ms=1500), request(at_ms=510)],
        paced=True,
    ),
    case(
        "vm/a reload that is refused",
        "the refused VM is told of its end, the failed one stays, and it is tried again (Envoy)",
        plugin(
            failure_policy="reload",
            configure=[If(known("good"), 1, (If(known("bad"), 0, (keep("good"), Ret(0))),))],
            request_headers=[If(known("bad"), 1, (keep("bad"), TRAP))],
            done=[],
            delete=[],
        ),
        """
        proxy_on_configure(1, 0) -> true
          proxy_get_shared_data() -> NotFound
          proxy_get_shared_data() -> NotFound
        proxy_on_request_headers(2, 5, 1) failed
          proxy_get_shared_data() -> NotFound
          proxy_set_shared_data() -> Ok
        proxy_on_configure(1, 0) -> false
          proxy_get_shared_data() -> NotFound
          proxy_get_shared_data() -> Ok
          proxy_set_shared_data() -> Ok
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        proxy_on_configure(1, 0) -> true
          proxy_get_shared_data() -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_shared_data() -> Ok
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream 0: nothing
        client 0: 503
        upstream 1: nothing
        client 1: 503
        upstream 2: as sent
        client 2: as answered
        """,
        traffic=[GET, request(at_ms=1000), request(at_ms=2000)],
        paced=True,
    ),
    case(
        "vm/a queue outlives a reload",
        "a notice finds the fresh VM by its key, and the root context by its number (Envoy)",
        plugin(
            failure_policy="reload",
            request_headers=[
                If(known("k"), 1, (keep("k"), call("proxy_register_shared_queue", "q", Out("q")))),
                call("proxy_resolve_shared_queue", "", "q", Out("q")),
                call("proxy_enqueue_shared_queue", In("q"), "x"),
                Nth(2, (TRAP,)),
            ],
            queue_ready=[],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_shared_data() -> NotFound
          proxy_set_shared_data() -> Ok
          proxy_register_shared_queue() -> Ok
          proxy_resolve_shared_queue() -> Ok
          proxy_enqueue_shared_queue() -> Ok
        proxy_on_queue_ready(1, _)
        proxy_on_request_headers(3, 5, 1) failed
          proxy_get_shared_data() -> Ok
          proxy_resolve_shared_queue() -> Ok
          proxy_enqueue_shared_queue() -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_shared_data() -> Ok
          proxy_resolve_shared_queue() -> Ok
          proxy_enqueue_shared_queue() -> Ok
        proxy_on_queue_ready(1, _)
        upstream 0: as sent
        client 0: as answered
        upstream 1: nothing
        client 1: 503
        upstream 2: as sent
        client 2: as answered
        """,
        traffic=[GET, GET, request(at_ms=1500)],
        paced=True,
    ),
    case(
        "vm/metrics by name",
        "plugins and VMs that define one name share one metric (Envoy)",
        [
            plugin(
                vm_id=f"kit-metrics-{vm}",
                configure=[call("proxy_define_metric", 1, "kit-vm-gauge", OUT)],
                request_headers=[call("proxy_increment_metric", 5, 1), show("proxy_get_metric", 5, OUT, kind="u64")],
            )
            for vm in ("one", "one", "other")
        ],
        """
        proxy_on_configure(1, 0) -> true
          proxy_define_metric(Gauge) -> Ok
        proxy_on_configure(2, 0) -> true
          proxy_define_metric(Gauge) -> Ok
        proxy_on_configure(1, 0) -> true
          proxy_define_metric(Gauge) -> Ok
        proxy_on_request_headers(3, 5, 1) -> Continue
          proxy_increment_metric() -> Ok
          proxy_get_metric() -> Ok
          proxy_log(info) "1" -> Ok
        proxy_on_request_headers(4, 5, 1) -> Continue
          proxy_increment_metric() -> Ok
          proxy_get_metric() -> Ok
          proxy_log(info) "2" -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_increment_metric() -> Ok
          proxy_get_metric() -> Ok
          proxy_log(info) "3" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "vm/what the trial left in shared data",
        "a configuration is tried on the main thread before workers have it, in a VM that is thrown away; its shared data is not (Envoy)",
        plugin(configure=[show("proxy_get_shared_data", "k", OUT, OUT, OUT), keep("k")]),
        """
        proxy_on_configure(1, 0) -> true
          proxy_get_shared_data() -> Ok
          proxy_log(info) "1" -> Ok
          proxy_set_shared_data() -> Ok
        upstream: as sent
        client: as answered
        """,
        main_thread=True,
    ),
    case(
        "vm/a worker refuses what the trial took",
        "the filter is no part of streams there, whatever its policy (Envoy)",
        plugin(configure=[If(known("k"), 0, (Ret(0),)), keep("k")], request_headers=[], done=[], delete=[]),
        """
        proxy_on_configure(1, 0) -> false
          proxy_get_shared_data() -> Ok
          proxy_set_shared_data() -> Ok
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: as sent
        client: as answered
        """,
        main_thread=True,
    ),
    case(
        "vm/only the second is refused",
        "its neighbour goes on; its root context lives as long as the VM (Envoy)",
        two(configure=[Nth(2, (Ret(0),))], request_headers=[], done=[], delete=[]),
        """
        proxy_on_configure(1, 1) -> true
        proxy_on_configure(2, 1) -> false
        proxy_on_request_headers(3, 5, 1) -> Continue
        proxy_on_done(3) -> true
        proxy_on_delete(3)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        upstream: as sent
        client: as answered
        """,
        main_thread=True,
    ),
    case(
        "vm/the second traps at its start",
        "the VM is gone: the first fails by its policy, the second is no part of streams (Envoy)",
        two("open", "closed", vm_start=[Nth(2, (TRAP,))], request_headers=[]),
        """
        proxy_on_vm_start(1, 0) -> true
        proxy_on_vm_start(2, 0) failed
        upstream: as sent
        client: as answered
        """,
        main_thread=True,
    ),
    case(
        "vm/the second trapped at its start, the first reloads",
        "the first alone, in a fresh VM (Envoy)",
        two("reload", "closed", vm_start=[Nth(2, (TRAP,))], request_headers=[]),
        """
        proxy_on_vm_start(1, 0) -> true
        proxy_on_vm_start(2, 0) failed
        proxy_on_vm_start(1, 0) -> true
        proxy_on_request_headers(2, 5, 1) -> Continue
        upstream 0: nothing
        client 0: 503
        upstream 1: as sent
        client 1: as answered
        """,
        traffic=[GET, request(at_ms=1000)],
        paced=True,
        main_thread=True,
    ),
]
