"""The ABI's enumerations, by the names of the Proxy-Wasm specification and of Envoy's header files, letter for letter."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["BufferType", "LogLevel", "MapType", "MetricType", "Status", "StreamType"]


class Status(IntEnum):
    """What a hostcall answers."""

    Ok = 0
    NotFound = 1
    BadArgument = 2
    SerializationFailure = 3
    ParseFailure = 4
    BadExpression = 5
    InvalidMemoryAccess = 6
    Empty = 7
    CasMismatch = 8
    ResultMismatch = 9
    InternalFailure = 10
    BrokenConnection = 11
    Unimplemented = 12


class LogLevel(IntEnum):
    """Of `proxy_log`."""

    trace = 0
    debug = 1
    info = 2
    warn = 3
    error = 4
    critical = 5


class MapType(IntEnum):
    """Which header map."""

    HttpRequestHeaders = 0
    HttpRequestTrailers = 1
    HttpResponseHeaders = 2
    HttpResponseTrailers = 3
    GrpcReceiveInitialMetadata = 4
    GrpcReceiveTrailingMetadata = 5
    HttpCallResponseHeaders = 6
    HttpCallResponseTrailers = 7


class BufferType(IntEnum):
    """Which buffer."""

    HttpRequestBody = 0
    HttpResponseBody = 1
    DownstreamData = 2
    UpstreamData = 3
    HttpCallResponseBody = 4
    GrpcReceiveBuffer = 5
    VmConfiguration = 6
    PluginConfiguration = 7
    CallData = 8


class StreamType(IntEnum):
    """Which stream."""

    Request = 0
    Response = 1
    Downstream = 2
    Upstream = 3


class MetricType(IntEnum):
    """Which kind of metric."""

    Counter = 0
    Gauge = 1
    Histogram = 2
