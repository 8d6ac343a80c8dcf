//! One email: how it looks, what to look at before it is sent, tests of it, and its sends.

use maud::{Markup, html};
use mauntic_core::{ContactId, EmailAddress, EmailId, PageSize, Permission};
use mauntic_messaging::{MessagingError, email::PreviewRecipient, sending::SendStatus};
use poem::{
    Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    PLACE, Tab,
    checks::{self, Variables},
    find, place, preview,
    preview::View,
    top,
};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, button},
        form::{Field, input},
        show as shown,
        table::{Column, table},
    },
    contacts::lookup,
    failure, send_state,
    sends::PLACE as PLACE_OF_SENDS,
    shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

/// How many of its sends are shown.
const SENDS: usize = 20;

/// What happened to a test.
#[derive(Debug, Default)]
struct Tested {
    /// What stands in the form.
    to: String,
    problem: Option<String>,
    /// Why nobody is meant by what was to say whose values it shows.
    unnamed: Option<String>,
}

impl Tested {
    fn failed(&self) -> bool {
        self.problem.is_some() || self.unnamed.is_some()
    }
}

/// What the page is asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    done: Option<Done>,
    #[serde(default, rename = "as")]
    recipient: String,
    #[serde(default)]
    view: String,
    /// Whether to count for whom the variables are empty.
    #[serde(default)]
    values: bool,
}

/// Shows it.
#[handler]
pub(super) async fn show(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(asked): Query<Asked>,
) -> Result<Markup> {
    let tested = Tested {
        to: visitor.who.user.email.to_string(),
        ..Tested::default()
    };
    let view = View {
        recipient: asked.recipient,
        view: asked.view,
    };
    page(
        request,
        &visitor,
        id,
        asked.done,
        (&view, asked.values),
        &tested,
    )
    .await
}

/// Sends a test.
#[handler]
pub(super) async fn test(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let visitor = &posted.visitor;
    visitor.needs(Permission::EmailsSend)?;
    let id = find(request, visitor, id).await?.email.id;
    let (to, named) = (posted.fields.text("to"), posted.fields.text("as"));
    let contact = if named.is_empty() {
        Ok(None)
    } else {
        let found = lookup::find_exactly(request, visitor, named).await?;
        found.map(Some)
    };
    let view = View {
        // Whom the page named by an id is shown by the address again.
        recipient: match &contact {
            Ok(contact) => contact.as_ref().map(lookup::text_of).unwrap_or_default(),
            Err(_) => named.to_owned(),
        },
        view: String::new(),
    };
    let mut tested = Tested {
        to: to.to_owned(),
        ..Tested::default()
    };
    match (addresses(to), contact) {
        (Ok(addresses), Ok(contact)) => {
            let contact = contact.map(|contact| contact.id());
            tested.problem = send_test(request, visitor, id, contact, &addresses).await?;
        }
        (addresses, contact) => {
            tested.problem = addresses.err();
            tested.unnamed = contact.err();
        }
    }
    if !tested.failed() {
        return Ok(redirect(&Done::Tested.at(&place(id))));
    }
    let page = page(
        request,
        visitor,
        id.as_uuid(),
        None,
        (&view, false),
        &tested,
    )
    .await?;
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// Sends it and tells what went wrong; nothing if nothing did.
async fn send_test(
    request: &Request,
    visitor: &Visitor,
    email: EmailId,
    contact: Option<ContactId>,
    addresses: &[EmailAddress],
) -> Result<Option<String>> {
    let sends = &app(request)?.sends;
    let results = sends.send_test(&visitor.actor, email, contact, addresses);
    let told: Vec<_> = match results.await {
        Ok(results) => results
            .iter()
            .filter(|result| !result.accepted)
            .map(|result| format!("{}: {}", result.address, result.reply))
            .collect(),
        Err(MessagingError::Invalid { problems }) => problems
            .into_iter()
            .map(|problem| problem.message)
            .collect(),
        Err(error) => return Err(failure::messaging(error)),
    };
    Ok((!told.is_empty()).then(|| told.join("; ")))
}

/// Reads addresses with commas, semicolons or spaces between them.
fn addresses(text: &str) -> std::result::Result<Vec<EmailAddress>, String> {
    text.split([',', ';', ' ', '\n', '\r'])
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.parse()
                .map_err(|_| format!("{part} is not an email address"))
        })
        .collect()
}

async fn page(
    request: &Request,
    visitor: &Visitor,
    id: Uuid,
    done: Option<Done>,
    (view, values): (&View, bool),
    tested: &Tested,
) -> Result<Markup> {
    let app = app(request)?;
    let saved = find(request, visitor, id).await?;
    let id = saved.email.id;
    let here = place(id);
    let recipient = match &tested.unnamed {
        Some(problem) => Err(problem.clone()),
        None => preview::recipient(request, visitor, view).await?,
    };
    let (recipient, problem) = match recipient {
        Ok(recipient) => (recipient, None),
        Err(problem) => (PreviewRecipient::Sample, Some(problem)),
    };
    let looks = preview::of(request, visitor, id, recipient).await?;
    let shown_view = View {
        // Whoever could not be found is not asked for again by the frame.
        recipient: problem.as_ref().map_or(&*view.recipient, |_| "").to_owned(),
        view: view.view.clone(),
    };
    let size = PageSize::clamped(SENDS);
    let sends = app.sends.list(&visitor.actor, Some(id), None, size).await;
    let sends = sends.map_err(failure::messaging)?.items;
    let compiled = &saved.current.compiled;
    let variables = Variables::of(request, visitor, compiled, &sends, values).await?;
    let chooser = preview::chooser(visitor, &here, view, problem.as_deref());
    let content = html! {
        (top(visitor, &saved, Tab::Email))
        @if let Some(done) = done { (done.toast()) }
        (checks::card(&counted(&here, view), compiled, looks.as_ref().ok().map(|looks| looks.html.as_str()), &variables))
        @match &looks {
            Ok(looks) => (preview::card(&here, &shown_view, looks, &chooser)),
            Err(problems) => (shown::card("It cannot be shown", &html! {
                ul { @for problem in problems { li { (problem) } } }
                (chooser)
            })),
        }
        @if visitor.may(Permission::EmailsSend) { (test_form(visitor, &here, (recipient, &shown_view), tested)) }
        @if !sends.is_empty() { (list(id, &sends)) }
    };
    Ok(shell(visitor, saved.email.name.as_str(), PLACE, &content))
}

/// The page as it is, with the variables counted.
fn counted(here: &str, view: &View) -> String {
    let asked = [
        ("values", "true"),
        ("as", view.recipient.trim()),
        ("view", view.view.as_str()),
    ];
    let asked = asked.iter().filter(|(_, value)| !value.is_empty());
    let query = serde_urlencoded::to_string(asked.collect::<Vec<_>>());
    format!("{here}?{}", query.unwrap_or_default())
}

/// The form names the contact by the id, whatever was written to find them.
fn test_form(
    visitor: &Visitor,
    here: &str,
    (recipient, view): (PreviewRecipient, &View),
    tested: &Tested,
) -> Markup {
    let to = Field {
        name: "to",
        label: "To",
        value: &tested.to,
        hint: Some("One address or several with commas between, at most 20"),
        error: tested.problem.as_deref(),
        required: true,
    };
    let (id, who) = match recipient {
        PreviewRecipient::Contact(id) => (id.to_string(), view.recipient.trim()),
        PreviewRecipient::Sample => (String::new(), "somebody made up"),
    };
    shown::card(
        "Send a test",
        &html! {
            @if tested.failed() { (shown::toast("The test did not reach everybody.", Tone::Bad)) }
            p class="soft" { "With the values of " (who) ". Without a mail server it is captured in the " a href="/app/inbox" { "inbox" } "." }
            form method="post" action=(format!("{here}/test")) class="stack" {
                (visitor.csrf())
                input type="hidden" name="as" value=(id);
                (input(&to, "text"))
                div class="row" { (button("Send the test", Weight::Plain)) }
            }
        },
    )
}

fn list(email: EmailId, sends: &[SendStatus]) -> Markup {
    let rows: Vec<_> = sends
        .iter()
        .map(|status| {
            html! { tr {
                td { a href=(format!("/app/sends/{}", status.job.id)) { (words::time(status.job.created_at)) } }
                td { (send_state(&status.job)) }
                td class="number" { (words::counted(status.tally.planned)) }
                td class="number" { (words::counted(status.tally.accepted)) }
            } }
        })
        .collect();
    let columns = [
        Column::plain("Made"),
        Column::plain("State"),
        Column::number("Planned"),
        Column::number("Accepted"),
    ];
    shown::card(
        "Its last sends",
        &html! {
            (table("Sends of the email", &columns, &rows, None))
            @if sends.len() == SENDS { p { a href=(format!("{PLACE_OF_SENDS}?email={email}")) { "All its sends" } } }
        },
    )
}
