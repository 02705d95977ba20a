#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("hdf5"), |bytes: &[u8]| convgru_fuzz::hdf5(bytes));
