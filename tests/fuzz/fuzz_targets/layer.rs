#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("layer"), |data: &[u8]| imgtar_fuzz::run("layer", data));
