//! A new email that begins as a copy of another one.

use mauntic_core::Permission;
use mauntic_messaging::{
    MessagingError,
    email::{EmailName, SavedEmail},
};
use poem::{Request, Response, Result, handler, web::Path};
use uuid::Uuid;

use super::{find, place};
use crate::ui::{
    Done, failure,
    visitor::{Posted, app, redirect},
};

/// Most copies of one email that get a name by themselves.
const NAMES: u32 = 100;

/// Makes a copy, and opens it for writing: its name is the first thing to change.
#[handler]
pub(super) async fn copy(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let visitor = &posted.visitor;
    visitor.needs(Permission::EmailsWrite)?;
    let saved = find(request, visitor, id).await?;
    let emails = &app(request)?.emails;
    for name in names(&saved) {
        match emails.copy(&visitor.actor, saved.email.id, name).await {
            Err(MessagingError::Taken { .. }) => {}
            copied => {
                let copied = copied.map_err(failure::messaging)?;
                let edit = format!("{}/edit", place(copied.email.id));
                return Ok(redirect(&Done::Copied.at(&edit)));
            }
        }
    }
    let taken = MessagingError::Taken {
        what: "email",
        field: "name",
    };
    Err(failure::messaging(taken))
}

/// `News (copy)`, `News (copy 2)` and so on; what does not fit is cut off from the name.
fn names(saved: &SavedEmail) -> impl Iterator<Item = EmailName> {
    let name = saved.email.name.as_str();
    let cut = name.floor_char_boundary(EmailName::MAX_LEN - " (copy 100)".len());
    let name = name[..cut].trim_end().to_owned();
    (1..=NAMES).filter_map(move |number| {
        let name = match number {
            1 => format!("{name} (copy)"),
            number => format!("{name} (copy {number})"),
        };
        name.parse().ok()
    })
}
