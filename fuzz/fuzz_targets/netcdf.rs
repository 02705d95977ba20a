#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("netcdf"), |bytes: &[u8]| convgru_fuzz::netcdf(bytes));
