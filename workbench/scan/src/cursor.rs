//! Walking tnetstrings (`LENGTH:payload` and a type byte) by hopping from length to length. Nothing is allocated by a claimed length.

pub type Span<'a> = &'a [u8];

pub struct Cursor<'a> {
    data: Span<'a>,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(data: Span<'a>) -> Self {
        Cursor { data, at: 0 }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn is_over(&self) -> bool {
        self.at == self.data.len()
    }

    fn rest(&self) -> Span<'a> {
        &self.data[self.at..]
    }

    /// These very bytes.
    pub fn literal(&mut self, bytes: &[u8]) -> Option<()> {
        self.rest().starts_with(bytes).then(|| self.at += bytes.len())
    }

    pub fn take(&mut self, size: usize) -> Option<Span<'a>> {
        let taken = self.rest().get(..size)?;
        self.at += size;
        Some(taken)
    }

    /// A length of at most twelve digits, which is as far as mitmproxy reads, and its colon.
    pub fn length(&mut self, most_digits: usize) -> Option<usize> {
        let mut value = 0u64;
        for (count, &byte) in self.rest().iter().take(most_digits.min(12) + 1).enumerate() {
            match byte {
                b'0'..=b'9' if count < most_digits => value = value * 10 + u64::from(byte - b'0'),
                b':' if count > 0 => {
                    self.at += count + 1;
                    return usize::try_from(value).ok();
                }
                _ => return None,
            }
        }
        None
    }

    /// A value of any type: its payload and its type byte.
    pub fn any(&mut self, most_digits: usize) -> Option<(Span<'a>, u8)> {
        let size = self.length(most_digits)?;
        let (payload, kind) = self.take(size.checked_add(1)?)?.split_at(size);
        Some((payload, kind[0]))
    }

    /// A value of this type.
    pub fn value(&mut self, most_digits: usize, kind: u8) -> Option<Span<'a>> {
        self.any(most_digits).filter(|value| value.1 == kind).map(|value| value.0)
    }

    /// The next entry of a dictionary: key, payload and type byte of its value.
    pub fn entry(&mut self) -> Option<(Span<'a>, Span<'a>, u8)> {
        let (key, _) = self.any(12)?;
        let (value, kind) = self.any(12)?;
        Some((key, value, kind))
    }
}
