//! Calls to other services. They belong to the root context of the current one; the checks are in Envoy's order.

use super::*;
use crate::callouts::{self, Request, HALF_CLOSE, HTTP, SEND, STREAM, UNARY};
use crate::headers::{parse_pairs, HeaderMap, Side};

/// Opens a callout on behalf of the current context, and asks for its answer.
fn open(h: &mut Host, kind: u32, request: &Request<'_>) -> Result<u32, u32> {
    let filter = h.filter().ok_or(BAD_ARGUMENT)?;
    let exchange = match h.stream() {
        Some((slot, _)) => core().streams[slot as usize].exchange,
        None => core().frames.last().map_or(NONE, |f| f.exchange),
    };
    let slot = h.stream().map(|(slot, _)| slot);
    callouts::open(h.vm, filter, kind, h.row(), exchange, slot, request).ok_or(INTERNAL_FAILURE)
}

fn lower(pairs: &[(&[u8], &[u8])]) -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs.iter().map(|(k, v)| (k.to_ascii_lowercase(), v.to_vec())).collect()
}

fn borrowed(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<(&[u8], &[u8])> {
    pairs.iter().map(|(k, v)| (&k[..], &v[..])).collect()
}

#[no_mangle]
#[allow(clippy::too_many_arguments)]
pub extern "C" fn proxy_http_call(vm: u32, upstream: u32, upstream_n: u32, pairs: u32, pairs_n: u32, body: u32, body_n: u32, trailers: u32, trailers_n: u32, timeout: u32, token_out: u32) -> u32 {
    hostcall(vm, Call::HttpCall, [timeout, 0, 0, 0], |h| {
        let upstream = h.input(upstream, upstream_n)?;
        let (pairs, body, trailers) = (h.input(pairs, pairs_n)?, h.input(body, body_n)?, h.input(trailers, trailers_n)?);
        h.fields(|f| {
            f.bytes(&upstream).bytes(&pairs).bytes(&body).bytes(&trailers);
        });
        // Envoy writes the token before it tries
        h.store(token_out, 0)?;
        let trailers = lower(&parse_pairs(&trailers));
        let mut map = HeaderMap::default();
        map.clear(Side::Request);
        for (name, value) in parse_pairs(&pairs) {
            map.add(&name.to_ascii_lowercase(), value);
        }
        let complete = [&b":path"[..], b":method", b":authority"].iter().all(|name| map.get(name).is_some());
        if timeout > i32::MAX as u32 || !core().callouts.knows(&upstream) || !complete {
            return Err(BAD_ARGUMENT);
        }
        if !body.is_empty() {
            map.set_in_place(b"content-length", body.len().to_string().as_bytes());
        }
        let (headers, trailers): (Vec<_>, _) = (map.iter().collect(), borrowed(&trailers));
        let request = Request { upstream: &upstream, headers: &headers, body: &body, trailers: &trailers, timeout, ..Request::default() };
        let token = open(h, HTTP, &request)?;
        h.arg(1, token);
        callouts::ask(vm, token, HTTP, &request, true);
        h.store(token_out, token)
    })
}

#[no_mangle]
#[allow(clippy::too_many_arguments)]
pub extern "C" fn proxy_grpc_call(vm: u32, upstream: u32, upstream_n: u32, service: u32, service_n: u32, method: u32, method_n: u32, metadata: u32, metadata_n: u32, message: u32, message_n: u32, timeout: u32, token_out: u32) -> u32 {
    hostcall(vm, Call::GrpcCall, [timeout, 0, 0, 0], |h| {
        let parts = [h.input(upstream, upstream_n)?, h.input(service, service_n)?, h.input(method, method_n)?, h.input(metadata, metadata_n)?, h.input(message, message_n)?];
        h.fields(|f| {
            for part in &parts {
                f.bytes(part);
            }
        });
        grpc(h, UNARY, &parts, timeout, 1, token_out)
    })
}

#[no_mangle]
#[allow(clippy::too_many_arguments)]
pub extern "C" fn proxy_grpc_stream(vm: u32, upstream: u32, upstream_n: u32, service: u32, service_n: u32, method: u32, method_n: u32, metadata: u32, metadata_n: u32, token_out: u32) -> u32 {
    hostcall(vm, Call::GrpcStream, [0; 4], |h| {
        let parts = [h.input(upstream, upstream_n)?, h.input(service, service_n)?, h.input(method, method_n)?, h.input(metadata, metadata_n)?, Vec::new()];
        h.fields(|f| {
            for part in &parts[..4] {
                f.bytes(part);
            }
        });
        grpc(h, STREAM, &parts, 0, 0, token_out)
    })
}

/// Opens a gRPC call; `place` is that of the token among the row's numbers.
fn grpc(h: &mut Host, kind: u32, [upstream, service, method, metadata, message]: &[Vec<u8>; 5], timeout: u32, place: usize, token_out: u32) -> Answer {
    let named = cluster_in(upstream).unwrap_or(b"");
    let (upstream, known) = match () {
        () if core().callouts.knows(upstream) => (&upstream[..], true),
        () if named.is_empty() => return Err(PARSE_FAILURE),
        () => (named, core().callouts.knows(named)),
    };
    let metadata = lower(&parse_pairs(metadata));
    let metadata = borrowed(&metadata);
    let request = Request { upstream, headers: &metadata, body: message, service, method, timeout, ..Request::default() };
    let token = open(h, kind, &request)?;
    h.arg(place, token);
    if !known {
        callouts::no_cluster(h.vm, token);
        return Err(INTERNAL_FAILURE);
    }
    callouts::ask(h.vm, token, kind, &request, kind == UNARY);
    h.store(token_out, token)
}

/// The cluster's name in a serialised `envoy.config.core.v3.GrpcService`: field 1 (`envoy_grpc`), in it field 1 (`cluster_name`).
fn cluster_in(message: &[u8]) -> Option<&[u8]> {
    field_one(message).and_then(field_one)
}

/// Field 1 of a protobuf message, where it is a string or a message of fewer than 128 bytes and comes first.
fn field_one(message: &[u8]) -> Option<&[u8]> {
    match message {
        [0x0a, n, rest @ ..] if *n < 128 => rest.get(..usize::from(*n)),
        _ => None,
    }
}

/// The kind of the open gRPC call that a token stands for. The low two bits of a token are its kind.
fn kind_of(vm: u32, token: u32) -> Result<u32, u32> {
    if !matches!(token & 3, UNARY | STREAM) {
        return Err(BAD_ARGUMENT);
    }
    core().callouts.open.get(&(vm, token)).map(|callout| callout.kind).ok_or(NOT_FOUND)
}

#[no_mangle]
pub extern "C" fn proxy_grpc_send(vm: u32, token: u32, message: u32, message_n: u32, end: u32) -> u32 {
    hostcall(vm, Call::GrpcSend, [token, end, 0, 0], |h| {
        let message = h.input(message, message_n)?;
        h.field(&message);
        if token & 3 != STREAM {
            return Err(BAD_ARGUMENT);
        }
        kind_of(vm, token)?;
        // what comes behind the end of the filter's side goes nowhere
        if core().callouts.may_send(vm, token) {
            callouts::ask(vm, token, SEND, &Request { body: &message, ..Request::default() }, end != 0);
            if end != 0 {
                callouts::half_close(vm, token, false);
            }
        }
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn proxy_grpc_close(vm: u32, token: u32) -> u32 {
    hostcall(vm, Call::GrpcClose, [token, 0, 0, 0], |_| {
        if kind_of(vm, token)? == UNARY {
            callouts::cancel(vm, token);
            return Ok(());
        }
        if core().callouts.may_send(vm, token) {
            callouts::ask(vm, token, HALF_CLOSE, &Request::default(), true);
        }
        callouts::half_close(vm, token, true);
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn proxy_grpc_cancel(vm: u32, token: u32) -> u32 {
    hostcall(vm, Call::GrpcCancel, [token, 0, 0, 0], |_| {
        kind_of(vm, token)?;
        callouts::cancel(vm, token);
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn proxy_get_status(vm: u32, code_out: u32, message_out: u32, size_out: u32) -> u32 {
    hostcall(vm, Call::GetStatus, [0; 4], |h| {
        let status = h.root().and_then(|root| core().callouts.statuses.get(&(vm, root)));
        let (code, message) = status.map_or((0, &[][..]), |status| (status.code, &status.message[..]));
        h.arg(0, code);
        h.field(message);
        h.store(code_out, code)?;
        h.give(message, message_out, size_out)
    })
}
