#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("overlay"), |data: &[u8]| imgtar_fuzz::run("overlay", data));
