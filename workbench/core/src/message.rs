//! A captured message as Envoy shows it to the first filter (HTTP connection manager, before any filter ran).

use crate::headers::{HeaderMap, Side};
use crate::packed::Pairs;

/// Headers that end at the proxy: no filter sees them.
fn hop_by_hop(name: &[u8]) -> bool {
    matches!(name, b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" | b"http2-settings")
}

/// Fills `map` with a request: pseudo headers in Envoy's order, then the fields as captured, names in lower case.
pub fn load_request(map: &mut HeaderMap, method: &[u8], scheme: &[u8], authority: &[u8], path: &[u8], fields: Pairs<'_>) {
    map.clear(Side::Request);
    map.push(b":authority", authority);
    map.push(b":path", path);
    map.push(b":method", method);
    map.push(b":scheme", scheme);
    let mut forwarded = false;
    let mut name = Vec::with_capacity(64);
    for (k, v) in fields {
        name.clear();
        name.extend(k.iter().map(u8::to_ascii_lowercase));
        if hop_by_hop(&name) || name == b"host" || name.first() == Some(&b':') {
            continue;
        }
        forwarded |= name == b"x-forwarded-proto";
        map.add(&name, v);
    }
    if !forwarded {
        map.push(b"x-forwarded-proto", scheme);
    }
}

/// Fills `map` with a response.
pub fn load_response(map: &mut HeaderMap, status: u32, fields: Pairs<'_>) {
    map.clear(Side::Response);
    map.push(b":status", status.to_string().as_bytes());
    load_fields(map, fields);
}

pub fn load_trailers(map: &mut HeaderMap, fields: Pairs<'_>) {
    map.clear(Side::Trailers);
    load_fields(map, fields);
}

fn load_fields(map: &mut HeaderMap, fields: Pairs<'_>) {
    let mut name = Vec::with_capacity(64);
    for (k, v) in fields {
        name.clear();
        name.extend(k.iter().map(u8::to_ascii_lowercase));
        if !hop_by_hop(&name) && name.first() != Some(&b':') {
            map.add(&name, v);
        }
    }
}

/// True if a message without body bytes still has its end after the headers: it came in chunks.
pub fn is_chunked(mut fields: Pairs<'_>) -> bool {
    fields.any(|(k, v)| k.eq_ignore_ascii_case(b"transfer-encoding") && v.to_ascii_lowercase().ends_with(b"chunked"))
}
