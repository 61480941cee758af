"""A Python function as a service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from ..errors import ReplayError
from .calls import GrpcAnswer, GrpcRequest, HttpAnswer, HttpRequest

__all__ = ["FunctionService"]


@dataclass(frozen=True, slots=True)
class FunctionService:
    """Answers with what `function` gives for a request: an `HttpRequest` or a `GrpcRequest`. An exception in it ends the replay.

    It is called once a callout, for streams once a message, in the order of virtual time.
    """

    function: Callable[[HttpRequest | GrpcRequest], HttpAnswer | GrpcAnswer]

    @property
    def deterministic(self) -> bool:
        """As far as anyone can know: what the function looks at besides its request is its own affair."""
        return True

    def begin(self, capture: object) -> FunctionService:
        """The same for every replay."""
        return self

    def http(self, request: HttpRequest) -> HttpAnswer:
        """The function's answer."""
        return cast(HttpAnswer, self._of(request))

    def grpc(self, request: GrpcRequest) -> GrpcAnswer:
        """The function's answer."""
        return self._of(request)

    def _of(self, request: HttpRequest | GrpcRequest) -> HttpAnswer | GrpcAnswer:
        try:
            return self.function(request)
        except Exception as error:
            name = getattr(self.function, "__name__", type(self.function).__name__)
            what = f"{name} raised {type(error).__name__}: {error}"
            raise ReplayError(what, where=f"cluster {request.cluster}", remedy="Mend the function that answers for the cluster") from error
