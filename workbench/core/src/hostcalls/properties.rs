//! Properties: what Envoy's attributes say of a stream, as far as a capture can supply it, in Envoy's encodings.

use super::*;
use crate::headers::HeaderMap;
use crate::state::Core;
use crate::stream::{Stream, REQUEST, RESPONSE};

/// The headers of a direction, if this filter can reach them now: the same pointers feed the properties.
fn reachable(s: &Stream, filter: u32, dir: usize) -> Option<&HeaderMap> {
    let state = &s.filters[filter as usize];
    (state.half[dir].headers_open || state.logging).then_some(&s.maps[dir * 2])
}

fn int(value: u64) -> Option<Vec<u8>> {
    Some(value.to_le_bytes().to_vec())
}

/// All values of a header, joined as the attribute shows them.
fn joined(map: &HeaderMap, name: &[u8]) -> Option<Vec<u8>> {
    let mut values = map.values(name).peekable();
    values.peek()?;
    Some(values.collect::<Vec<_>>().join(&b","[..]))
}

/// A map as a pair list, each name once, an empty one four zero bytes.
fn map_value(map: Option<&HeaderMap>) -> Vec<u8> {
    let mut pairs: Vec<(&[u8], Vec<u8>)> = Vec::new();
    if let Some(map) = map {
        for (name, _) in map.iter() {
            if !pairs.iter().any(|(known, _)| *known == name) {
                pairs.push((name, joined(map, name).unwrap_or_default()));
            }
        }
    }
    crate::headers::serialise_pairs(pairs.iter().map(|(k, v)| (*k, &v[..])), pairs.len())
}

fn url_path(path: &[u8]) -> (&[u8], &[u8]) {
    let plain = path.split(|&b| b == b'#').next().unwrap_or(path);
    match plain.iter().position(|&b| b == b'?') {
        Some(at) => (&plain[..at], &plain[at + 1..]),
        None => (plain, b""),
    }
}

fn protocol(version: u32) -> &'static [u8] {
    match version {
        10 => b"HTTP/1.0",
        20 => b"HTTP/2",
        30 => b"HTTP/3",
        _ => b"HTTP/1.1",
    }
}

/// The size that content-length claims, else the bytes that came.
fn message_size(map: Option<&HeaderMap>, received: u64) -> u64 {
    map.and_then(|m| m.get(b"content-length")).and_then(number).unwrap_or(received)
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What has gone to the client of a response's body.
fn sent(s: &Stream) -> u64 {
    let sink = &s.sink[RESPONSE];
    sink.own.as_ref().map_or(u64::from(sink.passed), |own| own.len() as u64)
}

fn map_size(map: Option<&HeaderMap>) -> u64 {
    map.map_or(0, |m| m.byte_size() as u64)
}

fn request(c: &Core, s: &Stream, filter: u32, rest: &[&[u8]]) -> Option<Vec<u8>> {
    let headers = reachable(s, filter, REQUEST);
    let header = |name: &[u8]| headers?.get(name).map(<[u8]>::to_vec);
    match *rest {
        [b"path"] => header(b":path"),
        [b"url_path"] => headers.map(|m| url_path(m.get(b":path").unwrap_or(b"")).0.to_vec()),
        [b"query"] => headers.map(|m| url_path(m.get(b":path").unwrap_or(b"")).1.to_vec()),
        [b"host"] => header(b":authority"),
        [b"scheme"] => header(b":scheme"),
        [b"method"] => header(b":method"),
        [b"referer"] => header(b"referer"),
        [b"useragent"] => header(b"user-agent"),
        [b"id"] => header(b"x-request-id"),
        [b"headers"] => Some(map_value(headers)),
        [b"headers", name] => joined(headers?, &name.to_ascii_lowercase()),
        [b"protocol"] => Some(protocol(s.versions[REQUEST]).to_vec()),
        // microseconds are as fine as Envoy gets here
        [b"time"] => int(s.began[REQUEST] / 1000 * 1000),
        [b"duration"] if s.ending => int(c.now - s.began[REQUEST]),
        [b"size"] => int(message_size(headers, s.received[REQUEST])),
        [b"total_size"] => int(s.received[REQUEST] + map_size(headers)),
        [b"headers_bytes"] => int(map_size(headers)),
        _ => None,
    }
}

fn response(s: &Stream, filter: u32, rest: &[&[u8]]) -> Option<Vec<u8>> {
    let headers = reachable(s, filter, RESPONSE);
    match *rest {
        [b"flags"] => int(0),
        [b"code"] if s.response_loaded => int(u64::from(s.code)),
        [b"code_details"] if s.response_loaded => Some(if s.details.is_empty() { b"via_upstream".to_vec() } else { s.details.clone() }),
        [b"grpc_status"] if s.response_loaded => {
            let given = s.maps[3].get(b"grpc-status").or_else(|| s.maps[2].get(b"grpc-status"));
            int(given.and_then(number).unwrap_or_else(|| u64::from(crate::local::grpc_from_http(s.code))))
        }
        [b"headers"] => Some(map_value(headers)),
        [b"headers", name] => joined(headers?, &name.to_ascii_lowercase()),
        [b"trailers"] => Some(map_value(s.filters[filter as usize].half[RESPONSE].trailers_open.then_some(&s.maps[3]))),
        [b"trailers", name] if s.filters[filter as usize].half[RESPONSE].trailers_open => joined(&s.maps[3], &name.to_ascii_lowercase()),
        [b"size"] if s.response_loaded => int(sent(s)),
        [b"total_size"] if s.response_loaded => int(sent(s) + map_size(headers)),
        [b"headers_bytes"] if s.response_loaded => int(map_size(headers)),
        _ => None,
    }
}

/// What a path names for the current context. Err: SerializationFailure for a whole object, NotFound for all that is not there.
fn property(h: &Host, path: &[u8]) -> Result<Vec<u8>, u32> {
    let path = path.strip_suffix(b"\0").unwrap_or(path);
    if path.is_empty() {
        return Err(SERIALIZATION_FAILURE);
    }
    let segments: Vec<&[u8]> = path.split(|&b| b == 0).collect();
    let c = core();
    if let (Some(filter), [name]) = (h.filter(), &segments[..]) {
        let f = &c.filters[filter as usize];
        match *name {
            b"plugin_name" => return Ok(f.name.clone()),
            b"plugin_root_id" => return Ok(f.root_id.clone()),
            b"plugin_vm_id" => return Ok(c.vms[h.vm as usize].vm_id.clone()),
            _ => {}
        }
    }
    let (slot, filter) = h.stream().ok_or(NOT_FOUND)?;
    let s = &c.streams[slot as usize];
    let found = match segments[..] {
        [b"request" | b"response" | b"connection" | b"upstream" | b"source" | b"destination" | b"xds"] => return Err(SERIALIZATION_FAILURE),
        [b"request", ref rest @ ..] => request(c, s, filter, rest),
        [b"response", ref rest @ ..] => response(s, filter, rest),
        [b"filter_state"] => return Err(SERIALIZATION_FAILURE),
        [b"metadata"] => Some(Vec::new()),
        [b"connection_id"] | [b"connection", b"id"] => int(u64::from(s.connection)),
        [b"xds", b"listener_direction"] => int(0),
        [b"upstream", b"request_attempt_count"] => int(u64::from(s.sink[REQUEST].headers)),
        // the upstream is chosen when the request's headers have left the chain
        [b"upstream", ..] if !s.sink[REQUEST].headers => return Err(NOT_FOUND),
        [b"filter_state", name] => s.state.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()),
        _ => None,
    };
    found
        .or_else(|| s.list(4).find(|(key, _)| *key == path).map(|(_, value)| value.to_vec()))
        .or_else(|| {
            let name = [b"wasm.", segments[0]].concat();
            let value = s.state.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())?;
            (segments.len() == 1).then_some(value)
        })
        .ok_or(NOT_FOUND)
}

#[no_mangle]
pub extern "C" fn proxy_get_property(vm: u32, path: u32, path_n: u32, value_out: u32, size_out: u32) -> u32 {
    hostcall(vm, Call::GetProperty, [0; 4], |h| {
        let path = h.input(path, path_n)?;
        h.field(&path);
        let value = property(h, &path)?;
        h.field(&value);
        h.give(&value, value_out, size_out)
    })
}

/// Kept on the stream under `wasm.` and the raw path, for all filters of the stream.
#[no_mangle]
pub extern "C" fn proxy_set_property(vm: u32, path: u32, path_n: u32, value: u32, value_n: u32) -> u32 {
    hostcall(vm, Call::SetProperty, [0; 4], |h| {
        let (path, value) = (h.input(path, path_n)?, h.input(value, value_n)?);
        h.fields(|f| {
            f.bytes(&path).bytes(&value);
        });
        let (slot, _) = h.stream().ok_or(NOT_FOUND)?;
        let name = [b"wasm.", &path[..]].concat();
        let state = &mut core().streams[slot as usize].state;
        state.retain(|(key, _)| *key != name);
        state.push((name, value));
        Ok(())
    })
}
