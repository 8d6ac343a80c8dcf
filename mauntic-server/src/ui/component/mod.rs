//! The components: functions to `Markup` that pages and fragments share.

pub(crate) mod action;
pub(crate) mod chart;
pub(crate) mod form;
pub(crate) mod frame;
pub(crate) mod icon;
pub(crate) mod live;
pub(crate) mod show;
pub(crate) mod table;

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
