#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| huren_properties::decision(bytes));
