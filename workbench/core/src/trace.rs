//! The trace: rows of 64 bytes and the blob they point into (`trace/records.py` is the reader's side).

pub const NONE: u32 = u32::MAX;
pub const NO_FILTER: u8 = 255;

pub const CALLBACK: u8 = 1;
pub const HOSTCALL: u8 = 2;
pub const EVENT: u8 = 3;
const FINISHED: u8 = 1;
/// A flag of a hostcall's row: a user's function answered it, the host did nothing.
pub const INSTEAD: u8 = 2;
/// A flag of a hostcall's row: it asked for the buffer that it looked at last, and `a` says which that is.
pub const LAST: u8 = 4;

/// `code` of an event row, as `records.Event`.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Event {
    Request = 1,
    Response = 2,
    Map = 3,
    Body = 4,
    UpstreamRequest = 5,
    DownstreamResponse = 6,
    LocalResponse = 7,
    Failure = 8,
    Pause = 9,
    Resume = 10,
    End = 11,
    Vm = 12,
    Note = 13,
    Callout = 14,
    CalloutPart = 15,
    Data = 16,
    Connection = 17,
    ConnectionEnd = 18,
    Intercepted = 19,
    Memory = 21,
    Limit = 22,
    Fuel = 23,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Row {
    pub kind: u8,
    pub filter: u8,
    pub code: u8,
    pub flags: u8,
    pub exchange: u32,
    pub context: u32,
    pub parent: u32,
    pub time: u64,
    pub blob: u32,
    pub blob_len: u32,
    pub result: i32,
    pub args: [u32; 4],
    pub ns: u32,
    pub other_ns: u32,
    pub vm: u32,
}

impl Row {
    pub fn event(event: Event, time: u64) -> Row {
        Row {
            kind: EVENT,
            filter: NO_FILTER,
            code: event as u8,
            flags: FINISHED,
            exchange: NONE,
            context: 0,
            parent: NONE,
            time,
            blob: 0,
            blob_len: 0,
            result: 0,
            args: [0; 4],
            ns: 0,
            other_ns: 0,
            vm: NONE,
        }
    }
}

/// Where the headers of a message stand in the blob, followed by no trailers and no body, until the blob is taken.
#[derive(Clone, Copy)]
pub struct Place {
    taken: u32,
    start: u32,
    /// Of the headers' field, its length in front included.
    size: u32,
}

/// What stands behind a message's headers that has neither trailers nor a body: a list of no pairs and an empty field.
const NO_MORE: [u8; 12] = [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// How many of a message's fields a row has: headers, trailers, body.
#[derive(Clone, Copy)]
pub enum Has {
    Headers,
    Trailers,
    Body,
}

#[derive(Default)]
pub struct Trace {
    pub rows: Vec<Row>,
    pub blob: Vec<u8>,
    /// Rows taken by Python before the first of `rows`: row numbers go on through the whole replay.
    pub taken: u32,
    /// Where the running callback began, and how many of its hostcalls were left out.
    mark: usize,
    left_out: u32,
    /// Where rows and blob are, for Python.
    pub place: [u32; 4],
}

/// Bytes of the blob's buffer that are worth keeping.
const KEPT: usize = 64 << 20;

/// Bytes that one callback's hostcalls may record.
const MOST_OF_A_CALLBACK: usize = 16 << 20;

impl Trace {
    /// Appends a row whose blob is what `fill` writes; gives its number.
    pub fn push(&mut self, mut row: Row, fill: impl FnOnce(&mut Fields)) -> u32 {
        row.blob = self.blob.len() as u32;
        fill(&mut Fields(&mut self.blob));
        row.blob_len = self.blob.len() as u32 - row.blob;
        self.rows.push(row);
        self.taken.wrapping_add(self.rows.len() as u32 - 1)
    }

    /// Appends a row with a message that has neither trailers nor a body. Headers that the trace has already are not written again:
    /// the row points to them.
    pub fn push_headers(&mut self, mut row: Row, has: Has, known: Option<Place>, write: impl FnOnce(&mut Vec<u8>)) -> Place {
        let place = known.filter(|place| place.taken == self.taken).unwrap_or_else(|| {
            let start = self.blob.len() as u32;
            Fields(&mut self.blob).with(write);
            let size = self.blob.len() as u32 - start;
            self.blob.extend_from_slice(&NO_MORE);
            Place { taken: self.taken, start, size }
        });
        row.blob = place.start;
        row.blob_len = place.size
            + match has {
                Has::Headers => 0,
                Has::Trailers => 8,
                Has::Body => 12,
            };
        self.rows.push(row);
        place
    }

    /// A callback begins: what its hostcalls record is bounded.
    pub fn begin(&mut self) {
        self.mark = self.bytes();
        self.left_out = 0;
    }

    /// How many hostcalls of the running callback were left out.
    pub fn end(&mut self) -> u32 {
        std::mem::take(&mut self.left_out)
    }

    /// The running callback may record more.
    pub fn has_room(&self) -> bool {
        self.bytes() - self.mark <= MOST_OF_A_CALLBACK
    }

    /// Appends a hostcall's row, or leaves it out where its callback has recorded enough: NONE then, which is no row.
    pub fn push_bounded(&mut self, row: Row) -> u32 {
        if !self.has_room() {
            self.left_out += 1;
            return NONE;
        }
        self.push(row, |_| {})
    }

    pub fn at(&mut self, number: u32) -> Option<&mut Row> {
        if number == NONE {
            return None;
        }
        self.rows.get_mut(number.wrapping_sub(self.taken) as usize)
    }

    /// Adds a field to a row that is not the last one perhaps: fields of a row stay together.
    pub fn add_field(&mut self, number: u32, fill: impl FnOnce(&mut Fields)) {
        let Some(&mut Row { blob, blob_len, .. }) = self.at(number) else { return };
        let mut start = blob;
        if blob_len == 0 {
            start = self.blob.len() as u32;
        } else if (blob + blob_len) as usize != self.blob.len() {
            start = self.blob.len() as u32;
            self.blob.extend_from_within(blob as usize..(blob + blob_len) as usize);
        }
        fill(&mut Fields(&mut self.blob));
        let end = self.blob.len() as u32;
        if let Some(row) = self.at(number) {
            row.blob = start;
            row.blob_len = end - start;
        }
    }

    /// Puts whole fields in place of those that a row has.
    pub fn set_blob(&mut self, number: u32, fields: &[u8]) {
        let start = self.blob.len() as u32;
        if let Some(row) = self.at(number) {
            row.blob = start;
            row.blob_len = fields.len() as u32;
            self.blob.extend_from_slice(fields);
        }
    }

    pub fn finish(&mut self, number: u32, result: i32, ns: u64, other_ns: u64) {
        if let Some(row) = self.at(number) {
            row.result = result;
            row.flags |= FINISHED;
            row.ns = ns.min(u32::MAX as u64) as u32;
            row.other_ns = other_ns.min(u32::MAX as u64) as u32;
        }
    }

    pub fn bytes(&self) -> usize {
        self.rows.len() * 64 + self.blob.len()
    }

    pub fn clear(&mut self) {
        self.taken = self.taken.wrapping_add(self.rows.len() as u32);
        self.rows.clear();
        self.blob.clear();
        self.blob.shrink_to(KEPT);
        self.mark = 0;
    }
}

/// A field that gets its room by itself.
const LARGE: usize = 8 << 20;

/// Writes the fields of one row, each with its length in front.
pub struct Fields<'a>(&'a mut Vec<u8>);

impl Fields<'_> {
    /// Fields that have their lengths already.
    pub fn whole(&mut self, fields: &[u8]) -> &mut Self {
        self.0.extend_from_slice(fields);
        self
    }
    pub fn bytes(&mut self, field: &[u8]) -> &mut Self {
        if field.len() > LARGE {
            // a buffer that doubles would soon be more than there is
            self.0.reserve_exact(field.len() + 4);
        }
        self.0.extend_from_slice(&(field.len() as u32).to_le_bytes());
        self.0.extend_from_slice(field);
        self
    }
    /// A field written by `fill`, its length set afterwards.
    pub fn with(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        let at = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        fill(self.0);
        let size = (self.0.len() - at - 4) as u32;
        self.0[at..at + 4].copy_from_slice(&size.to_le_bytes());
        self
    }
    /// A list of values as one field.
    pub fn values<'v>(&mut self, values: impl Iterator<Item = &'v [u8]>) -> &mut Self {
        self.with(|out| {
            for value in values {
                Fields(out).bytes(value);
            }
        })
    }
}
