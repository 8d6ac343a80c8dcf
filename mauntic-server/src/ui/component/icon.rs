//! The icons: own drawings on a grid of 24, decoration beside a text.

use maud::{Markup, html};

/// An icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icon {
    /// A house.
    Start,
    /// One person.
    Contacts,
    /// Overlapping circles.
    Segments,
    /// An envelope.
    Emails,
    /// A tray.
    Inbox,
    /// Two persons.
    Members,
    /// A paper plane.
    Sending,
    /// Bars.
    Reports,
    /// Sliders.
    Settings,
    /// A bell.
    Bell,
    /// A plus.
    Add,
    /// Three dots.
    More,
    /// A magnifying glass.
    Search,
    /// A tick.
    Tick,
    /// The mark of the project: an M in a mountain.
    Mark,
}

impl Icon {
    /// All of them, for the gallery.
    pub(crate) const ALL: [Self; 15] = [
        Self::Start,
        Self::Contacts,
        Self::Segments,
        Self::Emails,
        Self::Inbox,
        Self::Members,
        Self::Sending,
        Self::Reports,
        Self::Settings,
        Self::Bell,
        Self::Add,
        Self::More,
        Self::Search,
        Self::Tick,
        Self::Mark,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Start => "M4 11.5 12 4l8 7.5M6.5 10v10h11V10M10 20v-5h4v5",
            Self::Contacts => "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21a8 8 0 0 1 16 0",
            Self::Segments => {
                "M9 17A5 5 0 1 0 9 7a5 5 0 0 0 0 10zM15 17a5 5 0 1 0 0-10 5 5 0 0 0 0 10z"
            }
            Self::Emails => "M3 6h18v12H3zM3 7l9 6 9-6",
            Self::Inbox => "M3 13l3-8h12l3 8v6H3zM3 13h5l1.5 3h5l1.5-3h5",
            Self::Members => {
                "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M16 4.5a3.5 3.5 0 0 1 0 6.5M17.5 14a6.5 6.5 0 0 1 4 6"
            }
            Self::Sending => "M3 11 21 3l-8 18-2.5-7.5zM10.5 13.5 21 3",
            Self::Reports => "M4 20h16M7 16v-5M12 16V6M17 16v-8",
            Self::Settings => {
                "M4 7h9M17 7h3M4 17h3M11 17h9M15 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM9 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4z"
            }
            Self::Bell => "M6 16v-5a6 6 0 0 1 12 0v5l2 2H4zM10 21h4",
            Self::Add => "M12 5v14M5 12h14",
            Self::More => "M5 12h.01M12 12h.01M19 12h.01",
            Self::Search => "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4",
            Self::Tick => "M5 12l5 5 9-10",
            Self::Mark => "M3 19 9 6l3 7 3-7 6 13",
        }
    }
}

/// Draws it; a reader of the screen passes it by.
pub(crate) fn icon(icon: Icon) -> Markup {
    html! { svg class="icon" viewBox="0 0 24 24" aria-hidden="true" { path d=(icon.path()) {} } }
}
