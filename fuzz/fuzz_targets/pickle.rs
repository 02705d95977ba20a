#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("pickle"), |bytes: &[u8]| convgru_fuzz::pickle(bytes));
