#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("safetensors"), |bytes: &[u8]| convgru_fuzz::safetensors(bytes));
