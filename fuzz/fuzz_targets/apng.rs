#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("apng"), |bytes: &[u8]| convgru_fuzz::apng(bytes));
