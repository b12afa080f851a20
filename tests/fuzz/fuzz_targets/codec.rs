#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("codec"), |data: &[u8]| imgtar_fuzz::run("codec", data));
