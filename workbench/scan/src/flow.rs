//! The layout in which mitmproxy 10 to 12 write an HTTP flow: what `capture/layout.py` reads, or less.
//!
//! Whatever is not exactly so gives None, and Python looks at that flow. So this may be stricter than Python, never more generous.

use crate::cursor::{Cursor, Span};

/// How such a flow ends; mitmproxy writes a flow's keys last first.
pub const END: &[u8] = b"4:type;4:http;7:version;2:21#}";

pub struct Message<'a> {
    /// Nanoseconds since the Unix epoch, 0 where unknown; so is `start_ns`.
    pub end_ns: u64,
    /// What was written for the end is a time, if an impossible one.
    pub has_end: bool,
    pub start_ns: u64,
    pub trailers: Span<'a>,
    pub body: Span<'a>,
    pub headers: Span<'a>,
    pub version: Span<'a>,
}

pub struct Flow<'a> {
    pub request: Message<'a>,
    pub path: Span<'a>,
    pub authority: Span<'a>,
    pub scheme: Span<'a>,
    pub method: Span<'a>,
    pub port: Span<'a>,
    pub host: Span<'a>,
    pub status: u32,
    pub response: Option<Message<'a>>,
    pub server: Span<'a>,
    pub client: Span<'a>,
    pub error: Span<'a>,
}

impl<'a> Flow<'a> {
    pub fn read(raw: Span<'a>) -> Option<Self> {
        let mut at = Cursor::new(raw);
        at.length(12)?;
        at.literal(b"9:websocket;0:~8:response;")?;
        let size = at.length(12)?;
        let (mut status, mut response) = (0, None);
        if size > 0 {
            let stop = at.at().checked_add(size)?.checked_add(1)?;
            at.literal(b"6:reason;")?;
            at.value(4, b',').filter(|reason| !reason.contains(&b','))?;
            at.literal(b"11:status_code;3:")?;
            status = number(at.take(3)?)?;
            at.literal(b"#")?;
            response = Some(message(&mut at).filter(|_| status >= 100 && at.at() == stop)?);
        } else {
            at.literal(b"~")?;
        }
        at.literal(b"7:request;")?;
        let size = at.length(12)?;
        let stop = at.at().checked_add(size)?.checked_add(1)?;
        at.literal(b"4:path;")?;
        let path = at.value(9, b',')?;
        at.literal(b"9:authority;")?;
        let authority = at.value(4, b',').filter(|text| !text.contains(&b','))?;
        at.literal(b"6:scheme;")?;
        let scheme = at.value(2, b',').filter(|text| text.iter().all(u8::is_ascii_lowercase))?;
        at.literal(b"6:method;")?;
        let method = at.value(2, b',').filter(|text| text.iter().all(u8::is_ascii_alphabetic))?;
        at.literal(b"4:port;")?;
        let port = at.value(1, b'#').filter(|text| !text.is_empty() && text.iter().all(u8::is_ascii_digit))?;
        at.literal(b"4:host;")?;
        let host = at.value(4, b';').filter(|text| !text.contains(&b';'))?;
        let request = message(&mut at).filter(|_| at.at() == stop)?;
        at.literal(b"6:backup;0:~17:timestamp_created;")?;
        let (created, kind) = at.any(2)?;
        let fits = |byte: &u8| byte.is_ascii_digit() || (*byte == b'.' && kind == b'^');
        if !created.iter().all(fits) || created.len() < if kind == b'^' { 10 } else { 1 } || !matches!(kind, b'^' | b'#') {
            return None;
        }
        at.literal(b"7:comment;0:;8:metadata;0:}6:marked;0:;9:is_replay;0:~11:intercepted;5:false!11:server_conn;")?;
        let server = at.value(9, b'}')?;
        at.literal(b"11:client_conn;")?;
        let client = at.value(9, b'}')?;
        at.literal(b"5:error;")?;
        let (error, kind) = at.any(9)?;
        if kind != b'}' && (kind != b'~' || !error.is_empty()) {
            return None;
        }
        at.literal(b"2:id;36:")?;
        at.take(36).filter(|id| id.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')))?;
        at.literal(b";")?;
        at.literal(END)?;
        at.is_over().then_some(Flow { request, path, authority, scheme, method, port, host, status, response, server, client, error })
    }

    /// When the last byte was seen, 0 where unknown.
    pub fn end_ns(&self) -> u64 {
        match &self.response {
            Some(response) if response.has_end => response.end_ns,
            _ => self.request.end_ns,
        }
    }
}

/// A message from its times on.
fn message<'a>(at: &mut Cursor<'a>) -> Option<Message<'a>> {
    at.literal(b"13:timestamp_end;")?;
    let (end, kind) = at.any(2)?;
    let has_end = kind == b'^';
    let end_ns = if has_end { nanoseconds(end)? } else { 0 };
    if !has_end && (kind != b'~' || !end.is_empty()) {
        return None;
    }
    at.literal(b"15:timestamp_start;")?;
    let start_ns = nanoseconds(at.value(2, b'^')?)?;
    at.literal(b"8:trailers;")?;
    let mut trailers: Span = &[];
    if at.literal(b"0:~7:content;").is_none() {
        trailers = at.value(12, b']')?;
        at.literal(b"7:content;")?;
    }
    let body = at.value(12, b',')?;
    at.literal(b"7:headers;")?;
    let headers = at.value(9, b']')?;
    at.literal(b"12:http_version;")?;
    let version = at.value(1, b',')?;
    let [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] = version else {
        return None;
    };
    at.literal(b"}")?;
    Some(Message { end_ns, has_end, start_ns, trailers, body, headers, version })
}

/// Seconds as nanoseconds, 0 for what is no time after 1970 that fits 63 bits. None where Python might read it otherwise.
fn nanoseconds(text: Span) -> Option<u64> {
    if !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-')) {
        return None;
    }
    let seconds: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let fits = 0.0 < seconds && seconds < (1u64 << 33) as f64;
    Some(if fits { (seconds * 1e9).round_ties_even() as u64 } else { 0 })
}

/// Nothing but digits, at most nine.
pub fn number(text: Span) -> Option<u32> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))
}

/// Calls `each` with the name and value of every field in a list's payload.
pub fn fields<'a>(list: Span<'a>, mut each: impl FnMut(Span<'a>, Span<'a>)) -> Option<()> {
    let mut at = Cursor::new(list);
    while !at.is_over() {
        let mut pair = Cursor::new(at.value(9, b']')?);
        let (name, value) = (pair.value(12, b',')?, pair.value(12, b',')?);
        pair.is_over().then(|| each(name, value))?;
    }
    Some(())
}

/// What identifies a connection; of several the first.
pub fn connection_id<'a>(client: Span<'a>) -> Option<Span<'a>> {
    let mut at = Cursor::new(client);
    loop {
        let (key, value, _) = at.entry()?;
        if key == b"id" {
            return Some(value);
        }
    }
}

/// The message of a flow's `error`, empty where there is none.
pub fn error_text(error: Span) -> Option<Span> {
    let mut at = Cursor::new(error);
    while !at.is_over() {
        let (key, value, kind) = at.entry()?;
        if key == b"msg" && kind == b';' {
            return std::str::from_utf8(value).ok().map(str::as_bytes);
        }
    }
    Some(&[])
}
