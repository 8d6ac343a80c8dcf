//! Cells that a spreadsheet would run as formulas are written with an apostrophe in front, which
//! makes them text there. Reading takes it off again, so that what is exported comes back the same.

use std::borrow::Cow;

/// What a spreadsheet runs: an operator at the start, or what it skips to get to one.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A formula, or the word that clears a value; with any number of apostrophes in front.
fn wants_guard(text: &str) -> bool {
    let text = text.trim_start_matches('\'');
    text.starts_with(FORMULA) || text == "NULL"
}

/// A text that a spreadsheet shows and does not run.
pub(crate) fn guarded(text: &str) -> Cow<'_, str> {
    if wants_guard(text) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A cell of somebody's file as it may go into another file: it means the same to an import, and a
/// spreadsheet runs nothing. Unlike [`guarded`], it leaves apostrophes and `NULL` alone, which have
/// a meaning in that file already.
pub(crate) fn guarded_cell(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(FORMULA) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

/// The text that was guarded.
pub(crate) fn unguarded(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if wants_guard(rest) => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formulas_are_guarded_and_nothing_else() {
        for text in ["=1+1", "+49 30 1", "-5", "@SUM(1)", "\t=1", "'=1", "NULL"] {
            assert_eq!(guarded(text), format!("'{text}"));
        }
        for text in ["", "Ann", "'tis", "a=b", "O'Hara"] {
            assert_eq!(guarded(text), text);
            assert_eq!(unguarded(text), text);
        }
        assert_eq!(unguarded("'+49 30 1"), "+49 30 1");
    }

    proptest! {
        #[test]
        fn what_is_guarded_comes_back(text in "([-'=+@\ta1]{0,6})|('*NULL)") {
            let cell = guarded(&text);
            prop_assert_eq!(unguarded(&cell), &text);
        }

        #[test]
        fn a_guarded_cell_means_the_same_and_runs_nothing(cell in "([-'=+@\ta1]{0,6})|('*NULL)") {
            let safe = guarded_cell(&cell);
            prop_assert_eq!(unguarded(&safe), unguarded(&cell));
            prop_assert!(!safe.starts_with(FORMULA));
        }
    }
}
