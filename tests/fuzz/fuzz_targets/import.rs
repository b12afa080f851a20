#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("import"), |data: &[u8]| imgtar_fuzz::run("import", data));
