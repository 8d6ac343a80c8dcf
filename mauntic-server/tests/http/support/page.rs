//! What stands in a page, and what does not.

/// Asks for words in a page.
#[track_caller]
pub(crate) fn has(page: &str, words: &str) {
    assert!(page.contains(words), "{words} is missing in {page}");
}

/// Asks for every one of these.
#[track_caller]
pub(crate) fn assert_has(page: &str, texts: &[&str]) {
    for text in texts {
        has(page, text);
    }
}

/// Asks that none of these is there.
#[track_caller]
pub(crate) fn assert_lacks(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(!page.contains(text), "{text:?} stands in {page}");
    }
}
