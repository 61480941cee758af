//! WASI as the C++ host library provides it: enough for SDKs and language runtimes, nothing of a file system.
//! Results are WASI's errno. Where Envoy has an odd answer (`proc_exit` returns), it is kept.

use super::*;

const SUCCESS: u32 = 0;
const BADF: u32 = 8;
const EXIST: u32 = 20;
const FAULT: u32 = 21;
const INVAL: u32 = 28;
const NOENT: u32 = 44;
const NOSYS: u32 = 52;
const NOTSUP: u32 = 58;
/// As long as a message can be: what a filter writes is bounded by its memory, the number of pieces is not.
const MAX_PIECES: u32 = 1024;
/// What one call takes at most; a caller that has more writes the rest with the next.
const MAX_WRITTEN: usize = 16 << 20;

fn is_output(fd: u32) -> bool {
    matches!(fd, 1 | 2)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

/// All pieces joined; a newline at the end is not part of the message.
fn fd_write(h: &mut Host, fd: u32, pieces: u32, count: u32, written_out: u32) -> Result<(), u32> {
    if !is_output(fd) {
        return Err(BADF);
    }
    let table = h.input(pieces, count.min(MAX_PIECES) * 8).map_err(|_| FAULT)?;
    let mut message = Vec::new();
    for piece in table.chunks_exact(8) {
        let (at, size) = (word(piece, 0), word(piece, 4));
        if size > 0 && !guest::contains(h.vm, at, size) {
            return Err(FAULT);
        }
        let room = (MAX_WRITTEN - message.len()) as u32;
        message.extend(h.input(at, size.min(room)).map_err(|_| FAULT)?);
    }
    let written = message.len() as u32;
    h.arg(1, written);
    if written > 0 {
        h.field(message.strip_suffix(b"\n").unwrap_or(&message));
    }
    h.store(written_out, written).map_err(|_| FAULT)
}

#[no_mangle]
pub extern "C" fn wasi_fd_write(vm: u32, fd: u32, pieces: u32, count: u32, written_out: u32) -> u32 {
    hostcall(vm, Call::FdWrite, [fd, 0, 0, 0], |h| fd_write(h, fd, pieces, count, written_out))
}

#[no_mangle]
pub extern "C" fn wasi_fd_pwrite(vm: u32, fd: u32, pieces: u32, count: u32, _offset: i64, written_out: u32) -> u32 {
    hostcall(vm, Call::FdWrite, [fd, 0, 0, 0], |h| fd_write(h, fd, pieces, count, written_out))
}

/// 0 is the virtual clock of the capture; 1 counts from the replay's start.
#[no_mangle]
pub extern "C" fn wasi_clock_time_get(vm: u32, id: u32, _precision: i64, out: u32) -> u32 {
    hostcall(vm, Call::ClockTimeGet, [id, 0, 0, 0], |h| {
        let c = core();
        let time = match id {
            0 => c.now,
            1 => c.now - c.settings.start + 1,
            _ => return Err(NOTSUP),
        };
        h.store64(out, time).map_err(|_| FAULT)
    })
}

#[no_mangle]
pub extern "C" fn wasi_clock_res_get(vm: u32, id: u32, out: u32) -> u32 {
    other(vm, b"clock_res_get", |h| {
        if id > 1 {
            return Err(NOTSUP);
        }
        h.store64(out, 1).map_err(|_| FAULT)
    })
}

#[no_mangle]
pub extern "C" fn wasi_random_get(vm: u32, out: u32, size: u32) -> u32 {
    hostcall(vm, Call::RandomGet, [size, 0, 0, 0], |h| {
        if size > 64 * 1024 {
            return Err(INVAL);
        }
        let mut bytes = vec![0; size as usize];
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&core().next_random().to_le_bytes()[..part.len()]);
        }
        if guest::write(h.vm, out, &bytes) { Ok(()) } else { Err(FAULT) }
    })
}

fn environment(vm: u32) -> Vec<Vec<u8>> {
    core().vms[vm as usize].env.iter().map(|(k, v)| [k, &b"="[..], v, b"\0"].concat()).collect()
}

#[no_mangle]
pub extern "C" fn wasi_environ_sizes_get(vm: u32, count_out: u32, size_out: u32) -> u32 {
    other(vm, b"environ_sizes_get", |h| {
        let all = environment(vm);
        h.store(count_out, all.len() as u32).map_err(|_| FAULT)?;
        h.store(size_out, all.iter().map(Vec::len).sum::<usize>() as u32).map_err(|_| FAULT)
    })
}

#[no_mangle]
pub extern "C" fn wasi_environ_get(vm: u32, array: u32, buffer: u32) -> u32 {
    hostcall(vm, Call::EnvironGet, [0; 4], |h| {
        let (mut slot, mut at) = (array, buffer);
        for entry in environment(vm) {
            if !guest::store32(h.vm, slot, at) || !guest::write(h.vm, at, &entry) {
                return Err(FAULT);
            }
            slot = slot.wrapping_add(4);
            at = at.wrapping_add(entry.len() as u32);
        }
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn wasi_args_sizes_get(vm: u32, count_out: u32, size_out: u32) -> u32 {
    other(vm, b"args_sizes_get", |h| {
        h.store(count_out, 0).map_err(|_| FAULT)?;
        h.store(size_out, 0).map_err(|_| FAULT)
    })
}

#[no_mangle]
pub extern "C" fn wasi_args_get(vm: u32, _argv: u32, _buffer: u32) -> u32 {
    other(vm, b"args_get", |_| Ok(()))
}

/// Envoy's host logs this and returns to the filter, which then mostly traps by itself.
#[no_mangle]
pub extern "C" fn wasi_proc_exit(vm: u32, code: u32) {
    hostcall(vm, Call::ProcExit, [code, 0, 0, 0], |_| Ok(()));
}

/// A function that does next to nothing: recorded by its name.
fn other(vm: u32, name: &[u8], body: impl FnOnce(&mut Host) -> Answer) -> u32 {
    let allowed = match core().restricted {
        Restricted::No => true,
        Restricted::Allocator => name == b"poll_oneoff",
        Restricted::Start => !matches!(name, b"fd_read" | b"fd_seek" | b"fd_close" | b"sched_yield" | b"path_open"),
    };
    if !allowed {
        return refused(vm, name);
    }
    hostcall(vm, Call::WasiOther, [0; 4], |h| {
        h.field(name);
        body(h)
    })
}

#[cold]
#[inline(never)]
fn refused(vm: u32, name: &[u8]) -> u32 {
    let row = open_row(vm, Call::WasiOther, [0; 4]);
    core().trace.add_field(row, |f| {
        f.bytes(name);
    });
    forbidden(vm, name)
}

/// Functions whose whole answer is a number.
macro_rules! answers {
    ($($function:ident $name:literal ($($arg:ident: $type:ty),*) => |$fd:ident| $errno:expr;)*) => { $(
        #[no_mangle]
        #[allow(unused_variables, clippy::too_many_arguments)]
        pub extern "C" fn $function(vm: u32, $($arg: $type),*) -> u32 {
            let first = [$($arg as u32),*].first().copied();
            let $fd = first.unwrap_or(0);
            let errno: u32 = $errno;
            other(vm, $name, |_| if errno == SUCCESS { Ok(()) } else { Err(errno) })
        }
    )* };
}

fn for_output(fd: u32) -> u32 {
    if is_output(fd) { SUCCESS } else { BADF }
}

answers! {
    wasi_fd_read b"fd_read" (fd: u32, iovs: u32, count: u32, out: u32) => |_fd| NOSYS;
    wasi_fd_pread b"fd_pread" (fd: u32, iovs: u32, count: u32, offset: i64, out: u32) => |_fd| NOSYS;
    wasi_fd_seek b"fd_seek" (fd: u32, offset: i64, whence: u32, out: u32) => |_fd| SUCCESS;
    wasi_fd_close b"fd_close" (fd: u32) => |_fd| SUCCESS;
    wasi_fd_fdstat_set_flags b"fd_fdstat_set_flags" (fd: u32, flags: u32) => |_fd| NOSYS;
    wasi_fd_fdstat_set_rights b"fd_fdstat_set_rights" (fd: u32, base: i64, inheriting: i64) => |fd| for_output(fd);
    wasi_fd_filestat_get b"fd_filestat_get" (fd: u32, out: u32) => |_fd| BADF;
    wasi_fd_filestat_set_size b"fd_filestat_set_size" (fd: u32, size: i64) => |fd| for_output(fd);
    wasi_fd_filestat_set_times b"fd_filestat_set_times" (fd: u32, atim: i64, mtim: i64, flags: u32) => |fd| for_output(fd);
    wasi_fd_advise b"fd_advise" (fd: u32, offset: i64, size: i64, advice: u32) => |_fd| SUCCESS;
    wasi_fd_allocate b"fd_allocate" (fd: u32, offset: i64, size: i64) => |fd| for_output(fd);
    wasi_fd_datasync b"fd_datasync" (fd: u32) => |fd| for_output(fd);
    wasi_fd_sync b"fd_sync" (fd: u32) => |fd| for_output(fd);
    wasi_fd_renumber b"fd_renumber" (fd: u32, to: u32) => |fd| if is_output(fd) && is_output(to) { NOTSUP } else { BADF };
    wasi_fd_prestat_get b"fd_prestat_get" (fd: u32, out: u32) => |_fd| BADF;
    wasi_fd_prestat_dir_name b"fd_prestat_dir_name" (fd: u32, path: u32, size: u32) => |_fd| NOSYS;
    wasi_sched_yield b"sched_yield" () => |_fd| SUCCESS;
    wasi_path_open b"path_open" (fd: u32, dirflags: u32, path: u32, size: u32, oflags: u32, base: i64, inheriting: i64, fdflags: u32, out: u32) => |_fd| NOENT;
    wasi_path_create_directory b"path_create_directory" (fd: u32, path: u32, size: u32) => |_fd| NOTSUP;
    wasi_path_remove_directory b"path_remove_directory" (fd: u32, path: u32, size: u32) => |_fd| NOTSUP;
    wasi_path_unlink_file b"path_unlink_file" (fd: u32, path: u32, size: u32) => |_fd| NOTSUP;
    wasi_path_rename b"path_rename" (fd: u32, old: u32, old_n: u32, to: u32, new: u32, new_n: u32) => |_fd| NOTSUP;
    wasi_path_filestat_get b"path_filestat_get" (fd: u32, flags: u32, path: u32, size: u32, out: u32) => |_fd| NOTSUP;
    wasi_path_filestat_set_times b"path_filestat_set_times" (fd: u32, flags: u32, path: u32, size: u32, atim: i64, mtim: i64, fstflags: u32) => |_fd| NOTSUP;
    wasi_path_link b"path_link" (fd: u32, flags: u32, old: u32, old_n: u32, to: u32, new: u32) => |_fd| NOTSUP;
    wasi_path_symlink b"path_symlink" (old: u32, old_n: u32, fd: u32, new: u32) => |_fd| NOTSUP;
    wasi_sock_shutdown b"sock_shutdown" (fd: u32, how: u32) => |_fd| NOTSUP;
}

/// Writes zeros where the caller looks for a result, then gives the errno.
fn zeroed(vm: u32, name: &[u8], out: u32, size: usize, errno: u32) -> u32 {
    other(vm, name, |h| {
        if !guest::write(h.vm, out, &[0; 24][..size]) {
            return Err(FAULT);
        }
        if errno == SUCCESS { Ok(()) } else { Err(errno) }
    })
}

#[no_mangle]
pub extern "C" fn wasi_fd_tell(vm: u32, fd: u32, out: u32) -> u32 {
    if is_output(fd) { zeroed(vm, b"fd_tell", out, 8, SUCCESS) } else { other(vm, b"fd_tell", |_| Err(BADF)) }
}

/// For the outputs: no type, no flags, the right to write.
#[no_mangle]
pub extern "C" fn wasi_fd_fdstat_get(vm: u32, fd: u32, out: u32) -> u32 {
    other(vm, b"fd_fdstat_get", |h| {
        if !is_output(fd) {
            return Err(BADF);
        }
        // Envoy's host does not look whether it could be written
        guest::write(h.vm, out, &[0u64, 64, 0].map(u64::to_le_bytes).concat());
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn wasi_fd_readdir(vm: u32, _fd: u32, _buffer: u32, _size: u32, _cookie: i64, out: u32) -> u32 {
    zeroed(vm, b"fd_readdir", out, 4, EXIST)
}

#[no_mangle]
pub extern "C" fn wasi_poll_oneoff(vm: u32, _subscriptions: u32, _events: u32, _count: u32, out: u32) -> u32 {
    // the Go runtime needs a success here
    zeroed(vm, b"poll_oneoff", out, 4, SUCCESS)
}

#[no_mangle]
pub extern "C" fn wasi_path_readlink(vm: u32, _fd: u32, _path: u32, _size: u32, _buffer: u32, _buffer_n: u32, out: u32) -> u32 {
    zeroed(vm, b"path_readlink", out, 4, NOTSUP)
}

#[no_mangle]
pub extern "C" fn wasi_sock_accept(vm: u32, _fd: u32, _flags: u32, out: u32) -> u32 {
    zeroed(vm, b"sock_accept", out, 8, NOTSUP)
}

#[no_mangle]
pub extern "C" fn wasi_sock_recv(vm: u32, _fd: u32, _data: u32, _count: u32, _flags: u32, size_out: u32, flags_out: u32) -> u32 {
    other(vm, b"sock_recv", |h| {
        let done = guest::write(h.vm, size_out, &[0; 4]) && guest::write(h.vm, flags_out, &[0; 2]);
        Err(if done { NOTSUP } else { FAULT })
    })
}

#[no_mangle]
pub extern "C" fn wasi_sock_send(vm: u32, _fd: u32, _data: u32, _count: u32, _flags: u32, out: u32) -> u32 {
    zeroed(vm, b"sock_send", out, 4, NOTSUP)
}
