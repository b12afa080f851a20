#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("edit"), |data: &[u8]| imgtar_fuzz::run("edit", data));
