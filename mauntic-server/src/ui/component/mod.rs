//! The components: functions to `Markup` that pages and fragments share.

pub(crate) mod action;
pub(crate) mod chart;
pub(crate) mod form;
pub(crate) mod frame;
pub(crate) mod icon;
pub(crate) mod live;
pub(crate) mod show;
pub(crate) mod table;

/// The name of something within a page: of a part that htmx replaces, or of what can have the focus there. Where a part comes
/// anew, htmx gives the focus back to what has the same id.
pub(crate) fn slug(of: &str) -> String {
    let words = of.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").to_ascii_lowercase()
}

/// What a coloured component says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing to act on.
    Plain,
    /// It went well.
    Good,
    /// Look at it.
    Warn,
    /// It failed, or is lost.
    Bad,
}

impl Tone {
    /// The class of the stylesheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_name_within_a_page_is_made_of_letters_and_digits() {
        assert_eq!(slug("Bad rows, by line"), "bad-rows-by-line");
        assert_eq!(slug("/app/sends/0a-1/pause"), "app-sends-0a-1-pause");
    }
}
