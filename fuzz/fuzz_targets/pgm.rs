#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("pgm"), |bytes: &[u8]| convgru_fuzz::pgm(bytes));
