use maud::{Markup, html};
use mauntic_core::{
    UserId,
    identity::{IdentityError, LetterSubject, LetterText, Member, PageAddress, WriteToMember},
};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{PLACE, page};
use crate::{
    App,
    ui::{
        Done,
        component::{
            action::{Weight, button, button_link},
            form::{Field, input, text_area},
            frame, show,
        },
        failure,
        visitor::{Fields, Posted, Visitor, app, redirect},
    },
};

type Problems = [(&'static str, String)];

/// The page that the mail is to be about.
#[derive(Debug, Default, Deserialize)]
pub(super) struct About {
    #[serde(default)]
    page: String,
}

/// The way to write to a member about a page.
pub(in crate::ui) fn way(member: UserId, about: &str) -> String {
    let query = serde_urlencoded::to_string([("page", about)]).unwrap_or_default();
    format!("{PLACE}/members/{member}/write?{query}")
}

/// Asks what to write.
#[handler]
pub(super) async fn ask(
    request: &Request,
    visitor: Visitor,
    Path(user): Path<Uuid>,
    Query(about): Query<About>,
) -> Result<Response> {
    let member = reader(request, &visitor, user).await?;
    let about = serde_urlencoded::to_string([("page", &about.page)]).unwrap_or_default();
    let fields = Fields::of_query(&about);
    Ok(form(&visitor, &member, &fields, &[]).into_response())
}

/// Another member who gets mail.
async fn reader(request: &Request, visitor: &Visitor, user: Uuid) -> Result<Member> {
    let id = UserId::from_uuid(user);
    if id == visitor.who.user.id {
        return Err(failure::identity(IdentityError::Oneself));
    }
    let found = app(request)?.identity.member(&visitor.actor, id).await;
    let found = found.map_err(failure::identity)?;
    if found.blocked_at.or(found.blocked_here_at).is_some() {
        return Err(failure::missing("member"));
    }
    Ok(found)
}

fn form(visitor: &Visitor, member: &Member, fields: &Fields, problems: &Problems) -> Markup {
    let field = |name, label, hint, required| Field {
        name,
        label,
        value: fields.text(name),
        hint,
        error: problems
            .iter()
            .find(|(of, _)| *of == name)
            .map(|(_, problem)| problem.as_str()),
        required,
    };
    let title = format!("Write to {}", member.name);
    let action = format!("{PLACE}/members/{}/write", member.user_id);
    let about = Some("The address of a page here, such as that of a contact or an email");
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Members")], &title))
        (show::card("Your mail", &html! {
            p { "It goes to " (member.email.as_str()) ". The answer comes to " (visitor.who.user.email.as_str()) "." }
            form method="post" action=(action) class="stack" {
                (visitor.csrf())
                (input(&field("subject", "Subject", None, true), "text"))
                (text_area(&field("message", "Message", Some("Plain text"), true), 10))
                (input(&field("page", "Page that it is about", about, false), "text"))
                div class="row" { (button("Send it", Weight::Primary)) (button_link(PLACE, "Not now", Weight::Plain)) }
            }
        }))
    };
    page(visitor, &title, PLACE, &content)
}

/// Sends it.
#[handler]
pub(super) async fn send(
    request: &Request,
    Path(user): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let (visitor, fields) = (&posted.visitor, &posted.fields);
    let member = reader(request, visitor, user).await?;
    let again = |problems: &Problems| {
        let page = form(visitor, &member, fields, problems);
        Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
    };
    let app = app(request)?;
    let letter = match read(app, fields) {
        Ok(letter) => letter,
        Err(problems) => return again(&problems),
    };
    let sent = app
        .identity
        .write_to_member(&visitor.actor, member.user_id, letter);
    match sent.await {
        Ok(()) => Ok(redirect(&Done::Mailed.at(PLACE))),
        Err(error @ IdentityError::TooManyFailures { .. }) => {
            again(&[("subject", failure::too_often(&error))])
        }
        Err(error) => Err(failure::identity(error)),
    }
}

fn read(
    app: &App,
    fields: &Fields,
) -> std::result::Result<WriteToMember, Vec<(&'static str, String)>> {
    let mut problems = Vec::new();
    let subject = fields.text("subject").parse::<LetterSubject>();
    let subject = subject.map_err(|error| problems.push(("subject", error.to_string())));
    let text = fields.text("message").parse::<LetterText>();
    let text = text.map_err(|error| problems.push(("message", error.to_string())));
    let page = match fields.text("page") {
        "" => Ok(None),
        // As it is copied from the browser.
        page => {
            let base = app.settings.public_url();
            let own = page.strip_prefix(base.as_str()).unwrap_or(page);
            own.parse::<PageAddress>().map(Some)
        }
    };
    let page = page.map_err(|error| problems.push(("page", error.to_string())));
    match (subject, text, page) {
        (Ok(subject), Ok(text), Ok(page)) => Ok(WriteToMember {
            subject,
            text,
            page,
        }),
        _ => Err(problems),
    }
}
