//! Envoy's header map: order and repeats kept, names in lower case, pseudo headers first, inline names one entry only.

use crate::refusal::{has_control, is_control, is_token, LOWER_TOKEN};
use crate::trace::Place;

#[derive(Clone, Copy)]
struct Entry {
    name: (u32, u32),
    value: (u32, u32),
}

/// Which of the two tables of inline headers applies.
#[derive(Clone, Copy, PartialEq, Default)]
pub enum Side {
    #[default]
    Request,
    Response,
    Trailers,
}

/// All bytes lie in one buffer, so that a map is filled without an allocation a header.
#[derive(Default)]
pub struct HeaderMap {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    pub side: Side,
    /// A filter wrote a name or value that may be none of HTTP.
    suspect: bool,
    /// When `bytes` is this long it is looked at for what no entry uses any more.
    crowded: usize,
    /// Where the trace has it as it is now.
    pub place: Option<Place>,
}

/// What a filter may make of a map: far beyond what any peer takes.
const MOST_BYTES: usize = 16 << 20;
const MOST_ENTRIES: usize = 4096;
/// Names and values that changed leave bytes behind; below this nobody minds.
const ROOM: usize = 16 << 10;

impl HeaderMap {
    pub fn clear(&mut self, side: Side) {
        self.bytes.clear();
        self.entries.clear();
        self.side = side;
        self.suspect = false;
        self.crowded = ROOM;
        self.place = None;
    }

    pub fn shrink_to(&mut self, capacity: usize) {
        self.place = None;
        self.bytes.clear();
        self.entries.clear();
        self.bytes.shrink_to(capacity);
        self.entries.shrink_to(capacity / size_of::<Entry>());
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    fn part(&self, at: (u32, u32)) -> &[u8] {
        &self.bytes[at.0 as usize..at.1 as usize]
    }

    /// Larger than the host lets a filter make it.
    pub fn is_excessive(&self) -> bool {
        self.entries.len() > MOST_ENTRIES || self.bytes.len() > MOST_BYTES
    }

    /// Drops what no entry uses, once there is much of it.
    fn tidy(&mut self) {
        let used = self.byte_size();
        if used < self.bytes.len() / 2 {
            let old = std::mem::take(&mut self.bytes);
            self.bytes.reserve(used);
            for i in 0..self.entries.len() {
                let Entry { name, value } = self.entries[i];
                let name = self.keep(&old[name.0 as usize..name.1 as usize]);
                let value = self.keep(&old[value.0 as usize..value.1 as usize]);
                self.entries[i] = Entry { name, value };
            }
        }
        self.crowded = (2 * self.bytes.len()).max(ROOM);
    }

    /// Looks at what a filter wrote.
    pub fn written(&mut self, name: &[u8], value: &[u8]) {
        let name = name.strip_prefix(b":").unwrap_or(name);
        self.suspect |= !name.is_empty() && !is_token(name) || has_control(value);
        if self.bytes.len() > self.crowded {
            self.tidy();
        }
    }

    /// The first name or value that Envoy does not send to an upstream, in its words. An empty name goes.
    pub fn illegal(&self) -> Option<Vec<u8>> {
        if !self.suspect {
            return None;
        }
        self.iter().find_map(|(name, value)| {
            let plain = name.strip_prefix(b":").unwrap_or(name);
            let what: &[u8] = match () {
                () if !plain.is_empty() && !is_token(plain) => b"invalid header name: ",
                () if value.iter().any(|&b| is_control(b)) => b"invalid header value for: ",
                () => return None,
            };
            Some([what, name].concat())
        })
    }

    fn keep(&mut self, part: &[u8]) -> (u32, u32) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(part);
        (start, self.bytes.len() as u32)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.entries.iter().map(|e| (self.part(e.name), self.part(e.value)))
    }

    /// Bytes of names and values together: what Envoy's get_header_map_size gives.
    pub fn byte_size(&self) -> usize {
        self.entries.iter().map(|e| (e.name.1 - e.name.0 + e.value.1 - e.value.0) as usize).sum()
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.entries.iter().position(|e| (e.name.1 - e.name.0) as usize == name.len() && self.part(e.name) == name)
    }

    /// The first value of a name in lower case.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.position(self.alias(name)).map(|i| self.part(self.entries[i].value))
    }

    /// All values of a name, in order.
    pub fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + Clone {
        let name = self.alias(name);
        self.iter().filter(move |(k, _)| *k == name).map(|(_, v)| v)
    }

    /// In requests `host` is the slot of `:authority`.
    pub fn alias<'a>(&self, name: &'a [u8]) -> &'a [u8] {
        if self.side == Side::Request && name == b"host" {
            b":authority"
        } else {
            name
        }
    }

    /// Adds an entry; a name that Envoy keeps inline joins the entry that is there, an empty value changes nothing then.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        let name = self.alias(name);
        if let Some(i) = self.position(name).filter(|_| self.joins(name)) {
            if !value.is_empty() {
                self.place = None;
                let at = self.entries[i].value;
                let mut start = at.0;
                if at.1 as usize != self.bytes.len() {
                    start = self.bytes.len() as u32;
                    self.bytes.extend_from_within(at.0 as usize..at.1 as usize);
                }
                if at.0 != at.1 {
                    self.bytes.push(b',');
                }
                self.bytes.extend_from_slice(value);
                self.entries[i].value = (start, self.bytes.len() as u32);
            }
            return;
        }
        self.push(name, value);
    }

    /// Adds a captured field, its name in lower case, unless `dropped` says otherwise. False where the name is none.
    pub fn load(&mut self, name: &[u8], value: &[u8], dropped: impl FnOnce(&[u8]) -> bool) -> bool {
        let start = self.bytes.len();
        self.bytes.extend(name.iter().map(|&b| LOWER_TOKEN[b as usize]));
        let name = &self.bytes[start..];
        if name.is_empty() || name.contains(&0) {
            self.bytes.truncate(start);
            return false;
        }
        if dropped(name) {
            self.bytes.truncate(start);
            return true;
        }
        let name = (start as u32, self.bytes.len() as u32);
        if self.position(self.part(name)).is_some_and(|_| self.joins(self.part(name))) {
            let name = self.bytes.split_off(start);
            self.add(&name, value);
        } else {
            let value = self.keep(value);
            self.entries.push(Entry { name, value });
            self.place = None;
        }
        true
    }

    /// Adds an entry whatever is there: pseudo headers behind the last of their kind, others at the end.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.place = None;
        let entry = Entry { name: self.keep(name), value: self.keep(value) };
        if name.first() == Some(&b':') {
            let at = self.entries.iter().position(|e| self.bytes.get(e.name.0 as usize) != Some(&b':')).unwrap_or(self.entries.len());
            self.entries.insert(at, entry);
        } else {
            self.entries.push(entry);
        }
    }

    /// Adds an entry whose value is a number.
    pub fn push_number(&mut self, name: &[u8], value: u32) {
        let mut digits = [0; 10];
        let mut at = digits.len();
        let mut rest = value;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return self.push(name, &digits[at..]);
            }
        }
    }

    pub fn remove(&mut self, name: &[u8]) {
        let name = self.alias(name);
        self.retain(|other| other != name);
    }

    /// Drops the entries whose name is not wanted.
    pub fn retain(&mut self, wanted: impl Fn(&[u8]) -> bool) {
        let (bytes, before) = (&self.bytes, self.entries.len());
        self.entries.retain(|e| wanted(&bytes[e.name.0 as usize..e.name.1 as usize]));
        if self.entries.len() != before {
            self.place = None;
        }
    }

    /// Removes all entries of a name, then adds one.
    pub fn replace(&mut self, name: &[u8], value: &[u8]) {
        let name = self.alias(name);
        self.remove(name);
        self.push(name, value);
    }

    /// The pair list as the ABI has it: sizes, then bytes, each with a NUL behind. Empty for an empty map.
    pub fn serialise(&self) -> Vec<u8> {
        if self.entries.is_empty() {
            return Vec::new();
        }
        serialise_pairs(self.iter(), self.len())
    }

    /// The pair list as the trace has it. Entries mostly lie one behind the other, so runs of them are copied whole.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(4 + 8 * self.entries.len() + self.bytes.len());
        out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        for e in &self.entries {
            let sizes = u64::from(e.name.1 - e.name.0) | u64::from(e.value.1 - e.value.0) << 32;
            out.extend_from_slice(&sizes.to_le_bytes());
        }
        let mut run = (0, 0);
        for part in self.entries.iter().flat_map(|e| [e.name, e.value]) {
            if part.0 != run.1 {
                out.extend_from_slice(self.part(run));
                run.0 = part.0;
            }
            run.1 = part.1;
        }
        out.extend_from_slice(self.part(run));
    }

    /// Sets the first entry's value where it stands, or adds one.
    pub fn set_in_place(&mut self, name: &[u8], value: &[u8]) {
        self.place = None;
        match self.position(name) {
            Some(i) => self.entries[i].value = self.keep(value),
            None => self.push(name, value),
        }
    }

    /// Whether a second value of this name joins the first instead of becoming an entry.
    fn joins(&self, name: &[u8]) -> bool {
        match self.side {
            Side::Request => is_inline_request(name),
            Side::Response => is_inline_response(name),
            Side::Trailers => matches!(name, b"grpc-status" | b"grpc-message"),
        }
    }
}

/// Names that real Envoy 1.40 joins in requests: tried one by one, on the wire and by add.
fn is_inline_request(name: &[u8]) -> bool {
    matches!(
        name,
        b":authority" | b":method" | b":path" | b":scheme" | b"accept" | b"accept-encoding" | b"access-control-request-headers"
            | b"access-control-request-method" | b"access-control-request-private-network" | b"authorization" | b"cache-control" | b"cdn-loop"
            | b"connection" | b"content-encoding" | b"content-length" | b"content-type" | b"expect" | b"grpc-accept-encoding" | b"grpc-timeout"
            | b"if-match" | b"if-modified-since" | b"if-none-match" | b"if-range" | b"if-unmodified-since" | b"keep-alive" | b"origin" | b"pragma"
            | b"proxy-connection" | b"proxy-status" | b"referer" | b"te" | b"transfer-encoding" | b"upgrade" | b"user-agent" | b"via"
            | b"x-client-trace-id" | b"x-forwarded-client-cert" | b"x-forwarded-for" | b"x-forwarded-host" | b"x-forwarded-port"
            | b"x-forwarded-proto" | b"x-request-id" | b"x-envoy-attempt-count" | b"x-envoy-decorator-operation"
            | b"x-envoy-downstream-service-cluster" | b"x-envoy-downstream-service-node" | b"x-envoy-external-address"
            | b"x-envoy-is-timeout-retry" | b"x-envoy-original-path" | b"x-envoy-original-host"
    ) || crate::message::is_internal(name)
}

/// The same for responses.
fn is_inline_response(name: &[u8]) -> bool {
    matches!(
        name,
        b":status" | b"access-control-allow-credentials" | b"access-control-allow-headers" | b"access-control-allow-methods"
            | b"access-control-allow-origin" | b"access-control-allow-private-network" | b"access-control-expose-headers"
            | b"access-control-max-age" | b"age" | b"cache-control" | b"connection" | b"content-encoding" | b"content-length" | b"content-type"
            | b"date" | b"etag" | b"expires" | b"grpc-message" | b"grpc-status" | b"keep-alive" | b"last-modified" | b"location"
            | b"proxy-connection" | b"proxy-status" | b"server" | b"transfer-encoding" | b"upgrade" | b"vary" | b"via" | b"x-request-id"
            | b"x-envoy-attempt-count" | b"x-envoy-decorator-operation" | b"x-envoy-degraded" | b"x-envoy-immediate-health-check-fail"
            | b"x-envoy-ratelimited" | b"x-envoy-upstream-canary" | b"x-envoy-upstream-healthchecked-cluster" | b"x-envoy-upstream-service-time"
    )
}

/// Sizes, then names and values with a NUL behind each: the ABI's pair list.
pub fn serialise_pairs<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone, count: usize) -> Vec<u8> {
    let total: usize = pairs.clone().map(|(k, v)| 10 + k.len() + v.len()).sum();
    let mut out = Vec::with_capacity(4 + total);
    crate::packed::write_sizes(&mut out, pairs.clone(), count);
    for (k, v) in pairs {
        out.extend_from_slice(k);
        out.push(0);
        out.extend_from_slice(v);
        out.push(0);
    }
    out
}

/// Reads a filter's pair list. As in Envoy, one that is malformed in any way, over 1 MiB or over 1024 pairs reads as empty.
pub fn parse_pairs(data: &[u8]) -> Vec<(&[u8], &[u8])> {
    parse_strict(data).unwrap_or_default()
}

fn parse_strict(data: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let word = |at: usize| data.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
    if data.len() > 1 << 20 {
        return None;
    }
    let count = word(0)?;
    if count > 1024 {
        return None;
    }
    let mut at = 4 + 8 * count;
    let mut pairs = Vec::with_capacity(count);
    let mut part = |size: usize| {
        let bytes = data.get(at..at.checked_add(size)?)?;
        at += size + 1;
        (data.get(at - 1) == Some(&0)).then_some(bytes)
    };
    for i in 0..count {
        let (k, v) = (word(4 + 8 * i)?, word(8 + 8 * i)?);
        pairs.push((part(k)?, part(v)?));
    }
    (at == data.len()).then_some(pairs)
}
