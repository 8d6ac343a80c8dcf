//! An uploaded file, which may be anything.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use mauntic_crm::import::{FormatHints, Sniffed};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sniffed) = Sniffed::read(Cursor::new(bytes), FormatHints::default()) {
        assert!(!sniffed.columns.is_empty());
    }
});
