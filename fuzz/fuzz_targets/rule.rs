//! The text of a rule: an error with its place, or a rule that prints as a text which reads back the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mauntic_crm::{
    FieldSet,
    segment::{NameTable, Rule},
};

fuzz_target!(|text: &str| {
    let (fields, names) = (FieldSet::core(), NameTable::default());
    if let Ok(rule) = Rule::parse(text, &fields, &names) {
        let printed = rule.to_text(&names);
        let again = Rule::parse(&printed, &fields, &names);
        assert_eq!(again.as_ref().ok(), Some(&rule), "{printed}");
    }
    // The same rule comes as JSON from the API.
    let _ = serde_json::from_str::<Rule>(text);
});
