//! A captured message as Envoy shows it to the first filter: what its HTTP connection manager and codec do before any
//! filter runs. All as seen with real Envoy 1.40, HTTP/1 on both sides.

use crate::headers::{HeaderMap, Side};
use crate::packed::Pairs;

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

fn lower_into(name: &mut Vec<u8>, from: &[u8]) {
    name.clear();
    name.extend(from.iter().map(u8::to_ascii_lowercase));
}

/// Fills `map` with a request: pseudo headers in Envoy's order, then the fields as captured, names in lower case,
/// `x-forwarded-proto` last where there was none. `fields` gives the captured ones, each time from the start.
pub fn load_request<'a>(map: &mut HeaderMap, method: &[u8], scheme: &[u8], authority: &[u8], path: &[u8], fields: impl Fn() -> Pairs<'a>) {
    map.clear(Side::Request);
    let mut name = Vec::with_capacity(64);
    let mut forwarded: Option<&[u8]> = None;
    let mut named: Vec<Vec<u8>> = Vec::new();
    for (k, v) in fields() {
        if k.eq_ignore_ascii_case(b"x-forwarded-proto") {
            forwarded = forwarded.or(Some(v));
        } else if k.eq_ignore_ascii_case(b"connection") {
            named.extend(tokens(v).map(<[u8]>::to_ascii_lowercase).filter(|t| t != b"te"));
        }
    }
    let https = forwarded.unwrap_or(scheme).eq_ignore_ascii_case(b"https");
    map.push(b":authority", authority);
    map.push(b":path", path);
    map.push(b":method", method);
    map.push(b":scheme", if https { b"https" } else { b"http" });
    for (k, v) in fields() {
        lower_into(&mut name, k);
        if ends_here(&name, v) || named.contains(&name) {
            continue;
        }
        match &name[..] {
            b"te" if v.is_empty() => map.add(b"te", v),
            b"te" if tokens(v).any(|t| t == b"trailers") => map.add(b"te", b"trailers"),
            b"te" => {}
            name => map.add(name, v),
        }
    }
    if forwarded.is_none() {
        map.push(b"x-forwarded-proto", scheme);
    }
}

/// Fills `map` with a response. Only `keep-alive` is dropped here: filters do see `connection` and its like.
pub fn load_response(map: &mut HeaderMap, status: u32, fields: Pairs<'_>) {
    map.clear(Side::Response);
    map.push(b":status", status.to_string().as_bytes());
    let mut name = Vec::with_capacity(64);
    for (k, v) in fields {
        lower_into(&mut name, k);
        let dropped = name == b"keep-alive" || name.first() == Some(&b':') || status == 204 && name == b"content-length" && v == b"0";
        if !dropped {
            map.add(&name, v);
        }
    }
}

pub fn load_trailers(map: &mut HeaderMap, fields: Pairs<'_>) {
    map.clear(Side::Trailers);
    let mut name = Vec::with_capacity(64);
    for (k, v) in fields {
        lower_into(&mut name, k);
        map.add(&name, v);
    }
}

/// Response headers that the codec takes off behind the last filter.
pub fn stays_behind(name: &[u8]) -> bool {
    matches!(name, b"connection" | b"transfer-encoding" | b"proxy-connection" | b"upgrade")
}

/// True if a message without body bytes still has its end after the headers: it came in chunks.
pub fn is_chunked(mut fields: Pairs<'_>) -> bool {
    fields.any(|(k, v)| k.eq_ignore_ascii_case(b"transfer-encoding") && v.to_ascii_lowercase().ends_with(b"chunked"))
}
