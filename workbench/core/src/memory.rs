//! How much memory the core has in use: what filters make it keep is bounded, so that none of them brings down the replay.

use std::alloc::{GlobalAlloc, Layout, System};

/// Past this, beside the captured exchanges themselves, a filter that makes the core keep more is ended. What one hostcall can take
/// on top leaves the core within its 2 GiB.
pub const MOST: usize = 768 << 20;

/// What the core may have in use at all, with what an allocator needs beside it within 2 GiB.
const CEILING: usize = 3 << 29;

/// Whether so much more can be had without danger.
pub fn has_room(bytes: usize) -> bool {
    in_use() + bytes <= CEILING
}

struct Counting;

static mut IN_USE: usize = 0;

// SAFETY: every call goes on to the system's allocator as it is; the core runs on one thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE += layout.size();
        System.alloc(layout)
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        IN_USE += layout.size();
        System.alloc_zeroed(layout)
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE -= layout.size();
        System.dealloc(at, layout);
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        IN_USE = IN_USE - layout.size() + size;
        System.realloc(at, layout, size)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes allocated and not freed.
#[inline]
pub fn in_use() -> usize {
    // SAFETY: one thread.
    unsafe { IN_USE }
}
