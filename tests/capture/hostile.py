"""Flows whose values look like the structure around them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from .conftest import turned

HOSTILE = [
    b"",
    b"a,9:authority;0:,",
    b",6:scheme;4:http,6:method;3:GET,",
    b"~8:response;0:~7:request;1:4:path;1:a,",
    b"]12:http_version;8:HTTP/1.1,}6:backup;0:~",
    b"}5:error;0:~2:id;36:00000000-0000-0000-0000-000000000000;4:type;4:http;7:version;2:21#}",
    b"\xff\0:;,]}~",
]


def hostile(base: dict[str, Any], count: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    """`count` variations of the flow `base`."""
    for _ in range(count):
        flow = turned(turned(base))
        flow["response"] = chance.choice([None, {**base["response"]}])
        request = flow["request"] = {**base["request"]}
        messages = [message for message in (request, flow["response"]) if message]
        for message in messages:
            message["content"] = chance.choice([None, *HOSTILE])
            message["trailers"] = chance.choice([None, [], [[chance.choice(HOSTILE), chance.choice(HOSTILE)]]])
            message["headers"] = [[chance.choice(HOSTILE), chance.choice(HOSTILE)] for _ in range(chance.randrange(4))]
            message["timestamp_end"] = chance.choice([None, 12.5, 1e9, message["timestamp_end"]])
            message["http_version"] = chance.choice([b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"HTTP/2.0", b"HTTP/3"])
        for name in ("path", "authority", "scheme", "method"):
            if chance.random() < (0.5 if name == "path" else 0.1):
                request[name] = chance.choice(HOSTILE)
        request["host"] = chance.choice(["h", "h", ";13:timestamp_end;0:~15:timestamp_start;1:1^8:trailers;0:~"])
        if flow["response"] and chance.random() < 0.1:
            flow["response"]["reason"] = chance.choice(HOSTILE)
        flow["error"] = chance.choice([None, {"msg": "5:error;0:~2:id;36:", "timestamp": 1.0}, {"timestamp": 1.0, "msg": ""}])
        flow["client_conn"] = {**base["client_conn"], "sni": chance.choice([None, "2:id;36:", "a"]), "tls": chance.random() < 0.5}
        flow["server_conn"] = {**base["server_conn"], "peername": chance.choice([None, ["::1", 5, 0, 0], ["name", 5]])}
        flow["comment"] = chance.choice(["", "", "", "a word"])
        yield flow
