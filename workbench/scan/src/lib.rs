//! Reads mitmproxy's flow files at the speed of memory: where flows are, when they began, and their packed records.
//! `capture/scanner.py` is its only caller; whatever it does not understand it leaves to Python.

mod attributes;
mod cursor;
mod flow;
mod pack;

use std::sync::Mutex;

use cursor::{Cursor, Span};
use flow::{connection_id, Flow, END};
use pack::{Pairs, Place};

/// What Python wrote, and the answer to its last call.
static INPUT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static OUTPUT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Bytes of a line of the table before the flows: place and size, both u32; for `pack` then u32 index, u32 connection, u64 start.
const SHORT_LINE: usize = 8;
const LONG_LINE: usize = 24;
/// The same of a line that `times` gives.
const TIMES_LINE: u32 = 24;

/// Room for `size` bytes of input.
#[no_mangle]
pub extern "C" fn input(size: u32) -> *mut u8 {
    let mut input = INPUT.lock().unwrap();
    input.resize(size as usize, 0);
    input.as_mut_ptr()
}

#[no_mangle]
pub extern "C" fn output() -> *const u8 {
    OUTPUT.lock().unwrap().as_ptr()
}

/// Hops from flow to flow in the input from `at` on, as long as they are of the format and whole: u32 place and u32 size of each.
/// Gives the bytes of output, as the others do.
#[no_mangle]
pub extern "C" fn index(at: u32) -> u32 {
    with(|input, out| {
        let mut at = at as usize;
        while let Some(size) = input.get(at..).and_then(whole) {
            put(out, &[at as u32, size as u32]);
            at += size;
        }
    })
}

/// Size of the flow that these bytes begin with.
fn whole(bytes: Span) -> Option<usize> {
    let mut flow = Cursor::new(bytes);
    let size = flow.length(12)?;
    let payload = flow.take(size)?;
    flow.literal(b"}")?;
    payload.ends_with(&END[..END.len() - 1]).then(|| flow.at())
}

/// Of each of `count` flows: u64 start of the request, u64 end of the exchange (0: unknown), place and size in the output of what names its
/// connection (0: Python has to look), which comes behind them all.
#[no_mangle]
pub extern "C" fn times(count: u32) -> u32 {
    with(|input, out| {
        let mut ids = Vec::new();
        for (raw, _) in lines(input, count, SHORT_LINE) {
            let known = Flow::read(raw).and_then(|flow| Some((flow.request.start_ns, flow.end_ns(), connection_id(flow.client)?)));
            let (start, end, id) = known.unwrap_or((0, 0, &[]));
            out.extend_from_slice(&start.to_le_bytes());
            out.extend_from_slice(&end.to_le_bytes());
            put(out, &[count * TIMES_LINE + ids.len() as u32, id.len() as u32]);
            ids.extend_from_slice(id);
        }
        out.append(&mut ids);
    })
}

/// The sizes of `count` records, u32 each (0: Python has to make it), then the records. `dotted`: how this Python writes IPv4 in IPv6.
#[no_mangle]
pub extern "C" fn pack(count: u32, dotted: u32) -> u32 {
    with(|input, out| {
        let mut pairs = Pairs::default();
        out.resize(4 * count as usize, 0);
        for (number, (raw, rest)) in lines(input, count, LONG_LINE).enumerate() {
            let start_ns = u64::from(word(rest, 8)) | u64::from(word(rest, 12)) << 32;
            let place = Place { index: word(rest, 0), connection: word(rest, 4), start_ns };
            let begin = out.len();
            if pack::pack(out, &mut pairs, raw, &place, dotted != 0).is_none() {
                out.truncate(begin);
                pairs = Pairs::default();
            }
            let size = (out.len() - begin) as u32;
            out[4 * number..4 * number + 4].copy_from_slice(&size.to_le_bytes());
        }
    })
}

fn with(work: impl FnOnce(Span, &mut Vec<u8>)) -> u32 {
    let mut out = OUTPUT.lock().unwrap();
    out.clear();
    work(&INPUT.lock().unwrap(), &mut out);
    out.len() as u32
}

/// The bytes of each flow in the table at the input's beginning, and what else its line says.
fn lines(input: Span, count: u32, line: usize) -> impl Iterator<Item = (Span, Span)> {
    input.chunks_exact(line).take(count as usize).map(|line| {
        let (place, size) = (word(line, 0) as usize, word(line, 4) as usize);
        (input.get(place..place.saturating_add(size)).unwrap_or(&[]), &line[SHORT_LINE..])
    })
}

fn word(bytes: Span, at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn put(out: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}
