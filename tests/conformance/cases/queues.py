"""Shared queues. Their tokens count over a whole process, so none is written."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.wat import OUT, Call, In, Nth, Out, Show, call, show

QUEUE = In("q")


def register(name: str = "q") -> Call:
    """Its token is `In` of the queue's name."""
    return call("proxy_register_shared_queue", name, Out(name))


def resolve(vm_id: str, name: str = "q") -> Call:
    return call("proxy_resolve_shared_queue", vm_id, name, Out("q"))


def enqueue(text: str, token: object = QUEUE) -> Call:
    return call("proxy_enqueue_shared_queue", token, text)


def dequeue(token: object = QUEUE) -> Show:
    return show("proxy_dequeue_shared_queue", token, OUT, OUT)


CASES = [
    case(
        "queues/first in, first out",
        "and Empty when nothing is left (spec)",
        plugin(request_headers=[register(), dequeue(), enqueue("1"), enqueue("2"), dequeue(), dequeue(), dequeue()]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_register_shared_queue() -> Ok
          proxy_dequeue_shared_queue() -> Empty
          proxy_enqueue_shared_queue() -> Ok
          proxy_enqueue_shared_queue() -> Ok
          proxy_dequeue_shared_queue() -> Ok
          proxy_log(info) "1" -> Ok
          proxy_dequeue_shared_queue() -> Ok
          proxy_log(info) "2" -> Ok
          proxy_dequeue_shared_queue() -> Empty
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "queues/registered twice",
        "it is the same queue, what is in it stays (cpp-host shared_queue.cc)",
        plugin(request_headers=[register(), enqueue("1"), call("proxy_register_shared_queue", "q", Out("again")), dequeue(In("again"))]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_register_shared_queue() -> Ok
          proxy_enqueue_shared_queue() -> Ok
          proxy_register_shared_queue() -> Ok
          proxy_dequeue_shared_queue() -> Ok
          proxy_log(info) "1" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "queues/a token that does not exist",
        "NotFound (spec)",
        plugin(request_headers=[enqueue("x", 0x7FFFFFF0), dequeue(0x7FFFFFF0), dequeue(0)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_enqueue_shared_queue() -> NotFound
          proxy_dequeue_shared_queue() -> NotFound
          proxy_dequeue_shared_queue() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "queues/resolve",
        "by vm_id and name; an empty vm_id is one's own; NotFound (spec)",
        plugin(
            vm_id="kit-resolve",
            request_headers=[register(), resolve(""), resolve("kit-resolve"), resolve("kit-nobody"), resolve("", "none")],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_register_shared_queue() -> Ok
          proxy_resolve_shared_queue() -> Ok
          proxy_resolve_shared_queue() -> Ok
          proxy_resolve_shared_queue() -> NotFound
          proxy_resolve_shared_queue() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "queues/an empty item",
        "is one (cpp-host)",
        plugin(request_headers=[register(), enqueue(""), dequeue(), dequeue()]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_register_shared_queue() -> Ok
          proxy_enqueue_shared_queue() -> Ok
          proxy_dequeue_shared_queue() -> Ok
          proxy_log(info) "" -> Ok
          proxy_dequeue_shared_queue() -> Empty
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "queues/a notice",
        "on_queue_ready of the root, after the callback that put something in (spec, cpp-host)",
        plugin(request_headers=[register(), enqueue("1"), call("log", 2, "put")], queue_ready=[dequeue()]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_register_shared_queue() -> Ok
          proxy_enqueue_shared_queue() -> Ok
          proxy_log(info) "put" -> Ok
        proxy_on_queue_ready(1, _)
          proxy_dequeue_shared_queue() -> Ok
          proxy_log(info) "1" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "queues/a notice for each item",
        "also where nothing is left by then (cpp-host)",
        plugin(
            request_headers=[register(), enqueue("1"), enqueue("2")],
            queue_ready=[Nth(1, (dequeue(), dequeue())), Nth(2, (dequeue(),))],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_register_shared_queue() -> Ok
          proxy_enqueue_shared_queue() -> Ok
          proxy_enqueue_shared_queue() -> Ok
        proxy_on_queue_ready(1, _)
          proxy_dequeue_shared_queue() -> Ok
          proxy_log(info) "1" -> Ok
          proxy_dequeue_shared_queue() -> Ok
          proxy_log(info) "2" -> Ok
        proxy_on_queue_ready(1, _)
          proxy_dequeue_shared_queue() -> Empty
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "queues/between two VMs",
        "one registers, the other resolves and puts in; the notice goes to the first (spec)",
        [
            plugin(vm_id="kit-reader", request_headers=[register()], queue_ready=[dequeue()]),
            plugin(vm_id="kit-writer", request_headers=[resolve("kit-reader"), enqueue("hello")]),
        ],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_register_shared_queue() -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_resolve_shared_queue() -> Ok
          proxy_enqueue_shared_queue() -> Ok
        proxy_on_queue_ready(1, _)
          proxy_dequeue_shared_queue() -> Ok
          proxy_log(info) "hello" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "queues/the last who registered is told",
        "not both (cpp-host shared_queue.cc)",
        [
            plugin(vm_id="kit-both", request_headers=[register()], queue_ready=[call("log", 2, "first")]),
            plugin(vm_id="kit-both", request_headers=[register(), enqueue("x")], queue_ready=[call("log", 2, "second")]),
        ],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_register_shared_queue() -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_register_shared_queue() -> Ok
          proxy_enqueue_shared_queue() -> Ok
        proxy_on_queue_ready(1, _)
          proxy_log(info) "second" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "queues/registered when configured",
        "the notice goes to the VM that registered last (cpp-host)",
        plugin(configure=[register()], request_headers=[enqueue("1")], queue_ready=[dequeue()]),
        """
        proxy_on_configure(1, 0) -> true
          proxy_register_shared_queue() -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_enqueue_shared_queue() -> Ok
        proxy_on_queue_ready(1, _)
          proxy_dequeue_shared_queue() -> Ok
          proxy_log(info) "1" -> Ok
        upstream: as sent
        client: as answered
        """,
        here_only="its main thread and its worker each have a VM, and either may have been the last",
    ),
]
