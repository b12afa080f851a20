#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("built"), |data: &[u8]| imgtar_fuzz::run("built", data));
