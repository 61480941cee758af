//! Reading what Python packs (`capture/packing.py`). Python is trusted to pack well; a short record reads as empty, never out of bounds.

/// The last moment of virtual time, in the year 2262.
pub const LATEST: u64 = i64::MAX as u64;

pub struct Reader<'a> {
    data: &'a [u8],
    pub at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Reader { data, at: 0 }
    }
    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let end = self.at.saturating_add(n).min(self.data.len());
        let part = &self.data[self.at.min(end)..end];
        self.at = end;
        part
    }
    /// All that was not read.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(self.data.len())
    }
    pub fn u32(&mut self) -> u32 {
        self.take(4).try_into().map_or(0, u32::from_le_bytes)
    }
    pub fn u64(&mut self) -> u64 {
        self.take(8).try_into().map_or(0, u64::from_le_bytes)
    }
    /// Nanoseconds; a capture that claims a time hundreds of years off must not overflow what is added to it.
    pub fn time(&mut self) -> u64 {
        self.u64().min(LATEST)
    }
    pub fn str(&mut self) -> &'a [u8] {
        let n = self.u32() as usize;
        self.take(n)
    }
    /// Place of a `str`'s bytes in the data.
    pub fn range(&mut self) -> (u32, u32) {
        let n = self.u32() as usize;
        let start = self.at;
        self.take(n);
        (start as u32, self.at as u32)
    }
    pub fn pairs(&mut self) -> Pairs<'a> {
        let count = self.u32() as usize;
        let sizes = self.take(count * 8);
        let start = self.at;
        let total = sizes.chunks_exact(4).map(|n| u32::from_le_bytes([n[0], n[1], n[2], n[3]]) as usize).sum();
        self.take(total);
        Pairs { sizes, rest: &self.data[start..self.at] }
    }
}

/// The pairs of a list, in order.
#[derive(Clone, Default)]
pub struct Pairs<'a> {
    sizes: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);
    fn next(&mut self) -> Option<Self::Item> {
        if self.sizes.len() < 8 {
            return None;
        }
        let mut sizes = Reader::new(self.sizes);
        let (k, v) = (sizes.u32() as usize, sizes.u32() as usize);
        self.sizes = &self.sizes[8..];
        let mut rest = Reader::new(self.rest);
        let pair = (rest.take(k), rest.take(v));
        self.rest = &self.rest[rest.at..];
        Some(pair)
    }
}

impl<'a> Pairs<'a> {
    pub fn len(&self) -> usize {
        self.sizes.len() / 8
    }
    /// All names and values, one behind the other.
    pub fn bytes(&self) -> &'a [u8] {
        self.rest
    }
}

/// The form in which pair lists go out again: into the trace.
pub fn write_pairs<'a>(out: &mut Vec<u8>, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone, count: usize) {
    write_sizes(out, pairs.clone(), count);
    for (k, v) in pairs {
        out.extend_from_slice(k);
        out.extend_from_slice(v);
    }
}

/// The head of a list of pairs, the ABI's and the trace's: their number, then the sizes of each.
pub fn write_sizes<'a>(out: &mut Vec<u8>, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>, count: usize) {
    out.extend_from_slice(&(count as u32).to_le_bytes());
    for (k, v) in pairs {
        out.extend_from_slice(&(k.len() as u32).to_le_bytes());
        out.extend_from_slice(&(v.len() as u32).to_le_bytes());
    }
}
