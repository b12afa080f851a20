#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("convert"), |data: &[u8]| imgtar_fuzz::run("convert", data));
