//! What Envoy does not take: requests that it answers itself, before any filter sees them, and responses that it replaces.
//! All as seen with real Envoy 1.40, HTTP/1 on both sides, default limits.

use crate::headers::{HeaderMap, Side};
use crate::packed::Pairs;

/// An answer in place of a request that goes no further.
#[derive(Clone, Copy)]
pub struct Refusal {
    pub code: u32,
    pub body: &'static [u8],
    pub details: &'static [u8],
    /// The codec refused it, so that nothing of the request is known behind it.
    pub unread: bool,
}

const fn unread(code: u32, body: &'static [u8], details: &'static [u8]) -> Option<Refusal> {
    Some(Refusal { code, body, details, unread: true })
}

const fn bad(details: &'static [u8]) -> Option<Refusal> {
    unread(400, b"Bad Request", details)
}

const fn read(code: u32, details: &'static [u8]) -> Option<Refusal> {
    Some(Refusal { code, body: b"", details, unread: false })
}

const CODEC_ERROR: &[u8] = b"http1.codec_error";
const INVALID_CHARACTERS: &[u8] = b"http1.invalid_characters";
/// Envoy's default max_request_headers_kb, over the head as it is on the wire, and its limit of entries.
const MOST_HEAD_BYTES: usize = 60 * 1024;
const MOST_ENTRIES: usize = 100;

/// What one look at a message's fields tells.
#[derive(Default)]
pub struct Scan<'a> {
    /// On the wire: names, values and what stands between them.
    bytes: usize,
    lines: usize,
    bad_value: bool,
    lengths: u32,
    bad_length: bool,
    /// A content-length other than 0.
    claims_body: bool,
    encodings: u32,
    bad_encoding: bool,
    host: bool,
    upgrade: Option<&'a [u8]>,
    pub connection: bool,
    /// The lines of x-forwarded-proto, and the first.
    pub forwarded: (u32, &'a [u8]),
}

impl<'a> Scan<'a> {
    pub fn of(fields: Pairs<'a>) -> Self {
        let mut scan = Scan { lines: fields.len(), bytes: fields.bytes().len() + 4 * fields.len(), ..Scan::default() };
        if has_control(fields.bytes()) {
            scan.bad_value = fields.clone().any(|(_, value)| value.iter().any(|&b| is_control(b)));
        }
        for (name, value) in fields {
            if name.first() == Some(&b':') {
                // some captures of HTTP/2 list pseudo headers among the fields: never taken from there
                continue;
            }
            match name.len() {
                4 => scan.host |= name.eq_ignore_ascii_case(b"host"),
                7 if name.eq_ignore_ascii_case(b"upgrade") => scan.upgrade = Some(value),
                10 => scan.connection |= name.eq_ignore_ascii_case(b"connection"),
                14 if name.eq_ignore_ascii_case(b"content-length") => {
                    let digits = value.trim_ascii();
                    scan.lengths += 1;
                    scan.bad_length |= digits.is_empty() || !digits.iter().all(u8::is_ascii_digit);
                    scan.claims_body |= digits.iter().any(|&b| b != b'0');
                }
                17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                    scan.encodings += 1;
                    scan.bad_encoding |= !value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                }
                17 if name.eq_ignore_ascii_case(b"x-forwarded-proto") => {
                    scan.forwarded = (scan.forwarded.0 + 1, if scan.forwarded.0 == 0 { value.trim_ascii() } else { scan.forwarded.1 });
                }
                _ => {}
            }
        }
        scan
    }

    pub fn chunked(&self) -> bool {
        self.encodings > 0
    }

    /// The message says where it ends, so that a missing body has no end of its own.
    pub fn framed(&self) -> bool {
        self.lengths > 0 || self.encodings > 0
    }

    pub fn asks_for_websocket(&self, named: &[Vec<u8>]) -> bool {
        self.upgrade.is_some_and(|to| to.eq_ignore_ascii_case(b"websocket")) && named.iter().any(|n| n == b"upgrade")
    }

    /// Why Envoy refuses a request of these fields; `named` are the tokens of Connection.
    pub fn request(&self, method: &[u8], authority: &[u8], path: &[u8], fields: Pairs<'_>, named: &[Vec<u8>], version: u32) -> Option<Refusal> {
        let host = if self.host { 0 } else { authority.len() + 8 };
        // only the parser of HTTP/1 knows its methods by name
        if version < 20 && !is_method(method) {
            return bad(CODEC_ERROR);
        }
        if let Some(refusal) = target(method, path) {
            return Some(refusal);
        }
        if self.bytes + method.len() + path.len() + host + 14 > MOST_HEAD_BYTES {
            return unread(431, b"Request Header Fields Too Large", b"http1.headers_too_large");
        }
        if self.lengths > 1 || self.bad_length {
            return bad(CODEC_ERROR);
        }
        if self.bad_value {
            return bad(INVALID_CHARACTERS);
        }
        if self.lines >= MOST_ENTRIES && entries(Side::Request, fields) + usize::from(!self.host) > MOST_ENTRIES {
            return unread(431, b"Request Header Fields Too Large", b"http1.too_many_headers");
        }
        if self.bad_encoding {
            return unread(501, b"Not Implemented", b"http1.invalid_transfer_encoding");
        }
        if self.lengths > 0 && self.encodings > 0 {
            return bad(b"http1.content_length_and_chunked_not_allowed");
        }
        if named.iter().any(|n| matches!(&n[..], b"host" | b"x-forwarded-for" | b"x-forwarded-host" | b"x-forwarded-proto") || n.first() == Some(&b':')) {
            return bad(b"http1.connection_header_rejected");
        }
        if !authority.iter().all(|&b| b.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=@[]_~".contains(&b)) {
            return bad(b"http.invalid_authority");
        }
        if authority.is_empty() && !self.host {
            return read(400, b"missing_host_header");
        }
        if path == b"*" {
            return read(404, b"absolute_path_rejected");
        }
        if path.contains(&b'#') {
            return read(400, b"path_normalization_failed");
        }
        // Envoy knows h2c and leaves it out; any other upgrade needs an upgrade_configs
        let upgrades = self.upgrade.is_some_and(|to| !to.eq_ignore_ascii_case(b"h2c")) && named.iter().any(|n| n == b"upgrade");
        if upgrades { read(403, UPGRADE_FAILED) } else { None }
    }

    /// Whether Envoy takes a response of these fields from an HTTP/1 upstream.
    pub fn takes_response(&self, status: u32, fields: Pairs<'_>) -> bool {
        let framing = self.lengths < 2 && !self.bad_length && !self.bad_encoding && (self.lengths == 0 || self.encodings == 0);
        let empty = status != 204 || self.encodings == 0 && !self.claims_body;
        let small = self.lines <= MOST_ENTRIES || entries(Side::Response, fields) <= MOST_ENTRIES;
        framing && empty && small && !self.bad_value
    }
}

pub const UPGRADE_FAILED: &[u8] = b"upgrade_failed";

/// A request with a name that is none, whatever else is wrong with it.
pub fn bad_name(refused: Option<Refusal>) -> Option<Refusal> {
    refused.filter(|refusal| refusal.unread).or(bad(CODEC_ERROR))
}

/// Entries in Envoy's map: inline names have one, whatever the lines.
fn entries(side: Side, fields: Pairs<'_>) -> usize {
    let mut map = HeaderMap::default();
    map.clear(side);
    for (name, value) in fields {
        map.add(&name.to_ascii_lowercase(), value);
    }
    map.len()
}

fn target(method: &[u8], path: &[u8]) -> Option<Refusal> {
    if method == b"CONNECT" {
        return None;
    }
    if path.iter().any(|&b| b == b' ' || b == b'\t' || b >= 0x80) {
        return bad(CODEC_ERROR);
    }
    if path.iter().any(|&b| is_control(b)) {
        return bad(INVALID_CHARACTERS);
    }
    let known = path.is_empty() || path[0] == b'/' || path == b"*" && method == b"OPTIONS";
    if known { None } else { bad(b"http1.invalid_url") }
}

/// The methods that Envoy's HTTP/1 parser knows; case counts.
fn is_method(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"POST" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS" | b"PATCH" | b"CONNECT" | b"TRACE") || is_rare_method(method)
}

#[cold]
fn is_rare_method(method: &[u8]) -> bool {
    matches!(
        method,
        b"ACL" | b"BIND" | b"CHECKOUT" | b"COPY" | b"LINK" | b"LOCK" | b"MERGE" | b"MKACTIVITY" | b"MKCALENDAR" | b"MKCOL" | b"MOVE"
            | b"MSEARCH" | b"NOTIFY" | b"PROPFIND" | b"PROPPATCH" | b"PURGE" | b"REBIND" | b"REPORT" | b"SEARCH" | b"SOURCE" | b"SUBSCRIBE"
            | b"UNBIND" | b"UNLINK" | b"UNLOCK" | b"UNSUBSCRIBE"
    )
}

/// A byte that no header value may have.
pub fn is_control(byte: u8) -> bool {
    byte < 0x20 && byte != b'\t' || byte == 0x7f
}

/// True for a name in the characters of an HTTP token (RFC 9110, 5.6.2).
pub fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&b| LOWER_TOKEN[b as usize] != 0)
}

/// The characters of a token in lower case, 0 for all others.
pub static LOWER_TOKEN: [u8; 256] = token_table();

const fn token_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
        {
            table[i] = byte.to_ascii_lowercase();
        }
        i += 1;
    }
    table
}

/// Whether any byte is a control character, eight at a time; tabs count here too.
pub fn has_control(bytes: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let mut parts = bytes.chunks_exact(8);
    let mut found = 0;
    for part in &mut parts {
        let word = part.try_into().map_or(0, u64::from_le_bytes);
        let low = word.wrapping_sub(ONES * 0x20) & !word;
        let del = word ^ (ONES * 0x7f);
        found |= low | del.wrapping_sub(ONES) & !del;
    }
    found & TOPS != 0 || parts.remainder().iter().any(|&b| b < 0x20 || b == 0x7f)
}
