//! What stands in links and return paths: nobody else's is taken, and none of it panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mauntic_core::SecretKey;
use mauntic_messaging::token::TokenSigner;

fuzz_target!(|text: &str| {
    let secret =
        SecretKey::from_text("a secret of at least thirty-two characters").expect("long enough");
    let signer = TokenSigner::new(&secret);
    assert!(signer.verify(text).is_err());
    assert!(signer.verify_return_path(text).is_err());
    assert!(signer.verify_return_path(&format!("b+{text}")).is_err());
});
