//! A token bucket in integers, so that every host and every run counts alike.

const NS_PER_S: u128 = 1_000_000_000;
const SIZE: usize = 24;

/// `rate` tokens come every `per_s` seconds; never more than `burst` wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    pub rate: u32,
    pub per_s: u32,
    pub burst: u32,
}

/// What is in the bucket at a moment. Credit is counted in parts of a token: one token is as many parts as `per_s` has nanoseconds,
/// so each nanosecond brings exactly `rate` parts and nothing is ever rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    credit: u128,
    at_ns: u64,
}

/// Whole tokens left, and seconds, rounded up, until the bucket is full.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    pub remaining: u128,
    pub reset_s: u128,
}

impl Limit {
    fn token(&self) -> u128 {
        u128::from(self.per_s) * NS_PER_S
    }

    fn capacity(&self) -> u128 {
        u128::from(self.burst) * self.token()
    }
}

impl Bucket {
    pub fn full(limit: &Limit, now_ns: u64) -> Self {
        Self { credit: limit.capacity(), at_ns: now_ns }
    }

    /// What `to_bytes` gave; None for anything else, which someone else must have written.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SIZE] = bytes.try_into().ok()?;
        let (credit, at_ns) = bytes.split_at(16);
        Some(Self { credit: u128::from_le_bytes(credit.try_into().ok()?), at_ns: u64::from_le_bytes(at_ns.try_into().ok()?) })
    }

    pub fn to_bytes(self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[..16].copy_from_slice(&self.credit.to_le_bytes());
        bytes[16..].copy_from_slice(&self.at_ns.to_le_bytes());
        bytes
    }

    /// The bucket at `now_ns`. Workers' clocks may differ a little: an earlier time changes nothing.
    pub fn refilled(self, limit: &Limit, now_ns: u64) -> Self {
        let elapsed = u128::from(now_ns.saturating_sub(self.at_ns));
        let credit = self.credit.saturating_add(elapsed * u128::from(limit.rate));
        Self { credit: credit.min(limit.capacity()), at_ns: now_ns.max(self.at_ns) }
    }

    /// The bucket with one token less, or None when there is no whole one.
    pub fn taken(self, limit: &Limit) -> Option<Self> {
        Some(Self { credit: self.credit.checked_sub(limit.token())?, ..self })
    }

    pub fn quota(&self, limit: &Limit) -> Quota {
        Quota { remaining: self.credit / limit.token(), reset_s: seconds(limit.capacity().saturating_sub(self.credit), limit) }
    }

    /// Seconds, rounded up, until there is a whole token.
    pub fn wait_s(&self, limit: &Limit) -> u128 {
        seconds(limit.token().saturating_sub(self.credit), limit)
    }
}

fn seconds(credit: u128, limit: &Limit) -> u128 {
    credit.div_ceil(u128::from(limit.rate) * NS_PER_S)
}
