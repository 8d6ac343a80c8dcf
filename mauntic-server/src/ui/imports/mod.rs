//! Importing contacts: the file, what its columns become, what would happen, how far it is, what went wrong.

mod list;
mod preview;
mod settings;
mod show;
mod steps;
mod upload;

use mauntic_core::ImportId;
use mauntic_crm::import::{CsvError, ImportError, ImportState};
use poem::{Error, Route, get};

use super::{
    component::{Tone, show::badge},
    failure, words,
};

/// Where the imports are.
pub(super) const PLACE: &str = "/app/imports";

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/imports", get(list::list))
        .at("/imports/new", get(upload::ask).post(upload::take))
        .at(
            "/imports/uploads/:upload",
            get(steps::start).post(steps::next),
        )
        .at("/imports/:import", get(show::page))
        .at("/imports/:import/report", get(show::report))
        .at(
            "/imports/:import/:step",
            get(show::ask_to_cancel).post(show::steer),
        )
}

/// Whether an import goes on by itself.
pub(super) fn moves(state: ImportState) -> bool {
    matches!(state, ImportState::Pending | ImportState::Running)
}

/// Where an import is.
pub(super) fn place(id: ImportId) -> String {
    format!("{PLACE}/{id}")
}

/// What an import refused, but for what a form can tell.
fn refused(error: ImportError) -> Error {
    match error {
        ImportError::Forbidden(reason) => failure::refused(reason),
        ImportError::NotFound(_) => failure::missing("import"),
        ImportError::UploadNotFound(_) => failure::missing("upload"),
        ImportError::SegmentNotFound(_) => failure::missing("segment"),
        ImportError::WrongState(state) => {
            failure::unusable(&format!("The import is {state} by now."))
        }
        ImportError::TooLarge { max } => failure::unusable(&format!(
            "The file is larger than the {} that may be sent. Part it, or import it at the command line, where there is no limit.",
            bytes(max)
        )),
        error @ ImportError::Csv(CsvError::Owners(_) | CsvError::Store(_)) => {
            failure::internal(&error)
        }
        ImportError::Csv(error) => {
            failure::unusable(&format!("The file cannot be imported: {error}."))
        }
        ImportError::Mapping(error) => failure::unusable(&format!("{error}.")),
        error => failure::internal(&error),
    }
}

/// A size as people read it.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", words::count(bytes / 1_024)),
        _ => format!("{} MiB", words::count(bytes / 1_048_576)),
    }
}

/// Where an import stands.
fn state(state: ImportState) -> maud::Markup {
    let (text, tone) = state_words(state);
    badge(text, tone)
}

/// The words for where an import stands.
pub(super) fn state_words(state: ImportState) -> (&'static str, Tone) {
    match state {
        ImportState::Pending => ("waiting", Tone::Plain),
        ImportState::Running => ("running", Tone::Plain),
        ImportState::Paused => ("paused", Tone::Warn),
        ImportState::Completed => ("done", Tone::Good),
        ImportState::Failed => ("failed", Tone::Bad),
        ImportState::Cancelled => ("stopped", Tone::Warn),
    }
}
