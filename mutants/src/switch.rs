//! Which fault is on in this process. Appended to each crate that has faults.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

const UNKNOWN: u32 = u32::MAX;
const RECORDING: u32 = u32::MAX - 1;
const MOST: usize = 1 << 16;

static ACTIVE: AtomicU32 = AtomicU32::new(UNKNOWN);
static REACHED: [AtomicBool; MOST] = [const { AtomicBool::new(false) }; MOST];

/// Whether fault `number` is on.
#[inline(always)]
pub fn on(number: u32) -> bool {
    let active = ACTIVE.load(Relaxed);
    if active < RECORDING { active == number } else { first(number) }
}

/// Reads the number of the environment, or notes that the place of a fault was reached.
#[cold]
#[inline(never)]
fn first(number: u32) -> bool {
    if ACTIVE.load(Relaxed) == UNKNOWN {
        let asked = std::env::var("CONVGRU_MUTANT").unwrap_or_default();
        let active = if asked == "record" { RECORDING } else { asked.parse().unwrap_or(0) };
        ACTIVE.store(active, Relaxed);
    }
    let active = ACTIVE.load(Relaxed);
    if active == RECORDING && !REACHED[number as usize].swap(true, Relaxed) {
        let path = std::env::var_os("CONVGRU_MUTANTS_REACHED").expect("a file to record in");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the record");
        file.write_all(format!("{number}\n").as_bytes()).expect("the record");
    }
    active == number
}
