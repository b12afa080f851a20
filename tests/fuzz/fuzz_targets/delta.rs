#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("delta"), |data: &[u8]| imgtar_fuzz::run("delta", data));
