//! Header maps: which of them a filter can reach in which phase, and the operations on them.

use super::*;
use crate::headers::{parse_pairs, HeaderMap};
use crate::state::ABI_01;
use crate::stream::{Touched, REQUEST, RESPONSE};

/// What a filter can do with a map now.
#[derive(PartialEq)]
enum Reach {
    No,
    /// While it logs: to read.
    Read,
    Write,
}

fn reach(h: &Host, map: u32) -> (Reach, u32, u32) {
    let Some((slot, filter)) = h.stream() else { return (Reach::No, 0, 0) };
    let state = &core().streams[slot as usize].filters[filter as usize];
    let dir = if map < 2 { REQUEST } else { RESPONSE };
    let half = &state.half[dir];
    let open = match map {
        0 | 2 => half.headers_open,
        1 | 3 => half.trailers_open || core().streams[slot as usize].trailers_added[dir] && half.may_add_trailers,
        _ => false,
    };
    let reach = match () {
        () if open => Reach::Write,
        () if state.logging && matches!(map, 0 | 2 | 3) => Reach::Read,
        () => Reach::No,
    };
    (reach, slot, filter)
}

/// The map to write to. In the last body callback a write makes the trailers that are not there yet.
fn writable(h: &Host, map: u32) -> Result<(&'static mut HeaderMap, Touched), u32> {
    let (reach, slot, filter) = reach(h, map);
    let s = &mut core().streams;
    if reach != Reach::Write {
        let (1 | 3, Some(_)) = (map, h.stream()) else { return Err(BAD_ARGUMENT) };
        let dir = (map / 2) as usize;
        if !s[slot as usize].filters[filter as usize].half[dir].may_add_trailers {
            return Err(BAD_ARGUMENT);
        }
        s[slot as usize].trailers_added[dir] = true;
    }
    Ok((&mut s[slot as usize].maps[map as usize], Touched::Map { slot, filter, map: map as usize }))
}

/// A map of a callout's answer, while the callback for it runs.
fn answered(h: &Host, map: u32) -> Option<&'static HeaderMap> {
    let place = (map as usize).checked_sub(4)?;
    core().callouts.shown_to(h.vm, h.root()?)?.maps.get(place)?.as_ref()
}

fn check(map: u32) -> Answer {
    if map > 7 { Err(BAD_ARGUMENT) } else { Ok(()) }
}

fn touch(touched: Touched) {
    let list = &mut core().touched;
    if !list.contains(&touched) {
        list.push(touched);
    }
}

#[no_mangle]
pub extern "C" fn proxy_get_header_map_value(vm: u32, map: u32, name: u32, name_n: u32, value_out: u32, size_out: u32) -> u32 {
    hostcall(vm, Call::GetHeaderMapValue, [map, 0, 0, 0], |h| {
        check(map)?;
        let name = h.name(name, name_n)?;
        let old = core().vms[vm as usize].abi == ABI_01;
        let (reach, slot, filter) = reach(h, map);
        let answered = answered(h, map);
        if reach == Reach::No && answered.is_none() {
            h.field(name);
            let logging = h.stream().is_some() && core().streams[slot as usize].filters[filter as usize].logging;
            return match logging {
                true if old => h.give(b"", value_out, size_out),
                true => Err(NOT_FOUND),
                false => Err(BAD_ARGUMENT),
            };
        }
        match answered.unwrap_or_else(|| &core().streams[slot as usize].maps[map as usize]).get(name) {
            Some(value) => {
                h.fields(|f| {
                    f.bytes(name).bytes(value);
                });
                // no map changes while the filter allocates: it may call nothing that could
                h.give(value, value_out, size_out)
            }
            None => {
                h.field(name);
                if old { h.give(b"", value_out, size_out) } else { Err(NOT_FOUND) }
            }
        }
    })
}

fn within_bounds(h: &Host, headers: &HeaderMap) -> Answer {
    if headers.is_excessive() {
        return Err(fault(h.vm, MEMORY, format!("made a header map of {} entries and {} bytes", headers.len(), headers.byte_size())));
    }
    Ok(())
}

/// Changes a name's entries and records the values before and after.
fn change(h: &mut Host, map: u32, name: &[u8], value: Option<&[u8]>, with: impl FnOnce(&mut HeaderMap)) -> Answer {
    let (headers, touched) = match writable(h, map) {
        Ok(found) => found,
        Err(status) => {
            h.fields(|f| {
                f.bytes(name);
                if let Some(value) = value {
                    f.bytes(value);
                }
            });
            return Err(status);
        }
    };
    let row = h.row();
    core().trace.add_field(row, |f| {
        f.bytes(name);
        if let Some(value) = value {
            f.bytes(value);
        }
        f.values(headers.values(name));
    });
    with(headers);
    headers.written(name, value.unwrap_or(b""));
    touch(touched);
    within_bounds(h, headers)?;
    core().trace.add_field(row, |f| {
        f.values(headers.values(name));
    });
    Ok(())
}

#[no_mangle]
pub extern "C" fn proxy_add_header_map_value(vm: u32, map: u32, name: u32, name_n: u32, value: u32, value_n: u32) -> u32 {
    hostcall(vm, Call::AddHeaderMapValue, [map, 0, 0, 0], |h| {
        check(map)?;
        let (name, value) = (h.name(name, name_n)?, &*h.argument(1, value, value_n)?);
        change(h, map, name, Some(value), |headers| headers.add(name, value))
    })
}

#[no_mangle]
pub extern "C" fn proxy_replace_header_map_value(vm: u32, map: u32, name: u32, name_n: u32, value: u32, value_n: u32) -> u32 {
    hostcall(vm, Call::ReplaceHeaderMapValue, [map, 0, 0, 0], |h| {
        check(map)?;
        let (name, value) = (h.name(name, name_n)?, &*h.argument(1, value, value_n)?);
        change(h, map, name, Some(value), |headers| headers.replace(name, value))
    })
}

#[no_mangle]
pub extern "C" fn proxy_remove_header_map_value(vm: u32, map: u32, name: u32, name_n: u32) -> u32 {
    hostcall(vm, Call::RemoveHeaderMapValue, [map, 0, 0, 0], |h| {
        check(map)?;
        let name = h.name(name, name_n)?;
        change(h, map, name, None, |headers| headers.remove(name))
    })
}

#[no_mangle]
pub extern "C" fn proxy_get_header_map_pairs(vm: u32, map: u32, pairs_out: u32, size_out: u32) -> u32 {
    hostcall(vm, Call::GetHeaderMapPairs, [map, 0, 0, 0], |h| {
        check(map)?;
        let (reach, slot, _) = reach(h, map);
        let mut pairs = Vec::new();
        let open = (reach != Reach::No).then(|| &core().streams[slot as usize].maps[map as usize]);
        if let Some(headers) = answered(h, map).or(open) {
            h.arg(1, headers.len() as u32);
            pairs = headers.serialise();
        }
        h.give(&pairs, pairs_out, size_out)
    })
}

#[no_mangle]
pub extern "C" fn proxy_set_header_map_pairs(vm: u32, map: u32, pairs: u32, size: u32) -> u32 {
    hostcall(vm, Call::SetHeaderMapPairs, [map, 0, 0, 0], |h| {
        check(map)?;
        let pairs = h.input(pairs, size)?;
        let pairs = parse_pairs(&pairs);
        h.arg(1, pairs.len() as u32);
        let (headers, touched) = writable(h, map)?;
        let row = h.row();
        core().trace.add_field(row, |f| {
            f.with(|out| headers.write(out));
        });
        let side = headers.side;
        headers.clear(side);
        for (name, value) in pairs {
            headers.add(&name.to_ascii_lowercase(), value);
            headers.written(name, value);
        }
        touch(touched);
        within_bounds(h, headers)?;
        core().trace.add_field(row, |f| {
            f.with(|out| headers.write(out));
        });
        Ok(())
    })
}

/// Bytes of names and values; wants a map that can be written, as in Envoy.
#[no_mangle]
pub extern "C" fn proxy_get_header_map_size(vm: u32, map: u32, size_out: u32) -> u32 {
    hostcall(vm, Call::GetHeaderMapSize, [map, 0, 0, 0], |h| {
        check(map)?;
        let (headers, _) = writable(h, map)?;
        let size = headers.byte_size() as u32;
        h.arg(1, size);
        h.store(size_out, size)
    })
}
