//! Attacks on time and memory.

use std::hint::black_box;

use super::bindings::archon::connection_pool::credentials;
use super::heard::{Heard, said};

pub(super) fn spin() -> Heard {
    let mut count: u64 = 0;
    while black_box(count) != u64::MAX {
        count = count.wrapping_add(2);
    }
    Heard::of("time is over")
}

pub(super) fn spin_between_calls() -> Heard {
    let credential = match credentials::lookup(None) {
        Ok(credential) => credential,
        Err(fault) => return Heard::of(said(&fault)),
    };
    loop {
        for count in 0..2_000_000_u32 {
            black_box(count);
        }
        black_box(credential.name());
    }
}

pub(super) fn memory_at_once() -> Heard {
    let mut hoard: Vec<u8> = Vec::new();
    match hoard.try_reserve(1 << 30) {
        Ok(()) => Heard::of("ok 1 GiB"),
        Err(error) => Heard::of(error.to_string()),
    }
}

pub(super) fn memory_in_crumbs() -> Heard {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(Box::new([7_u8; 1_000])));
    }
}

pub(super) fn recurse_for_ever() -> Heard {
    Heard::of(format!("ok {}", recurse(1)))
}

#[expect(unconditional_recursion, reason = "this is the attack")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1))) + 1
}
