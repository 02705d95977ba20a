#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("png"), |bytes: &[u8]| convgru_fuzz::png(bytes));
