#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("paths"), |data: &[u8]| imgtar_fuzz::run("paths", data));
