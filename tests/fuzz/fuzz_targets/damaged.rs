#![no_main]

libfuzzer_sys::fuzz_target!(init: imgtar_fuzz::begin("damaged"), |data: &[u8]| imgtar_fuzz::run("damaged", data));
