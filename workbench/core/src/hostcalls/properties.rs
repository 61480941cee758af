//! Properties: what Envoy's attributes say of a stream, as far as a capture can supply it, in Envoy's encodings.

use super::*;
use crate::headers::HeaderMap;
use crate::state::Core;
use crate::stream::{Route, Stream, REQUEST, RESPONSE};

/// The headers of a direction, if this filter can reach them now: the same pointers feed the properties.
fn reachable(s: &Stream, filter: u32, dir: usize) -> Option<&HeaderMap> {
    let state = &s.filters[filter as usize];
    (state.half[dir].headers_open || state.logging).then_some(&s.maps[dir * 2])
}

/// The response's trailers, if this filter can reach them now.
fn trailers(s: &Stream, filter: u32) -> Option<&HeaderMap> {
    let state = &s.filters[filter as usize];
    (state.half[RESPONSE].trailers_open || state.logging).then_some(&s.maps[3])
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
        [b"protocol"] if s.tcp.is_none() => Some(protocol(s.versions[REQUEST]).to_vec()),
        // microseconds are as fine as Envoy gets here
        [b"time"] => int(s.began[REQUEST] / 1000 * 1000),
        [b"duration"] if s.ending && s.tcp.is_none() => int(c.now - s.began[REQUEST]),
        [b"size"] => int(message_size(headers, s.received[REQUEST])),
        [b"total_size"] => int(s.received[REQUEST] + map_size(headers)),
        [b"headers_bytes"] => int(map_size(headers)),
        _ => None,
    }
}

fn response(s: &Stream, filter: u32, rest: &[&[u8]]) -> Option<Vec<u8>> {
    let headers = reachable(s, filter, RESPONSE);
    match *rest {
        [b"flags"] => int(u64::from(s.flags)),
        [b"code"] if s.response_loaded => int(u64::from(s.code)),
        [b"code_details"] if s.response_loaded || !s.details.is_empty() => Some(s.details.clone()),
        [b"grpc_status"] if s.response_loaded => {
            let trailers = trailers(s, filter);
            let given = trailers.and_then(|map| map.get(b"grpc-status")).or_else(|| s.maps[2].get(b"grpc-status"));
            int(given.and_then(number).unwrap_or_else(|| u64::from(crate::local::grpc_from_http(s.code))))
        }
        [b"headers"] => Some(map_value(headers)),
        [b"headers", name] => joined(headers?, &name.to_ascii_lowercase()),
        [b"trailers"] => Some(map_value(trailers(s, filter))),
        [b"trailers", name] => joined(trailers(s, filter)?, &name.to_ascii_lowercase()),
        [b"size"] => int(sent(s)),
        [b"total_size"] => int(sent(s) + map_size(headers) + map_size(trailers(s, filter))),
        [b"headers_bytes"] => int(map_size(headers)),
        // from the first byte to the upstream to the last from it
        [b"backend_latency"] if s.ending && s.response_loaded && !s.local => int(s.last_byte.saturating_sub(s.sent_at)),
        _ => None,
    }
}

/// What Envoy's configuration would say. A replay has none, so names are empty; they are there all the same.
fn mesh(s: &Stream, name: &[u8]) -> Option<Vec<u8>> {
    match name {
        // a connection has no route, and its cluster once the upstream is there
        b"route_name" | b"route_metadata" | b"virtual_host_name" | b"virtual_host_metadata" if s.tcp.is_some() => None,
        b"cluster_name" | b"cluster_metadata" if s.tcp.as_ref().is_some_and(|tcp| !tcp.connected) => None,
        b"route_name" | b"route_metadata" | b"cluster_name" | b"cluster_metadata" if s.route != Route::Whole => None,
        b"virtual_host_name" | b"virtual_host_metadata" if s.route == Route::Nothing => None,
        b"listener_direction" => int(0),
        b"node" | b"cluster_name" | b"cluster_metadata" | b"route_name" | b"route_metadata" | b"virtual_host_name" | b"virtual_host_metadata"
        | b"filter_chain_name" | b"listener_metadata" => Some(Vec::new()),
        _ => None,
    }
}

/// What a path names for the current context. Err: SerializationFailure for a whole object, NotFound for all that is not there.
pub fn property(h: &Host, path: &[u8]) -> Result<Vec<u8>, u32> {
    if path.is_empty() {
        return Err(SERIALIZATION_FAILURE);
    }
    let path = path.strip_suffix(b"\0").unwrap_or(path);
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
    let Some((slot, filter)) = h.stream() else {
        // a root context has no stream, and of the rest only the node
        return match segments[..] {
            [b"xds", b"node"] | [b"xds", b"node", b"id" | b"cluster"] => Ok(Vec::new()),
            [b"xds", b"node", b"metadata"] => Ok(map_value(None)),
            [b"xds"] => Err(SERIALIZATION_FAILURE),
            _ => Err(NOT_FOUND),
        };
    };
    let s = &c.streams[slot as usize];
    let found = match segments[..] {
        [b"request" | b"response" | b"connection" | b"upstream" | b"source" | b"destination" | b"xds"] => return Err(SERIALIZATION_FAILURE),
        [b"request", ref rest @ ..] => request(c, s, filter, rest),
        [b"response", ref rest @ ..] => response(s, filter, rest),
        [b"filter_state"] => return Err(SERIALIZATION_FAILURE),
        [b"metadata"] => Some(Vec::new()),
        [b"metadata", b"filter_metadata"] => Some(map_value(None)),
        [b"connection_id"] | [b"connection", b"id"] => int(u64::from(s.connection)),
        // a whole object, there once the upstream has answered
        [b"xds", b"upstream_host_metadata"] if s.tcp.is_none() && s.response_loaded && !s.local => return Err(SERIALIZATION_FAILURE),
        [b"xds", name] => s.list(4).find(|(key, _)| *key == path).map(|(_, value)| value.to_vec()).or_else(|| mesh(s, name)),
        [b"xds", b"node", b"id" | b"cluster"] => Some(Vec::new()),
        [b"xds", b"node", b"metadata"] => Some(map_value(None)),
        [b"upstream", b"num_endpoints"] if s.tcp.as_ref().is_none_or(|tcp| tcp.connected) => int(1),
        [b"upstream", b"transport_failure_reason"] if s.tcp.is_some() => Some(Vec::new()),
        [b"upstream", b"request_attempt_count"] => int(u64::from(s.sink[REQUEST].headers)),
        // the upstream is chosen when the request's headers have left the chain
        [b"upstream", ..] if !s.sink[REQUEST].headers => return Err(NOT_FOUND),
        [b"upstream", b"local_address" | b"cx_pool_ready_duration"] if s.tcp.is_none() && (!s.response_loaded || s.local) => return Err(NOT_FOUND),
        [b"filter_state", name] => match name.strip_prefix(b"wasm.") {
            Some(name) => s.state.get(name).cloned(),
            None => s.envoy_state.iter().find(|state| state.name == *name && state.readable).map(|state| state.value.clone()),
        },
        _ => None,
    };
    // what the capture knows of the connections, else what Envoy has for any plain one
    found
        .or_else(|| s.list(4).find(|(key, _)| *key == path).map(|(_, value)| value.to_vec()))
        .or_else(|| match segments[..] {
            [b"connection", b"mtls"] => Some(vec![0]),
            [b"connection", b"requested_server_name"] | [b"upstream", b"transport_failure_reason" | b"locality"] => Some(Vec::new()),
            [b"upstream", b"cx_pool_ready_duration"] => int(0),
            [name] => s.state.get(name).cloned(),
            _ => None,
        })
        .ok_or(NOT_FOUND)
}

#[no_mangle]
pub extern "C" fn proxy_get_property(vm: u32, path: u32, path_n: u32, value_out: u32, size_out: u32) -> u32 {
    hostcall(vm, Call::GetProperty, [0; 4], |h| {
        let path = &*h.argument(0, path, path_n)?;
        h.field(path);
        let value = property(h, path)?;
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
        let (slot, filter) = h.stream().ok_or(NOT_FOUND)?;
        let s = &mut core().streams[slot as usize];
        if s.fixed_state.contains(&path) {
            return Err(BAD_ARGUMENT);
        }
        // what a property was declared as counts when it is made
        if !s.state.contains_key(&path) && core().filters[filter as usize].read_only.contains(&path) {
            s.fixed_state.push(path.clone());
        }
        s.state.insert(path, value);
        Ok(())
    })
}
