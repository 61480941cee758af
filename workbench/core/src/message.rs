//! A captured message as Envoy shows it to the first filter: what its HTTP connection manager and codec do before any
//! filter runs. All as seen with real Envoy 1.40, HTTP/1 on both sides.

use crate::headers::{HeaderMap, Side};
use crate::packed::Pairs;
use crate::refusal::{bad_name, Refusal, Scan, UPGRADE_FAILED};

/// Headers by which Envoys talk to each other: from outside they are dropped.
pub fn is_internal(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"x-envoy-") else { return false };
    matches!(
        rest,
        b"expected-rq-timeout-ms" | b"force-trace" | b"hedge-on-per-try-timeout" | b"internal" | b"ip-tags" | b"max-retries" | b"original-url"
            | b"retriable-header-names" | b"retriable-status-codes" | b"retry-grpc-on" | b"retry-on" | b"upstream-alt-stat-name"
            | b"upstream-rq-per-try-timeout-ms" | b"upstream-rq-timeout-alt-response" | b"upstream-rq-timeout-ms" | b"upstream-stream-duration-ms"
    )
}

/// Request headers that end at the proxy: no filter sees them.
fn ends_here(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" | b"http2-settings" | b"x-forwarded-client-cert" | b"host" => true,
        b"expect" => value.eq_ignore_ascii_case(b"100-continue"),
        _ => name.first() == Some(&b':') || is_internal(name),
    }
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

/// Without the blanks around it: what a codec gives of a value.
fn trimmed(value: &[u8]) -> &[u8] {
    let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    if blank(value.first()) || blank(value.last()) { value.trim_ascii() } else { value }
}

/// A message as loaded.
#[derive(Clone, Copy, Default)]
pub struct Loaded {
    /// It came in chunks.
    pub chunked: bool,
    /// It has a content-length or came in chunks.
    pub framed: bool,
    /// It asks for WebSocket, and may.
    pub upgrade: bool,
    /// Envoy answers it instead of passing it on.
    pub refused: Option<Refusal>,
}

/// Fills `map` with a request: pseudo headers in Envoy's order, then the fields as captured, names in lower case,
/// `x-forwarded-proto` last where there was none.
/// An upgrade to WebSocket keeps its headers where it is `allowed`. Of HTTP/2 all cookies are one, behind the other fields.
#[allow(clippy::too_many_arguments)]
pub fn load_request(
    map: &mut HeaderMap,
    method: &[u8],
    scheme: &[u8],
    authority: &[u8],
    path: &[u8],
    fields: Pairs<'_>,
    version: u32,
    allowed: bool,
) -> Loaded {
    map.clear(Side::Request);
    let scan = Scan::of(fields.clone());
    let mut named: Vec<Vec<u8>> = Vec::new();
    if scan.connection {
        for (_, v) in fields.clone().filter(|(k, _)| k.eq_ignore_ascii_case(b"connection")) {
            named.extend(tokens(v).map(<[u8]>::to_ascii_lowercase).filter(|t| t != b"te"));
        }
    }
    let upgrade = allowed && version < 20 && scan.asks_for_websocket(&named);
    let mut refused = scan.request(method, authority, path, fields.clone(), &named, version);
    if upgrade {
        named.retain(|name| name != b"upgrade");
        refused = refused.filter(|refusal| refusal.details != UPGRADE_FAILED);
    }
    // HTTP/2 says it itself
    let https = match scan.forwarded {
        _ if version >= 20 => scheme.eq_ignore_ascii_case(b"https"),
        (0, _) => scheme.eq_ignore_ascii_case(b"https"),
        (1, value) => value.eq_ignore_ascii_case(b"https"),
        _ => false,
    };
    // refused by then, a request has neither a scheme nor what is derived from it
    let whole = refused.is_none_or(|refusal| refusal.details == UPGRADE_FAILED);
    if !authority.is_empty() || whole {
        map.push(b":authority", authority);
    }
    if method != b"CONNECT" {
        map.push(b":path", if path.is_empty() { b"/" } else { path });
    }
    map.push(b":method", method);
    if whole {
        map.push(b":scheme", if https { b"https" } else { b"http" });
    }
    let mut legal = true;
    let mut cookies: Vec<&[u8]> = Vec::new();
    for (k, v) in fields {
        let mut v = trimmed(v);
        if k.first() == Some(&b':') {
            continue;
        }
        if version >= 20 && k.eq_ignore_ascii_case(b"cookie") {
            cookies.push(v);
            continue;
        }
        if k.eq_ignore_ascii_case(b"te") && !v.is_empty() {
            if !tokens(v).any(|t| t == b"trailers") {
                continue;
            }
            v = b"trailers";
        }
        legal &= map.load(k, v, |name| ends_here(name, v) && !(upgrade && matches!(name, b"connection" | b"upgrade")) || named.iter().any(|other| other == name));
    }
    if !legal {
        refused = bad_name(refused);
    }
    if !cookies.is_empty() {
        map.push(b"cookie", &cookies.join(&b"; "[..]));
    }
    if scan.forwarded.0 == 0 && whole {
        map.push(b"x-forwarded-proto", scheme);
    }
    Loaded { chunked: scan.chunked(), framed: scan.framed(), upgrade: upgrade && refused.is_none(), refused }
}

/// Fills `map` with a response. Only `keep-alive` is dropped here: filters do see `connection` and its like.
/// None where Envoy would not take it from an upstream of this HTTP version.
pub fn load_response(map: &mut HeaderMap, status: u32, version: u32, fields: Pairs<'_>) -> Option<Loaded> {
    map.clear(Side::Response);
    let scan = Scan::of(fields.clone());
    if version < 20 && !scan.takes_response(status, fields.clone()) {
        return None;
    }
    map.push_number(b":status", status);
    let mut legal = true;
    for (k, v) in fields {
        let v = trimmed(v);
        if k.first() != Some(&b':') {
            legal &= map.load(k, v, |name| name == b"keep-alive" || status == 204 && name == b"content-length" && v == b"0");
        }
    }
    if version < 20 && !legal {
        return None;
    }
    Some(Loaded { chunked: scan.chunked(), framed: scan.framed(), ..Loaded::default() })
}

pub fn load_trailers(map: &mut HeaderMap, fields: Pairs<'_>) {
    map.clear(Side::Trailers);
    for (k, v) in fields {
        map.add(&k.to_ascii_lowercase(), trimmed(v));
    }
}

/// Response headers that the codec takes off behind the last filter.
pub fn stays_behind(name: &[u8]) -> bool {
    matches!(name, b"connection" | b"transfer-encoding" | b"proxy-connection" | b"upgrade")
}
