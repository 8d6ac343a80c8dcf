//! An email as somebody wrote it: every combination of HTML, MJML, template language and tokens.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mauntic_messaging::content::{Body, EmailSource, Variables, compile};

// The parser of MJML panics on some texts, of which `compile` makes a problem that the author sees: only a panic that
// leaves `compile` is a fault. The fuzzer's hook would end the process at each.
fuzz_target!(init: drop(std::panic::take_hook()), |input: (&str, &str, bool)| {
    let (subject, body, mjml) = input;
    let body = body.to_owned();
    let source = EmailSource {
        subject: subject.to_owned(),
        preheader: None,
        body: if mjml {
            Body::Mjml(body)
        } else {
            Body::Html(body)
        },
        text: None,
        from_name: None,
        from_address: None,
        reply_to: None,
    };
    if let Err(problems) = compile(&source, &Variables::new(["firstname"])) {
        assert!(!problems.is_empty());
    }
});
