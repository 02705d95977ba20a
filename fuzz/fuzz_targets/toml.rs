#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("toml"), |bytes: &[u8]| convgru_fuzz::toml(bytes));
