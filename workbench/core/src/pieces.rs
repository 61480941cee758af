//! Captured messages of both sides of a connection, in their order: of TCP, and of an exchange that was upgraded to WebSocket.

use crate::packed::Reader;

/// Bits of a message's kind: who sent it, that it is the end of what they send, and that they reset the connection.
const FROM_UPSTREAM: u32 = 1;
const END: u32 = 2;
const RESET: u32 = 4;

/// One message, or the end of one side; its bytes are a range of the record.
#[derive(Clone, Copy)]
pub struct Piece {
    pub time: u64,
    kind: u32,
    pub from: u32,
    pub to: u32,
}

impl Piece {
    pub fn dir(self) -> usize {
        (self.kind & FROM_UPSTREAM) as usize
    }
    pub fn is_end(self) -> bool {
        self.kind & (END | RESET) != 0
    }
    pub fn is_reset(self) -> bool {
        self.kind & RESET != 0
    }
}

#[derive(Default)]
pub struct Pieces {
    list: Vec<Piece>,
    /// The first of each direction that has not come yet.
    next: [usize; 2],
}

impl Pieces {
    /// Reads a count and so many messages; each one's bytes are the next of its side's `ranges`.
    pub fn read(count: usize, messages: &[u8], mut ranges: [(u32, u32); 2]) -> Self {
        let mut r = Reader::new(messages);
        let mut pieces = Pieces::default();
        for _ in 0..count.min(messages.len() / 16) {
            let (time, size, kind) = (r.time(), r.u32(), r.u32());
            let piece = Piece { time, kind, from: 0, to: 0 };
            let (at, end) = &mut ranges[piece.dir()];
            let to = at.saturating_add(size).min(*end);
            pieces.list.push(Piece { from: *at, to, ..piece });
            *at = to;
        }
        pieces.next = [pieces.first(0, 0), pieces.first(1, 0)];
        pieces
    }

    fn first(&self, dir: usize, from: usize) -> usize {
        (from..self.list.len()).find(|&at| self.list[at].dir() == dir).unwrap_or(self.list.len())
    }

    pub fn messages(&self) -> u32 {
        self.list.iter().filter(|piece| !piece.is_end()).count() as u32
    }

    pub fn peek(&self, dir: usize) -> Option<Piece> {
        self.list.get(self.next[dir]).copied()
    }

    /// Whether the other side still has something that was captured before this side's next.
    pub fn other_comes_first(&self, dir: usize) -> bool {
        self.next[1 - dir] < self.next[dir]
    }

    pub fn take(&mut self, dir: usize) -> Option<Piece> {
        let piece = self.peek(dir)?;
        self.next[dir] = self.first(dir, self.next[dir] + 1);
        Some(piece)
    }
}
