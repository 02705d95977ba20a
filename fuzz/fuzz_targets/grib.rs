#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("grib"), |bytes: &[u8]| convgru_fuzz::grib(bytes));
