#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("index"), |data: &[u8]| imgtar_fuzz::run("index", data));
