"""The words of the query language: mitmproxy's filter expressions on what was captured, and in the same form terms on what filters did.

Outside rule: the meaning of mitmproxy's terms is that of its `flowfilter` (docs.mitmproxy.org, Filter expressions).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import Enum

from .facts import Outcome

__all__ = ["DECISIONS", "ELSEWHERE", "OUTCOMES", "PARTS", "TERMS", "Argument", "Form", "nearest"]


class Argument(Enum):
    """What stands behind a term."""

    NONE = ""
    PATTERN = "regex"
    CODE = "code"
    DURATION = "time"
    OUTCOME = "outcome"
    DECISION = "decision"
    PART = "part"


@dataclass(frozen=True, slots=True)
class Form:
    """A term: its name behind the tilde, what it takes, and a line of help. `ours` are those that mitmproxy does not know."""

    name: str
    argument: Argument
    help: str
    ours: bool = False


OUTCOMES = tuple(outcome.name.lower() for outcome in Outcome)
DECISIONS = ("limited", "allowed", "denied", "error", "none")
PARTS = {
    "any": "Anything",
    "outcome": "What became of it",
    "status": "Status that the client got",
    "request": "What the upstream got",
    "response": "What the client got",
    "headers": "Headers of either",
    "body": "Body of either",
    "trailers": "Trailers of either",
    "request_headers": "Headers that the upstream got",
    "request_body": "Body that the upstream got",
    "request_trailers": "Trailers that the upstream got",
    "response_headers": "Headers that the client got",
    "response_body": "Body that the client got",
    "response_trailers": "Trailers that the client got",
    "presence": "Only one run sent it at all",
    "connection": "Bytes or end of a TCP connection",
}
"""In what an exchange can differ between two runs, each with a line of help."""

_NONE, _PATTERN = Argument.NONE, Argument.PATTERN
TERMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("outcome", Argument.OUTCOME, "What became of it: passed, changed, local, denied, limited or error", True),
        Form("decision", Argument.DECISION, "What a filter decided: limited, allowed, denied, error or none", True),
        Form("changed", _PATTERN, "A filter changed a header of this name, or request_body, response_body", True),
        Form("filter", _PATTERN, "A filter of this name changed, answered or failed", True),
        Form("log", _PATTERN, "A filter logged a line like this", True),
        Form("callout", _PATTERN, "A filter called a service of this name", True),
        Form("limit", _PATTERN, "A rate limit of this name or domain was consulted", True),
        Form("key", _PATTERN, "A rate limit's counter with this key was consulted", True),
        Form("got", Argument.CODE, "Status that the client got from the replay", True),
        Form("over", Argument.DURATION, "More time than this in filters, such as 20us or 1.5ms", True),
        Form("differs", Argument.PART, "Differs from the run that it is compared with, in any, outcome, status, headers, body", True),
        Form("u", _PATTERN, "URL; a word alone means the same"),
        Form("m", _PATTERN, "Method"),
        Form("d", _PATTERN, "Domain"),
        Form("c", Argument.CODE, "Captured response code"),
        Form("h", _PATTERN, "Captured header line, request or response"),
        Form("hq", _PATTERN, "Captured request header"),
        Form("hs", _PATTERN, "Captured response header"),
        Form("b", _PATTERN, "Captured body, request or response"),
        Form("bq", _PATTERN, "Captured request body"),
        Form("bs", _PATTERN, "Captured response body"),
        Form("t", _PATTERN, "Content-type, request or response"),
        Form("tq", _PATTERN, "Content-type of the request"),
        Form("ts", _PATTERN, "Content-type of the response"),
        Form("q", _NONE, "No response was captured"),
        Form("s", _NONE, "A response was captured"),
        Form("e", _NONE, "The capture tells of an error"),
        Form("a", _NONE, "Asset in the response: style sheets, scripts, images, fonts"),
        Form("src", _PATTERN, "Client's address and port"),
        Form("dst", _PATTERN, "Upstream's address and port"),
        Form("http", _NONE, "HTTP exchanges"),
        Form("tcp", _NONE, "TCP connections"),
        Form("websocket", _NONE, "WebSockets"),
        Form("all", _NONE, "Everything"),
    )
}

ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(("marked", "marker", "comment", "meta"), "marks, comments and metadata of mitmproxy are not kept"),
    **dict.fromkeys(("replay", "replayq", "replays"), "mitmproxy's own replays are not told apart here"),
    **dict.fromkeys(("udp", "dns"), "only HTTP and TCP go through filters"),
}
"""Terms that mitmproxy knows and this language does not, with the reason."""


def nearest(word: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The members of `known` that someone who wrote `word` may have meant, the likeliest first; at most three."""
    begun = [each for each in known if word and each.startswith(word)]
    close = difflib.get_close_matches(word.lower(), known, 3, 0.6)
    return tuple(dict.fromkeys([*close, *begun]))[:3]
