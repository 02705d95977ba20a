//! Which instruction sets the other tests of this crate exercise on this machine.

#[path = "../../convgru-bench/tests/recorded_data/skipped.rs"]
mod skipped;

use convgru_kernels::Isa;
use skipped::say_skipped;

/// Every test of kernels goes through `Isa::all()`. This one says aloud what that is, and fails if
/// `CONVGRU_REQUIRE_ISA`, names with commas between them, lists one that is not.
#[test]
fn the_required_instruction_sets_are_exercised() {
    let exercised: Vec<_> = Isa::all().iter().map(|isa| isa.name()).collect();
    for name in Isa::NAMES.iter().filter(|name| !exercised.contains(name)) {
        say_skipped(&format!("the kernels for {name}, which this processor does not have"));
    }
    let required = std::env::var("CONVGRU_REQUIRE_ISA").unwrap_or_default();
    for name in required.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        assert!(Isa::NAMES.contains(&name), "CONVGRU_REQUIRE_ISA: no instruction set {name}");
        assert!(exercised.contains(&name), "the kernels for {name} were not exercised, only {exercised:?}");
    }
}
