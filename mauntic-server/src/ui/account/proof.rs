//! The proof that it is the owner of the account who sits there: a browser may have been left open.

use maud::{Markup, html};
use mauntic_core::identity::{IdentityError, Password};

use crate::ui::{
    component::{
        Tone,
        form::{Field, filled},
        show,
    },
    failure,
    visitor::{Fields, Person},
};

/// The field that is wrong, and why.
pub(super) type Problem<'a> = Option<(&'a str, &'a str)>;

/// Asks for the password, if there is one. A page with several forms gives each a field of its own name, for its id is
/// the same.
pub(super) fn ask(person: &Person, name: &str, problem: Problem<'_>) -> Markup {
    let error = problem.filter(|(of, _)| *of == name).map(|(_, text)| text);
    let password = Field {
        name,
        label: "Your password",
        error,
        required: true,
        ..Field::default()
    };
    html! {
        @if person.who.user.password.is_some() {
            (filled(&password, "password", "current-password"))
        } @else {
            p class="soft" { "You have no password, so this works for 15 minutes after you logged in." }
            @if let Some(error) = error { (show::toast(error, Tone::Bad)) }
        }
    }
}

/// What was typed, if there is a password; whatever is no password cannot be the right one.
pub(super) fn given(
    person: &Person,
    fields: &Fields,
    name: &str,
) -> Result<Option<Password>, IdentityError> {
    if person.who.user.password.is_none() {
        return Ok(None);
    }
    let text = fields.find(name).unwrap_or_default();
    let password = Password::presented(text).ok_or(IdentityError::WrongPassword)?;
    Ok(Some(password))
}

/// What the page says of a proof that does not hold; any other error is handed back.
pub(super) fn problem(error: IdentityError) -> Result<String, IdentityError> {
    match error {
        IdentityError::WrongPassword => {
            Ok("The password is wrong. Nothing was changed.".to_owned())
        }
        IdentityError::LogInAgain => Ok(
            "You logged in a while ago. Log out and in again, then do it. Nothing was changed."
                .to_owned(),
        ),
        error @ IdentityError::TooManyFailures { .. } => Ok(failure::too_often(&error)),
        error => Err(error),
    }
}
