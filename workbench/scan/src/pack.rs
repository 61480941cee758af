//! One flow as a packed record: the form that `capture/packing.py` describes, byte for byte what it makes.

use crate::attributes;
use crate::cursor::Span;
use crate::flow::{error_text, fields, Flow, Message};

const HAS_RESPONSE: u32 = 1;
/// `NO_RESPONSE` of `capture/exchange.py`.
const NO_RESPONSE: &[u8] = b"no response was recorded";
/// Two empty lists, and an empty body between them.
const NOTHING: &[u8] = &[0; 12];

/// The attributes as they are made: sizes and bytes apart.
#[derive(Default)]
pub struct Pairs {
    sizes: Vec<u8>,
    bytes: Vec<u8>,
}

impl Pairs {
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_parts(name, &[value]);
    }

    pub fn push_parts(&mut self, name: &[u8], value: &[&[u8]]) {
        put32(&mut self.sizes, name.len() as u32);
        put32(&mut self.sizes, value.iter().map(|part| part.len() as u32).sum());
        self.bytes.extend_from_slice(name);
        value.iter().for_each(|part| self.bytes.extend_from_slice(part));
    }

    /// Writes the list, and is empty again.
    fn put(&mut self, out: &mut Vec<u8>) {
        put32(out, self.sizes.len() as u32 / 8);
        out.append(&mut self.sizes);
        out.append(&mut self.bytes);
    }
}

/// What the index knows of a flow.
pub struct Place {
    pub index: u32,
    pub connection: u32,
    pub start_ns: u64,
}

/// Appends the record of a flow; None, and perhaps a part of it, where Python has to look at the flow.
pub fn pack(out: &mut Vec<u8>, pairs: &mut Pairs, raw: Span, place: &Place, dotted: bool) -> Option<()> {
    let flow = Flow::read(raw)?;
    let begin = out.len();
    put32(out, 0);
    put32(out, place.index);
    let request = &flow.request;
    let answered = flow.response.as_ref().map_or(0, |response| HAS_RESPONSE | version(response) << 16);
    put32(out, version(request) << 8 | answered);
    let request_end = or(request.end_ns, place.start_ns);
    let response_start = flow.response.as_ref().map_or(request_end, |response| or(response.start_ns, request_end));
    let response_end = flow.response.as_ref().map_or(request_end, |response| or(response.end_ns, response_start));
    for time in [place.start_ns, request_end, response_start, response_end] {
        out.extend_from_slice(&time.to_le_bytes());
    }
    put32(out, flow.status);
    put32(out, place.connection);
    put_str(out, flow.method);
    put_str(out, flow.scheme);
    let host = authority(&flow)?;
    if host.is_empty() {
        put_str(out, &[flow.host, b":", flow.port].concat());
    } else {
        put_str(out, host);
    }
    put_str(out, flow.path);
    put_message(out, request)?;
    match &flow.response {
        Some(response) => put_message(out, response)?,
        None => out.extend_from_slice(NOTHING),
    }
    attributes::push(pairs, flow.client, flow.server, place.connection, request.version, dotted)?;
    pairs.put(out);
    let error = error_text(flow.error)?;
    put_str(out, if error.is_empty() && flow.response.is_none() { NO_RESPONSE } else { error });
    let size = (out.len() - begin - 4) as u32;
    out[begin..begin + 4].copy_from_slice(&size.to_le_bytes());
    Some(())
}

fn put_message(out: &mut Vec<u8>, message: &Message) -> Option<()> {
    put_fields(out, message.headers)?;
    put_str(out, message.body);
    put_fields(out, message.trailers)
}

fn put_fields(out: &mut Vec<u8>, list: Span) -> Option<()> {
    let begin = out.len();
    put32(out, 0);
    fields(list, |name, value| {
        put32(out, name.len() as u32);
        put32(out, value.len() as u32);
    })?;
    let count = (out.len() - begin) as u32 / 8;
    out[begin..begin + 4].copy_from_slice(&count.to_le_bytes());
    fields(list, |name, value| {
        out.extend_from_slice(name);
        out.extend_from_slice(value);
    })
}

/// HTTP/1 says it in Host, later versions in a field of their own. Empty where nobody says it.
fn authority<'a>(flow: &Flow<'a>) -> Option<Span<'a>> {
    let mut host = None;
    if !matches!(flow.request.version, b"HTTP/2.0" | b"HTTP/3.0") {
        fields(flow.request.headers, |name, value| {
            if host.is_none() && name.eq_ignore_ascii_case(b"host") {
                host = Some(value);
            }
        })?;
    }
    Some(host.unwrap_or(flow.authority))
}

fn version(message: &Message) -> u32 {
    match message.version {
        b"HTTP/1.0" => 10,
        b"HTTP/2.0" => 20,
        b"HTTP/3.0" => 30,
        _ => 11,
    }
}

fn or(time: u64, otherwise: u64) -> u64 {
    if time == 0 { otherwise } else { time }
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_str(out: &mut Vec<u8>, bytes: &[u8]) {
    put32(out, bytes.len() as u32);
    out.extend_from_slice(bytes);
}
