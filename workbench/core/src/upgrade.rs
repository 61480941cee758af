//! An exchange that becomes a WebSocket, as Envoy shows it to HTTP filters where `upgrade_configs` allow it (tried with Envoy 1.40):
//! `connection` and `upgrade` stay in the headers, an empty piece of body without an end follows each side's headers, and frames are
//! body. Neither body ever ends: where a side closes the stream is just over, behind one more empty piece if it is the upstream.

use crate::departure;
use crate::events::Event as Planned;
use crate::state::core;
use crate::stream::{Bytes, Pause, Stream, REQUEST, RESPONSE};
use crate::work::{Kept, Work};

/// `Settings::websocket`: no upgrade is allowed, that of captured WebSockets, any to WebSocket.
pub const CAPTURED: u32 = 1;
pub const ANY: u32 = 2;

/// The headers of a direction are followed by a piece of body with nothing in it, and the upstream's by what was said.
pub fn open(slot: u32, dir: usize) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    s.work.push_back(Work::Data { dir, pos: 0, bytes: Bytes::default(), eos: false, kept: Kept::No });
    if dir == RESPONSE {
        s.upgraded = true;
        plan(slot, REQUEST);
        plan(slot, RESPONSE);
    }
}

/// When the next message of a side comes: as long after the upstream's answer as it was captured.
fn plan(slot: u32, dir: usize) {
    let c = core();
    let s = &c.streams[slot as usize];
    let Some(piece) = s.upgrade.as_ref().and_then(|pieces| pieces.peek(dir)) else { return };
    let at = s.began[RESPONSE].saturating_add(piece.time.saturating_sub(s.times[2]));
    c.events.plan(at.max(c.now), Planned::Piece { slot, life: s.life, dir: dir as u32 });
}

/// The filters hold back what the client said, so that the upstream knows nothing of it.
fn holds(s: &Stream) -> bool {
    s.filters.iter().any(|filter| filter.half[REQUEST].pause != Pause::No)
}

/// A message comes, or the end of a side. As with TCP, the upstream says nothing while what the client said before is held back, and
/// the client does not go before the answer to it.
pub fn arrive(slot: u32, dir: usize) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    if s.local || s.stopped {
        return;
    }
    if dir == RESPONSE && holds(s) {
        s.stalled[dir] = true;
        return;
    }
    let Some(pieces) = &mut s.upgrade else { return };
    if pieces.other_comes_first(dir) {
        if !s.stalled[1 - dir] {
            return plan(slot, dir);
        }
        if pieces.peek(dir).is_some_and(|piece| piece.is_end()) {
            s.stalled[dir] = true;
            return;
        }
    }
    let Some(piece) = pieces.take(dir) else { return };
    s.last_byte = c.now;
    if piece.is_end() && dir == REQUEST {
        return over(slot);
    }
    s.received[dir] += u64::from(piece.to - piece.from);
    s.work.push_back(Work::Data { dir, pos: 0, bytes: Bytes::Captured(piece.from, piece.to), eos: false, kept: Kept::No });
    if piece.is_end() {
        s.work.push_back(Work::Settle { dir: None });
    } else {
        plan(slot, dir);
    }
    core().ready.push_back(slot);
}

/// Something has gone to the upstream: what it says next may have waited for it.
pub fn gone(slot: u32) {
    let s = &mut core().streams[slot as usize];
    if s.stalled[RESPONSE] && !holds(s) {
        let both = std::mem::take(&mut s.stalled)[REQUEST];
        plan(slot, RESPONSE);
        if both {
            plan(slot, REQUEST);
        }
    }
}

/// A side has closed: neither body gets an end.
pub fn over(slot: u32) {
    let s = &mut core().streams[slot as usize];
    if s.sink[RESPONSE].headers && !s.sink[RESPONSE].ended {
        s.sink[RESPONSE].ended = true;
        departure::write_out(slot, RESPONSE, false);
    }
    departure::end(slot);
}
