#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("flatten"), |data: &[u8]| imgtar_fuzz::run("flatten", data));
