#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("checkpoint"), |bytes: &[u8]| convgru_fuzz::checkpoint(bytes));
