"""The driver's side: each question of the core goes to the service of its cluster, and comes back as parts of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from ..capture.exchange import Pairs
from ..capture.packing import pack_str
from ..errors import ConfigError, ReplayError, WorkbenchError
from .calls import (
    GrpcAnswer,
    GrpcRequest,
    GrpcResponse,
    HttpAnswer,
    HttpRequest,
    HttpResponse,
    Never,
    Part,
    Peeking,
    Reset,
    Service,
    Session,
    Streaming,
    Unreachable,
)  # fmt: skip
from .packing import (
    Ask,
    PartKind,
    Question,
    grpc_parts,
    http_parts,
    message_parts,
    pack_names,
    pack_parts,
    split_questions,
    unpack_question,
)

__all__ = ["Answering"]

_NONE = 0xFFFFFFFF
_HTTP_ANSWERS = (HttpResponse, Unreachable, Reset, Never)
_ENDS = (PartKind.RESET, PartKind.UNREACHABLE, PartKind.END, PartKind.END_ONLY, PartKind.NOT_GRPC)


class Answering:
    """Answers the questions of one replay. `filters` are the names of the chain's filters."""

    def __init__(self, clusters: Mapping[str, Service], filters: Sequence[str]) -> None:
        self._services = {name.encode(): service for name, service in clusters.items()}
        self._filters = filters
        self._sessions: dict[tuple[int, int], Session] = {}

    @property
    def names(self) -> bytes:
        """The clusters that filters may call, packed for the core."""
        return pack_names(self._services)

    def answer_all(self, data: bytes) -> bytes:
        """The packed answers to the packed questions, in their order. Raises as `answer`."""
        return b"".join(pack_str(self.answer(question)) for question in split_questions(data))

    def answer(self, data: bytes) -> bytes:
        """The packed answer to a packed question. Raises WorkbenchError, which names the cluster, where a service fails to give one."""
        question = unpack_question(data)
        cluster = question.cluster.decode("utf-8", "replace")
        try:
            return pack_parts(self._parts(question))
        except ReplayError:
            raise
        except WorkbenchError as error:
            raise ReplayError(error.what, where=error.where or f"cluster {cluster}", remedy=error.remedy) from error
        except Exception as error:
            # whatever a user's function raises
            raise ReplayError(
                f"its service raised {type(error).__name__}: {error}",
                where=f"cluster {cluster}",
                remedy="Mend the function that answers for it",
            ) from error

    def close(self) -> None:
        """End what is still open."""
        for session in self._sessions.values():
            session.cancel()
        self._sessions.clear()
        for service in self._services.values():
            if hasattr(service, "close"):
                service.close()

    def _parts(self, question: Question) -> Sequence[Part]:
        key = question.vm, question.token
        service = self._services[question.cluster]
        if question.kind == Ask.HTTP:
            return http_parts(_checked_http(service.http(self._http(question))))
        if question.kind == Ask.UNARY:
            return grpc_parts(checked_grpc(service.grpc(self._grpc(question))))
        if question.kind == Ask.STREAM:
            request = self._grpc(question)
            if hasattr(service, "stream"):
                self._sessions[key], parts = cast(Streaming, service).stream(request)
            else:
                self._sessions[key], parts = _Messages(service, request), _at_once(service, request)
        else:
            session = self._sessions.get(key)
            if session is None:
                return ()
            if question.kind == Ask.CANCELLED:
                del self._sessions[key]
                session.cancel()
                return ()
            sends = question.kind == Ask.SEND
            parts = session.send(question.body, question.end, question.time_ns) if sends else session.half_close(question.time_ns)
        if any(part.kind in _ENDS for part in parts):
            self._sessions.pop(key, None)
        return parts

    def _common(self, question: Question) -> dict[str, object]:
        timeout = question.timeout_ms if question.timeout_ms and question.kind in (Ask.HTTP, Ask.UNARY) else None
        added: Pairs = ((b"x-envoy-internal", b"true"),)
        if timeout is not None:
            added += ((b"x-envoy-expected-rq-timeout-ms", b"%d" % timeout),)
        return {
            "cluster": question.cluster.decode("utf-8", "replace"),
            "headers": question.headers + added,
            "body": question.body,
            "time_ns": question.time_ns,
            "timeout_ms": timeout,
            "filter": self._filters[question.filter] if question.filter < len(self._filters) else "",
            "exchange": None if question.exchange == _NONE else question.exchange,
        }

    def _http(self, question: Question) -> HttpRequest:
        return HttpRequest(**self._common(question), trailers=question.trailers)  # type: ignore[arg-type]

    def _grpc(self, question: Question) -> GrpcRequest:
        service, method = (text.decode("utf-8", "replace") for text in (question.service, question.method))
        return GrpcRequest(**self._common(question), service=service, method=method)  # type: ignore[arg-type]


_UNIMPLEMENTED = 12


def _at_once(service: Service, request: GrpcRequest) -> Sequence[Part]:
    """What a server says to a stream before any message: that it is not there, speaks no gRPC, or has no such method."""
    if not hasattr(service, "peek"):
        return ()
    answer = cast(Peeking, service).peek(request)
    no_method = isinstance(answer, GrpcResponse) and answer.status == _UNIMPLEMENTED
    return message_parts(answer, first=True, end=True) if no_method or isinstance(answer, (Unreachable, HttpResponse)) else ()


class _Messages:
    """A stream of a service that only knows single messages: each is a question of its own."""

    def __init__(self, service: Service, opened: GrpcRequest) -> None:
        self._service = service
        self._opened = opened
        self._first = True
        self._last: GrpcResponse | None = None

    def send(self, message: bytes, end: bool, time_ns: int) -> Sequence[Part]:
        """The answer to one message."""
        was = self._opened
        asked = GrpcRequest(
            was.cluster, was.headers, message, time_ns, None, was.filter, was.exchange, service=was.service, method=was.method
        )
        answer = checked_grpc(self._service.grpc(asked))
        parts = message_parts(answer, first=self._first, end=end)
        self._first = self._first and not parts
        if isinstance(answer, GrpcResponse):
            self._last = answer
        return parts

    def half_close(self, time_ns: int) -> Sequence[Part]:
        """The end, with what the last message's answer said of it."""
        kind = PartKind.END_ONLY if self._first else PartKind.END
        last = self._last or GrpcResponse()
        trailers = last.trailers
        assert isinstance(trailers, tuple)
        return [Part(kind, round(last.latency_ms * 1_000_000), 0, (), b"", trailers)]

    def cancel(self) -> None:
        """Nothing is held."""


def _checked_http(answer: HttpAnswer) -> HttpAnswer:
    if not isinstance(answer, _HTTP_ANSWERS):
        raise ConfigError(f"its service gave {type(answer).__name__} for an HTTP call", remedy="Give an HttpResponse")
    return answer


def checked_grpc(answer: GrpcAnswer) -> GrpcAnswer:
    """The answer, if it is one."""
    if not isinstance(answer, (*_HTTP_ANSWERS, GrpcResponse)):
        raise ConfigError(f"its service gave {type(answer).__name__} for a gRPC call", remedy="Give a GrpcResponse")
    return answer
