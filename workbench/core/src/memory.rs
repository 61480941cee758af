//! How much memory the core has in use: what filters make it keep is bounded, so that none of them brings down the replay.

use std::alloc::{GlobalAlloc, Layout, System};

/// Past this, a filter that makes the core keep more is ended. What a replay holds by itself (a batch, open exchanges, the trace)
/// is far below, and what one hostcall can take on top leaves the core within its 2 GiB.
pub const MOST: usize = 768 << 20;

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
