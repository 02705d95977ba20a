#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("npz"), |bytes: &[u8]| convgru_fuzz::npz(bytes));
