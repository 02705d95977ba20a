#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("idx"), |bytes: &[u8]| convgru_fuzz::idx(bytes));
