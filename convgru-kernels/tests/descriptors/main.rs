//! Drawn calls of every public entry of the kernels, whose descriptors fit together or do not: each is computed as the
//! reference does or refused with nothing written, and none panics.
//!
//! `CONVGRU_DESCRIPTOR_CALLS` is how many calls each of the three tests makes about (docs/unsafe.md has counts of
//! long runs). Descriptors begin as ones that fit; then some of their numbers are replaced, many by such as are near
//! the ends of their types.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it called"
)]

mod convolution;
mod described;
mod gates;
mod maps;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use convgru_kernels::Result;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Of each entry the calls that were computed and those that were refused.
#[derive(Default)]
struct Tally(Mutex<BTreeMap<&'static str, [usize; 2]>>);

impl Tally {
    /// Counts a call; whether it was computed.
    fn count<V>(&self, entry: &'static str, result: &Result<V>) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.entry(entry).or_default()[usize::from(result.is_err())] += 1;
        if let Err(error) = result {
            assert!(error.to_string().chars().any(|c| c.is_ascii_digit()), "no numbers in `{error}`");
        }
        result.is_ok()
    }

    /// Prints the counts, and fails unless every entry was both computed and refused.
    fn report(&self) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total = 0;
        for (entry, [computed, refused]) in counts.iter() {
            eprintln!("{entry:28} {computed:9} computed {refused:9} refused");
            assert!(*computed > 0 && *refused > 0, "{entry}: {computed} computed, {refused} refused");
            total += computed + refused;
        }
        eprintln!("{:28} {total:9}", "calls");
    }
}

/// Draws cases and tries them, about as many as make the calls that are asked for.
fn draw<C: std::fmt::Debug>(
    strategy: impl Strategy<Value = C>,
    calls_of_case: usize,
    attempt: impl Fn(&C, &Tally),
) {
    let asked = std::env::var("CONVGRU_DESCRIPTOR_CALLS").ok().and_then(|text| text.parse().ok());
    let calls: usize = asked.unwrap_or(4_000);
    let cases = u32::try_from(calls.div_ceil(calls_of_case)).unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let tally = Tally::default();
    let outcome = TestRunner::new(config).run(&strategy, |case| {
        attempt(&case, &tally);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    tally.report();
}

#[test]
fn convolutions_are_computed_or_refused() {
    draw(convolution::cases(), 6, |case, tally| match case.double {
        true => convolution::attempt::<f64>(case, tally),
        false => convolution::attempt::<f32>(case, tally),
    });
}

#[test]
fn maps_are_moved_or_refused() {
    draw(maps::cases(), 9, |case, tally| match case.double {
        true => maps::attempt::<f64>(case, tally),
        false => maps::attempt::<f32>(case, tally),
    });
}

#[test]
fn passes_over_gates_are_computed_or_refused() {
    draw(gates::cases(), 7, |case, tally| match case.double {
        true => gates::attempt::<f64>(case, tally),
        false => gates::attempt::<f32>(case, tally),
    });
}
