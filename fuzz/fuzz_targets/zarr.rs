#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("zarr"), |bytes: &[u8]| convgru_fuzz::zarr(bytes));
