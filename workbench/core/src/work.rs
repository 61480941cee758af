//! What is to be done next on a stream, piece by piece.

use crate::stream::{Bytes, Pending, Phase, RESPONSE};

/// Whether a filter had kept a piece of a body, which Envoy's buffer holds then: the one that it comes to, or another.
#[derive(Clone, Copy, PartialEq, Default)]
pub enum Kept {
    #[default]
    No,
    Yes,
    Here,
}

/// What is to be done next on a stream. `pos` counts filters in the direction's order.
pub enum Work {
    Headers { dir: usize, pos: u32, eos: bool },
    Data { dir: usize, pos: u32, bytes: Bytes, eos: bool, kept: Kept },
    Trailers { dir: usize, pos: u32 },
    End { step: u8, filter: u32 },
    /// A connection's filter is to see what there is to read, `data` once it knows of the connection.
    Read { pos: u32, data: bool },
    Write { pos: u32 },
    UpstreamClose { filter: u32 },
    /// What a filter asked for in a callback has been done: the result counts now.
    Judge { vm: u32, pending: Pending, result: u32, answers: u32 },
    /// A pass over a connection's filters is done, `dir` where bytes came in for it.
    Settle { dir: Option<usize> },
}

impl Work {
    /// The message ends with it.
    pub fn ends(&self) -> bool {
        matches!(self, Work::Headers { eos: true, .. } | Work::Data { eos: true, .. } | Work::Trailers { .. })
    }

    /// The result that waits lets the end of the response go once more.
    pub fn ends_again(&self) -> bool {
        let ends = |p: &Pending| p.dir == RESPONSE && (p.phase == Phase::Trailers || p.phase == Phase::Headers && p.eos);
        matches!(self, Work::Judge { pending, result: 0 | 2, .. } if ends(pending))
    }

    /// Direction and place in it; None for the end of a stream, which is no part of a message.
    pub fn place(&self) -> Option<(usize, u32)> {
        match *self {
            Work::Headers { dir, pos, .. } | Work::Data { dir, pos, .. } | Work::Trailers { dir, pos } => Some((dir, pos)),
            Work::Judge { pending, .. } => Some((pending.dir, pending.pos)),
            _ => None,
        }
    }
}
