#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("gif"), |bytes: &[u8]| convgru_fuzz::gif(bytes));
