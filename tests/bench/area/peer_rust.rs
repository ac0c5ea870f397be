// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: 2026 The Bulkhead authors
//! Rust's BTreeMap from start to end and payload, as the crate memory_set keeps its areas, by fewer searches: peer.h says
//! what each function does. A gap is found area by area, for there is no index of them. Stable Rust from 1.59 on.

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

pub struct Map(BTreeMap<u64, Value>);

impl Map {
    #[inline]
    fn find(&self, key: u64) -> Option<(u64, u64)> {
        match self.0.range(..=key).next_back() {
            Some((&start, v)) if key < v.end => Some((start, v.w[1])),
            _ => None,
        }
    }

    #[inline]
    fn insert(&mut self, a: &Area) -> bool {
        match self.0.range(..a.end).next_back() {
            Some((_, below)) if below.end > a.start => false,
            _ => {
                self.0.insert(a.start, Value { end: a.end, w: a.w });
                true
            }
        }
    }

    #[inline]
    fn erase(&mut self, start: u64, end: u64) -> bool {
        match self.0.entry(start) {
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
        let (_, around) = self.0.range_mut(..start).next_back()?;
        let was = *around;
        if was.end <= end {
            return None;
        }
        around.end = start;
        self.0.insert(end, was);
        Some(was)
    }

    #[inline]
    fn protect(&mut self, job: &Protect) -> bool {
        match self.cut_out(job.start, job.end) {
            Some(was) => {
                let w = [was.w[0], was.w[1], job.attr];
                self.0.insert(job.start, Value { end: job.end, w });
                true
            }
            None => false,
        }
    }

    #[inline]
    fn map_over(&mut self, a: &Area) -> u64 {
        const BATCH: usize = 16;
        let mut met = 0;
        let mut right = None;

        if let Some((_, left)) = self.0.range_mut(..a.start).next_back() {
            if left.end > a.start {
                met += 1;
                if left.end > a.end {
                    right = Some(*left);
                }
                left.end = a.start;
            }
        }
        loop {
            let mut inside = [0; BATCH];
            let mut n = 0;
            for (&start, _) in self.0.range(a.start..a.end).take(BATCH) {
                inside[n] = start;
                n += 1;
            }
            for start in &inside[..n] {
                right = self.0.remove(start).filter(|v| v.end > a.end);
            }
            met += n as u64;
            if n < BATCH {
                break;
            }
        }
        if let Some(v) = right {
            self.0.insert(a.end, v);
        }
        self.0.insert(a.start, Value { end: a.end, w: a.w });
        met
    }

    #[inline]
    fn find_free(&self, job: &Gap) -> u64 {
        let align_up = |at: u64| (at + (job.align - 1)) & !(job.align - 1);
        let mut at = align_up(job.lo);

        if let Some((_, below)) = self.0.range(..=job.lo).next_back() {
            at = at.max(align_up(below.end));
        }
        for (&start, v) in self.0.range((Excluded(job.lo), Unbounded)) {
            if start > at && start - at >= job.size {
                return at;
            }
            at = at.max(align_up(v.end));
        }
        if at < SPACE_END && SPACE_END - at >= job.size {
            at
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
    for (&start, v) in &(*map).0 {
        sum = sum.wrapping_add(start ^ before).wrapping_add(v.w[1]);
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
    what: b"Rust's std::collections::BTreeMap, start to {end, payload}; gaps area by area\0".as_ptr() as *const c_char,
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
