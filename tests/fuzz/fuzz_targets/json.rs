#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("json"), |data: &[u8]| imgtar_fuzz::run("json", data));
