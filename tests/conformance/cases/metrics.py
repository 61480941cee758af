"""Metrics. Names are shared by all that runs in one Envoy, so each case has its own."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import GET
from tests.core.wat import OUT, Bytes, Call, In, Out, Show, call, show

COUNTER, GAUGE, HISTOGRAM = 0, 1, 2
MINE = In("m")


def define(kind: int, name: str, place: str = "m") -> Call:
    return call("proxy_define_metric", kind, name, Out(place))


def add(by: int, metric: object = MINE) -> Call:
    return call("proxy_increment_metric", metric, by)


def record(value: int, metric: object = MINE) -> Call:
    return call("proxy_record_metric", metric, value)


def read(metric: object = MINE) -> Show:
    return show("proxy_get_metric", metric, OUT, kind="u64")


CASES = [
    case(
        "metrics/a counter counts",
        "by positive numbers only: 0 and less are BadArgument (Envoy)",
        plugin(request_headers=[define(COUNTER, "kit.counter"), read(), add(5), add(1), add(0), add(-1), read()]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_define_metric(Counter) -> Ok
          proxy_get_metric() -> Ok
          proxy_log(info) "0" -> Ok
          proxy_increment_metric() -> Ok
          proxy_increment_metric() -> Ok
          proxy_increment_metric() -> BadArgument
          proxy_increment_metric() -> BadArgument
          proxy_get_metric() -> Ok
          proxy_log(info) "6" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "metrics/record on a counter",
        "adds (Envoy; the spec says sets)",
        plugin(request_headers=[define(COUNTER, "kit.recorded"), record(5), record(2), read()]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_define_metric(Counter) -> Ok
          proxy_record_metric() -> Ok
          proxy_record_metric() -> Ok
          proxy_get_metric() -> Ok
          proxy_log(info) "7" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "metrics/a gauge",
        "is set, raised and lowered (spec)",
        plugin(request_headers=[define(GAUGE, "kit.gauge"), record(7), add(2), add(-4), read(), record(0), read()]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_define_metric(Gauge) -> Ok
          proxy_record_metric() -> Ok
          proxy_increment_metric() -> Ok
          proxy_increment_metric() -> Ok
          proxy_get_metric() -> Ok
          proxy_log(info) "5" -> Ok
          proxy_record_metric() -> Ok
          proxy_get_metric() -> Ok
          proxy_log(info) "0" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "metrics/a gauge below zero",
        "goes round: it has no sign (Envoy)",
        plugin(request_headers=[define(GAUGE, "kit.low"), record(1), add(-2), read()]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_define_metric(Gauge) -> Ok
          proxy_record_metric() -> Ok
          proxy_increment_metric() -> Ok
          proxy_get_metric() -> Ok
          proxy_log(info) "18446744073709551615" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "metrics/a histogram",
        "only records (Envoy)",
        plugin(request_headers=[define(HISTOGRAM, "kit.histogram"), record(3), add(1), read()]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_define_metric(Histogram) -> Ok
          proxy_record_metric() -> Ok
          proxy_increment_metric() -> BadArgument
          proxy_get_metric() -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "metrics/a type that does not exist",
        "BadArgument (cpp-host)",
        plugin(request_headers=[define(3, "kit.none")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_define_metric(3) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "metrics/a name before a type",
        "its memory is looked at first: InvalidMemoryAccess (Envoy)",
        plugin(request_headers=[call("proxy_define_metric", 3, Bytes(0xFFFFFFF0, 99), OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_define_metric(3) -> InvalidMemoryAccess
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "metrics/ids count up by type",
        "4, 5 and 6 are the first counter, gauge and histogram of a VM, 8 the second counter (Envoy)",
        plugin(
            request_headers=[
                show("proxy_define_metric", kind, f"kit.id{number}", OUT)
                for number, kind in enumerate((COUNTER, GAUGE, HISTOGRAM, COUNTER))
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_define_metric(Counter) -> Ok
          proxy_log(info) "4" -> Ok
          proxy_define_metric(Gauge) -> Ok
          proxy_log(info) "5" -> Ok
          proxy_define_metric(Histogram) -> Ok
          proxy_log(info) "6" -> Ok
          proxy_define_metric(Counter) -> Ok
          proxy_log(info) "8" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "metrics/defined again",
        "a new id for the same metric (Envoy)",
        plugin(request_headers=[define(COUNTER, "kit.twice"), add(3), define(COUNTER, "kit.twice", "again"), read(In("again"))]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_define_metric(Counter) -> Ok
          proxy_increment_metric() -> Ok
          proxy_define_metric(Counter) -> Ok
          proxy_get_metric() -> Ok
          proxy_log(info) "3" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "metrics/ids that do not exist",
        "NotFound; where the type is none of a metric that can be read, BadArgument (Envoy)",
        plugin(request_headers=[step for metric in (44, 45, 46, 47) for step in (add(1, metric), record(1, metric), read(metric))]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_increment_metric() -> NotFound
          proxy_record_metric() -> NotFound
          proxy_get_metric() -> NotFound
          proxy_increment_metric() -> NotFound
          proxy_record_metric() -> NotFound
          proxy_get_metric() -> NotFound
          proxy_increment_metric() -> BadArgument
          proxy_record_metric() -> NotFound
          proxy_get_metric() -> BadArgument
          proxy_increment_metric() -> BadArgument
          proxy_record_metric() -> NotFound
          proxy_get_metric() -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "metrics/from exchange to exchange",
        "they outlive the stream (spec)",
        plugin(request_headers=[define(COUNTER, "kit.kept"), add(1), read()]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_define_metric(Counter) -> Ok
          proxy_increment_metric() -> Ok
          proxy_get_metric() -> Ok
          proxy_log(info) "1" -> Ok
        proxy_on_request_headers(3, 5, 1) -> Continue
          proxy_define_metric(Counter) -> Ok
          proxy_increment_metric() -> Ok
          proxy_get_metric() -> Ok
          proxy_log(info) "2" -> Ok
        upstream 0: as sent
        client 0: as answered
        upstream 1: as sent
        client 1: as answered
        """,
        traffic=[GET, GET],
    ),
    case(
        "metrics/bad memory",
        "InvalidMemoryAccess for a name and the place of a result (cpp-host)",
        plugin(
            request_headers=[
                call("proxy_define_metric", COUNTER, Bytes(0xFFFFFFF0, 99), OUT),
                call("proxy_define_metric", COUNTER, "kit.memory", 0xFFFFFFFE),
                define(COUNTER, "kit.memory2"),
                call("proxy_get_metric", MINE, 0xFFFFFFFA),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_define_metric(Counter) -> InvalidMemoryAccess
          proxy_define_metric(Counter) -> InvalidMemoryAccess
          proxy_define_metric(Counter) -> Ok
          proxy_get_metric() -> InvalidMemoryAccess
        upstream: as sent
        client: as answered
        """,
    ),
]
