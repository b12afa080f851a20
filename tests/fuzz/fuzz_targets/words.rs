#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("words"), |data: &[u8]| imgtar_fuzz::run("words", data));
