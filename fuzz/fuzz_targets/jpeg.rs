#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("jpeg"), |bytes: &[u8]| convgru_fuzz::jpeg(bytes));
