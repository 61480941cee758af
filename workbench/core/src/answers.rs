//! Answers to callouts: what the filter is told, callback by callback. Rules: as seen with real Envoy 1.40 over HTTP/1 and gRPC
//! servers on loopback.

use crate::call::{callback_of_four, Callback, Target};
use crate::callouts::{forget, tell, tell_open, tell_part, Callout, Owned, Part, ANSWERED, FAILED, HTTP, TIMEOUT, UNARY};
use crate::headers::{HeaderMap, Side};
use crate::state::{core, Ctx};
use crate::trace::NONE;

const BROKEN_CONNECTION: u32 = 11;
const CONNECT_ERROR: &[u8] = b"upstream connect error or disconnect/reset before headers. reset reason: ";

/// A part of an answer: its kind, as `services/packing.py` numbers them.
pub mod part {
    pub const RESPONSE: u32 = 1;
    pub const RESET: u32 = 2;
    pub const UNREACHABLE: u32 = 3;
    pub const INITIAL: u32 = 4;
    pub const MESSAGE: u32 = 5;
    pub const END: u32 = 6;
    pub const END_ONLY: u32 = 7;
    pub const NOT_GRPC: u32 = 8;
    /// Made here: the deadline has passed.
    pub const TIMEOUT: u32 = 9;
    /// Made here: a cluster that a protobuf names, and that nobody knows.
    pub const NO_CLUSTER: u32 = 10;
    /// Made here: the second and third callback of a stream's end.
    pub const TRAILING: u32 = 11;
    pub const CLOSE: u32 = 12;
}

/// What a callback shows of an answer.
#[derive(Default)]
pub struct Shown {
    pub vm: u32,
    pub root: u32,
    /// Header maps by their type less 4.
    pub maps: [Option<HeaderMap>; 4],
    /// The body of an HTTP answer, or a gRPC message, which can be edited.
    pub body: Option<Vec<u8>>,
    pub message: Option<Vec<u8>>,
}

/// A root context's last status, as `proxy_get_status` gives it.
#[derive(Default)]
pub struct Status {
    pub code: u32,
    pub message: Vec<u8>,
}

/// Does the next callback of an answer that has begun; false where there is none. May never return.
pub fn step() -> bool {
    let c = core();
    let Some((vm, token, part)) = c.callouts.due.pop_front() else { return false };
    crate::worker::enter(c.vms[vm as usize].worker);
    let Some(callout) = c.callouts.open.get(&(vm, token)) else { return true };
    match (callout.kind, callout.remote_closed) {
        (HTTP, _) => http(vm, token, part),
        (_, true) if !matches!(part.kind, part::TRAILING | part::CLOSE) => {}
        (UNARY, _) => unary(vm, token, part),
        _ => stream(vm, token, part),
    }
    true
}

fn map(side: Side, pairs: &[(Vec<u8>, Vec<u8>)]) -> HeaderMap {
    let mut map = HeaderMap::default();
    map.clear(side);
    for (name, value) in pairs {
        map.add(name, value);
    }
    map
}

fn response_map(status: u32, pairs: &[(Vec<u8>, Vec<u8>)]) -> HeaderMap {
    let mut map = HeaderMap::default();
    map.clear(Side::Response);
    map.push_number(b":status", status);
    // the codec takes it off
    for (name, value) in pairs.iter().filter(|(name, _)| name != b"keep-alive" && name.first() != Some(&b':')) {
        map.add(name, value);
    }
    map
}

/// What the proxy answers for a service that gave nothing.
fn reply(status: u32, body: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::default();
    map.clear(Side::Response);
    map.push_number(b":status", status);
    map.push_number(b"content-length", body.len() as u32);
    map.push(b"content-type", b"text/plain");
    map
}

fn http(vm: u32, token: u32, part: Part) {
    let c = core();
    let Some(callout) = forget(c, vm, token) else { return };
    let mut trailers = HeaderMap::default();
    let (how, headers, body) = match part.kind {
        part::RESPONSE => {
            let mut headers = response_map(part.number, &part.headers);
            headers.set_in_place(b"x-envoy-upstream-service-time", milliseconds(c.now - callout.asked).as_bytes());
            trailers = map(Side::Trailers, &part.trailers);
            (ANSWERED, Some(headers), part.body)
        }
        part::TIMEOUT => (TIMEOUT, Some(reply(504, b"upstream request timeout")), b"upstream request timeout".to_vec()),
        part::UNREACHABLE => {
            let body = [CONNECT_ERROR, &part.body].concat();
            (FAILED, Some(reply(503, &body)), body)
        }
        _ => (FAILED, None, Vec::new()),
    };
    let status = headers.as_ref().and_then(|map| map.get(b":status")).and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
    tell(token, &callout, how, status.unwrap_or(-1), headers.as_ref(), &body, Some(&trailers));
    let args = [token, headers.as_ref().map_or(0, |map| map.len() as u32), body.len() as u32, trailers.len() as u32];
    let mut shown = Shown { vm, root: callout.root, ..Shown::default() };
    if headers.is_some() {
        shown.body = Some(body);
        shown.maps[3] = (trailers.len() > 0).then_some(trailers);
    } else {
        *c.callouts.statuses.entry((vm, callout.root)).or_default() = Status { code: BROKEN_CONNECTION, message: b"reset".to_vec() };
    }
    shown.maps[2] = headers;
    let target = target(&callout, vm);
    drop(callout);
    enter(Callback::HttpCallResponse, target, args, shown);
}

fn milliseconds(ns: u64) -> String {
    (ns / 1_000_000).to_string()
}

/// A gRPC status with its message as Envoy's context keeps it: the reason behind it.
fn grpc_end(part: &Part) -> (u32, u32, Vec<u8>) {
    let with = |text: &[u8], details: &str| if text.is_empty() { details.as_bytes().to_vec() } else { [text, b"{", details.as_bytes(), b"}"].concat() };
    match part.kind {
        part::TIMEOUT => (TIMEOUT, 14, with(b"upstream request timeout", "response_timeout")),
        part::UNREACHABLE => {
            let text = [CONNECT_ERROR, &part.body].concat();
            let mut cause = String::from_utf8_lossy(&part.body).replace(' ', "_");
            if cause == "remote_connection_failure" {
                cause += "|delayed_connect_error:_Connection_refused";
            }
            (FAILED, 14, with(&text, &format!("upstream_reset_before_response_started{{{cause}}}")))
        }
        part::NO_CLUSTER => (FAILED, 14, b"Cluster not available".to_vec()),
        part::NOT_GRPC => (ANSWERED, crate::local::grpc_from_http(part.number), b"via_upstream".to_vec()),
        part::END | part::END_ONLY => (ANSWERED, part.number, with(&crate::local::percent_encode(&part.body), "via_upstream")),
        _ => (FAILED, 13, b"via_upstream".to_vec()),
    }
}

fn unary(vm: u32, token: u32, part: Part) {
    let c = core();
    let Some(callout) = c.callouts.open.get_mut(&(vm, token)) else { return };
    match part.kind {
        part::INITIAL => callout.began = true,
        part::MESSAGE => {
            // the status that follows is not waited for: there is none but success then
            callout.remote_closed = true;
            callout.deadline = false;
            tell_open(vm, token, ANSWERED, 0, None, &part.body, None);
            let c = core();
            let Some(callout) = c.callouts.open.get(&(vm, token)) else { return };
            let (target, size) = (target(callout, vm), part.body.len() as u32);
            let shown = Shown { vm, root: callout.root, message: Some(part.body), ..Shown::default() };
            enter(Callback::GrpcReceive, target, [token, size, 0, 0], shown);
            forget(core(), vm, token);
        }
        _ => {
            let (how, code, mut message) = grpc_end(&part);
            let code = if part.kind == part::TIMEOUT && callout.began { 13 } else { code };
            if part.kind == part::TIMEOUT && callout.began {
                message = b"response_timeout".to_vec();
            }
            callout.deadline = false;
            close(vm, token, how, code, message, None);
            forget(core(), vm, token);
        }
    }
}

fn stream(vm: u32, token: u32, part: Part) {
    let c = core();
    let now = c.now;
    let Some(callout) = c.callouts.open.get_mut(&(vm, token)) else { return };
    let (root, target) = (callout.root, target(callout, vm));
    match part.kind {
        part::INITIAL => {
            callout.began = true;
            let mut headers = response_map(200, &[(b"content-type".to_vec(), b"application/grpc".to_vec())]);
            part.headers.iter().for_each(|(name, value)| headers.add(name, value));
            if let Some(sent) = callout.sent {
                headers.set_in_place(b"x-envoy-upstream-service-time", milliseconds(now - sent).as_bytes());
            }
            tell_part(vm, token, Some(&headers), b"");
            let size = headers.len() as u32;
            let maps = [Some(headers), None, None, None];
            enter(Callback::GrpcReceiveInitialMetadata, target, [token, size, 0, 0], Shown { vm, root, maps, ..Shown::default() });
        }
        part::MESSAGE => {
            tell_part(vm, token, None, &part.body);
            let size = part.body.len() as u32;
            enter(Callback::GrpcReceive, target, [token, size, 0, 0], Shown { vm, root, message: Some(part.body), ..Shown::default() });
        }
        part::TRAILING => {
            let trailers = map(Side::Trailers, &part.headers);
            drop(part);
            let size = trailers.len() as u32;
            let maps = [None, Some(trailers), None, None];
            enter(Callback::GrpcReceiveTrailingMetadata, target, [token, size, 0, 0], Shown { vm, root, maps, ..Shown::default() });
        }
        part::CLOSE => {
            close(vm, token, ANSWERED, part.number, part.body, Some(&part.headers));
            let c = core();
            if c.callouts.open.get(&(vm, token)).is_some_and(|callout| callout.local_closed) {
                forget(c, vm, token);
            }
        }
        _ => end_stream(vm, token, part, root, target),
    }
}

/// A stream's answer ends: trailing metadata and the close, before them empty headers where none had come.
fn end_stream(vm: u32, token: u32, part: Part, root: u32, target: Target) {
    let c = core();
    let Some(callout) = c.callouts.open.get_mut(&(vm, token)) else { return };
    callout.remote_closed = true;
    let (how, code, message) = grpc_end(&part);
    let began = std::mem::replace(&mut callout.began, true);
    let text: &[u8] = match part.kind {
        part::UNREACHABLE | part::NO_CLUSTER => &message[..message.iter().position(|&b| b == b'{').unwrap_or(message.len())],
        _ => &crate::local::percent_encode(&part.body),
    };
    let mut trailing: Owned = Vec::new();
    if !began && part.kind != part::NOT_GRPC {
        trailing.push((b":status".to_vec(), b"200".to_vec()));
        trailing.push((b"content-type".to_vec(), b"application/grpc".to_vec()));
    }
    match part.kind {
        // neither trailers nor a status came
        part::RESET | part::NOT_GRPC => {}
        _ => {
            trailing.push((b"grpc-status".to_vec(), code.to_string().into_bytes()));
            trailing.push((b"grpc-message".to_vec(), text.to_vec()));
            trailing.extend(part.trailers);
        }
    }
    if how != ANSWERED {
        tell_open(vm, token, how, code as i32, None, b"", Some(&map(Side::Trailers, &trailing)));
    }
    let due = &mut core().callouts.due;
    due.push_front((vm, token, Part { kind: part::CLOSE, number: code, body: message, headers: trailing.clone(), ..Part::default() }));
    due.push_front((vm, token, Part { kind: part::TRAILING, headers: trailing, ..Part::default() }));
    if !began {
        let maps = [Some(map(Side::Response, &[])), None, None, None];
        enter(Callback::GrpcReceiveInitialMetadata, target, [token, 0, 0, 0], Shown { vm, root, maps, ..Shown::default() });
    }
}

fn close(vm: u32, token: u32, how: u32, code: u32, message: Vec<u8>, trailers: Option<&[(Vec<u8>, Vec<u8>)]>) {
    let trailers = trailers.map(|pairs| map(Side::Trailers, pairs));
    tell_open(vm, token, how, code as i32, None, b"", trailers.as_ref());
    let c = core();
    let Some(callout) = c.callouts.open.get_mut(&(vm, token)) else { return };
    callout.remote_closed = true;
    let (root, target) = (callout.root, target(callout, vm));
    *c.callouts.statuses.entry((vm, root)).or_default() = Status { code, message };
    enter(Callback::GrpcClose, target, [token, code, 0, 0], Shown { vm, root, ..Shown::default() });
}

/// The exchange that a callback belongs to is the one that asked, as long as it lasts.
fn target(callout: &Callout, vm: u32) -> Target {
    let c = core();
    let live = callout.slot.is_some_and(|(slot, life)| {
        let s = &c.streams[slot as usize];
        s.live && s.life == life
    });
    let exchange = if live { callout.exchange } else { NONE };
    Target { vm, filter: callout.filter, ctx: Ctx::Root(callout.filter), ctx_id: callout.root, exchange, pending: None }
}

/// Calls the filter with what it may see of the answer meanwhile, then does what it queued.
fn enter(which: Callback, target: Target, args: [u32; 4], shown: Shown) {
    let c = core();
    let (vm, root) = (shown.vm, shown.root);
    // a root context that is gone hears nothing
    if c.vms[vm as usize].failed != 0 || !matches!(c.vms[vm as usize].contexts.get(&root), Some(Ctx::Root(_))) {
        return;
    }
    if c.has(vm, which) {
        c.callouts.shown = Some(Box::new(shown));
        callback_of_four(which, target, args);
    }
    let c = core();
    c.callouts.shown = None;
    if let Some(status) = c.callouts.statuses.get_mut(&(vm, root)) {
        status.message.clear();
    }
    crate::hostcalls::control::run_actions(vm);
}
