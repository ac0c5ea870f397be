// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: 2026 The Bulkhead authors
//! Rust's BTreeMap from start to end and payload, as the crate memory_set keeps its areas, by fewer searches: peer.h says
//! what each function does. A start that moves and keeps the order is written in place. A gap is found area by area, for
//! there is no index of them. Stable Rust from 1.59 on.

use std::cell::Cell;
use std::collections::btree_map::Entry;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ops::Bound::{Excluded, Unbounded};
use std::os::raw::c_char;
use std::slice::from_raw_parts;

const SPACE_END: u64 = 1 << 47;
const NONE: u64 = u64::MAX;

// The types of peer.h, in its order.

#[repr(C)]
pub struct Area {
    start: u64,
    end: u64,
    w: [u64; 3],
}
#[repr(C)]
pub struct Range {
    start: u64,
    end: u64,
}
#[repr(C)]
pub struct Protect {
    start: u64,
    end: u64,
    attr: u64,
}
#[repr(C)]
pub struct Gap {
    lo: u64,
    size: u64,
    align: u64,
}
#[repr(C)]
pub struct Maps {
    map: *const *mut Map,
    mask: u32,
}

type Batch<Job> = unsafe extern "C" fn(*const Maps, *const Job, u32) -> u64;

#[repr(C)]
pub struct Peer {
    name: *const c_char,
    what: *const c_char,
    create: extern "C" fn(u64) -> *mut Map,
    destroy: unsafe extern "C" fn(*mut Map),
    build: unsafe extern "C" fn(*mut Map, *const Area, u64),
    find_dep: unsafe extern "C" fn(*const Maps, *const u64, u32, *const u64) -> u64,
    find_indep: Batch<u64>,
    insert: Batch<Area>,
    erase: Batch<Range>,
    split: Batch<Range>,
    map_over: Batch<Area>,
    protect: Batch<Protect>,
    find_free: Batch<Gap>,
    linear_gaps: bool,
    iterate: unsafe extern "C" fn(*mut Map) -> u64,
    clear: unsafe extern "C" fn(*mut Map),
    bytes: *const c_void,
}
// It is constant, and its pointers are to constants.
unsafe impl Sync for Peer {}

// The container.

#[derive(Clone, Copy)]
struct Value {
    end: u64,
    w: [u64; 3],
}

/// BTreeMap allows a key to change as long as its order among the others does not.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Start(Cell<u64>);

fn at(start: u64) -> Start {
    Start(Cell::new(start))
}

pub struct Map(BTreeMap<Start, Value>);

impl Map {
    #[inline]
    fn find(&self, key: u64) -> Option<(u64, u64)> {
        match self.0.range(..=at(key)).next_back() {
            Some((start, v)) if key < v.end => Some((start.0.get(), v.w[1])),
            _ => None,
        }
    }

    #[inline]
    fn put(&mut self, start: u64, end: u64, w: [u64; 3]) {
        self.0.insert(at(start), Value { end, w });
    }

    #[inline]
    fn insert(&mut self, a: &Area) -> bool {
        match self.0.range(..at(a.end)).next_back() {
            Some((_, below)) if below.end > a.start => false,
            _ => {
                self.put(a.start, a.end, a.w);
                true
            }
        }
    }

    #[inline]
    fn erase(&mut self, start: u64, end: u64) -> bool {
        match self.0.entry(at(start)) {
            Entry::Occupied(e) if e.get().end == end => {
                e.remove();
                true
            }
            _ => false,
        }
    }

    /// Cuts [start, end) out of the area that has it strictly inside; what that area was.
    #[inline]
    fn cut_out(&mut self, start: u64, end: u64) -> Option<Value> {
        let (_, around) = self.0.range_mut(..at(start)).next_back()?;
        let was = *around;
        if was.end <= end {
            return None;
        }
        around.end = start;
        self.put(end, was.end, was.w);
        Some(was)
    }

    #[inline]
    fn protect(&mut self, job: &Protect) -> bool {
        match self.cut_out(job.start, job.end) {
            Some(was) => {
                self.put(job.start, job.end, [was.w[0], was.w[1], job.attr]);
                true
            }
            None => false,
        }
    }

    #[inline]
    fn map_over(&mut self, a: &Area) -> u64 {
        let mut met = 0;
        let mut rest = None; // of an area that has the new one strictly inside
        let mut inside = None; // the lowest so far of those that go; it becomes the new one
        let mut gone = Vec::new(); // the others: no memory is taken until there is one

        for (start, v) in self.0.range_mut(..at(a.end)).rev() {
            if v.end <= a.start {
                break;
            }
            met += 1;
            if start.0.get() < a.start {
                rest = Some(*v).filter(|v| v.end > a.end);
                v.end = a.start;
                break;
            }
            if v.end > a.end {
                start.0.set(a.end);
            } else if let Some((above, _)) = inside.replace((start, v)) {
                gone.push(above.0.get());
            }
        }
        match inside {
            Some((start, v)) => {
                start.0.set(a.start);
                *v = Value { end: a.end, w: a.w };
            }
            None => self.put(a.start, a.end, a.w),
        }
        for start in gone {
            self.0.remove(&at(start));
        }
        if let Some(v) = rest {
            self.put(a.end, v.end, v.w);
        }
        met
    }

    #[inline]
    fn find_free(&self, job: &Gap) -> u64 {
        let align_up = |at: u64| (at + (job.align - 1)) & !(job.align - 1);
        let mut free = align_up(job.lo);

        if let Some((_, below)) = self.0.range(..=at(job.lo)).next_back() {
            free = free.max(align_up(below.end));
        }
        for (start, v) in self.0.range((Excluded(at(job.lo)), Unbounded)) {
            let start = start.0.get();
            if start > free && start - free >= job.size {
                return free;
            }
            free = free.max(align_up(v.end));
        }
        if free < SPACE_END && SPACE_END - free >= job.size {
            free
        } else {
            NONE
        }
    }
}

// The loops. Each pointer is what peer.h says it is.

#[inline(always)]
unsafe fn for_each<Job>(m: *const Maps, job: *const Job, n: u32, mut f: impl FnMut(&mut Map, &Job) -> u64) -> u64 {
    let mut sum = 0u64;
    for (i, job) in from_raw_parts(job, n as usize).iter().enumerate() {
        let map = *(*m).map.add(i & (*m).mask as usize);
        sum = sum.wrapping_add(f(&mut *map, job));
    }
    sum
}

extern "C" fn create(_max_areas: u64) -> *mut Map {
    Box::into_raw(Box::new(Map(BTreeMap::new())))
}

unsafe extern "C" fn destroy(map: *mut Map) {
    drop(Box::from_raw(map));
}

unsafe extern "C" fn build(map: *mut Map, area: *const Area, n: u64) {
    for a in from_raw_parts(area, n as usize) {
        (*map).insert(a);
    }
}

unsafe extern "C" fn find_dep(m: *const Maps, key: *const u64, n: u32, zero: *const u64) -> u64 {
    let (mask, mut before) = (*zero, 0);
    for_each(m, key, n, |map, key| {
        let (start, w1) = map.find(key.wrapping_add(before & mask)).unwrap_or((0, 0));
        before = w1;
        start ^ w1
    })
}

unsafe extern "C" fn find_indep(m: *const Maps, key: *const u64, n: u32) -> u64 {
    for_each(m, key, n, |map, &key| map.find(key).map_or(0, |(start, w1)| start ^ w1))
}

unsafe extern "C" fn insert(m: *const Maps, area: *const Area, n: u32) -> u64 {
    for_each(m, area, n, |map, a| map.insert(a) as u64)
}

unsafe extern "C" fn erase(m: *const Maps, range: *const Range, n: u32) -> u64 {
    for_each(m, range, n, |map, r| map.erase(r.start, r.end) as u64)
}

unsafe extern "C" fn split(m: *const Maps, range: *const Range, n: u32) -> u64 {
    for_each(m, range, n, |map, r| map.cut_out(r.start, r.end).is_some() as u64)
}

unsafe extern "C" fn map_over(m: *const Maps, area: *const Area, n: u32) -> u64 {
    for_each(m, area, n, |map, a| map.map_over(a))
}

unsafe extern "C" fn protect(m: *const Maps, job: *const Protect, n: u32) -> u64 {
    for_each(m, job, n, |map, job| map.protect(job) as u64)
}

unsafe extern "C" fn find_free(m: *const Maps, job: *const Gap, n: u32) -> u64 {
    for_each(m, job, n, |map, job| map.find_free(job))
}

unsafe extern "C" fn iterate(map: *mut Map) -> u64 {
    let (mut sum, mut before) = (0u64, 0);
    for (start, v) in &(*map).0 {
        sum = sum.wrapping_add(start.0.get() ^ before).wrapping_add(v.w[1]);
        before = v.end;
    }
    sum
}

unsafe extern "C" fn clear(map: *mut Map) {
    (*map).0.clear();
}

#[no_mangle]
pub static peer_rust: Peer = Peer {
    name: b"BTreeMap\0".as_ptr() as *const c_char,
    what: concat!("BTreeMap of ", env!("RUSTC_VERSION"), ", in-place edits, gaps by a linear walk\0").as_ptr()
        as *const c_char,
    create,
    destroy,
    build,
    find_dep,
    find_indep,
    insert,
    erase,
    split,
    map_over,
    protect,
    find_free,
    linear_gaps: true,
    iterate,
    clear,
    bytes: std::ptr::null(),
};
