#![no_main]

libfuzzer_sys::fuzz_target!(init: convgru_fuzz::begin("mxnet"), |bytes: &[u8]| convgru_fuzz::mxnet(bytes));
