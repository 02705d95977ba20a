#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("npy"), |bytes: &[u8]| convgru_fuzz::npy(bytes));
