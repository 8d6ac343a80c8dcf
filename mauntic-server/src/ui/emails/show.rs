//! One email: how it looks, tests of it, and what came of it.

use maud::{Markup, html};
use mauntic_core::{EmailAddress, EmailId, PageSize, Permission};
use mauntic_messaging::{
    MessagingError,
    email::{Preview, PreviewRecipient},
    sending::SendStatus,
    tracking::{EmailReport, Split},
};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use uuid::Uuid;

use super::{PLACE, column, find, place};
use crate::ui::{
    Done, Said,
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{Field, input},
        frame, show as shown,
        table::table,
    },
    failure, mail, send_state, shell,
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
}

/// Shows it.
#[handler]
pub(super) async fn show(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(said): Query<Said>,
) -> Result<Markup> {
    let tested = Tested {
        to: visitor.who.user.email.to_string(),
        problem: None,
    };
    page(request, &visitor, id, said.done, &tested).await
}

/// The HTML of it as somebody made up would see it, for the frame.
#[handler]
pub(super) async fn preview_html(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    let preview = app(request)?
        .emails
        .preview(
            &visitor.actor,
            EmailId::from_uuid(id),
            PreviewRecipient::Sample,
        )
        .await;
    Ok(mail::html_of(preview.map_err(failure::messaging)?.html))
}

/// Sends a test.
#[handler]
pub(super) async fn test(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let visitor = &posted.visitor;
    let to = posted.fields.text("to");
    let problem = match addresses(to) {
        Ok(addresses) => {
            let email = EmailId::from_uuid(id);
            let results = app(request)?
                .sends
                .send_test(&visitor.actor, email, None, &addresses)
                .await;
            match results {
                Ok(results) => {
                    let refused = results.iter().filter(|result| !result.accepted);
                    let told =
                        refused.map(|result| format!("{}: {}", result.address, result.reply));
                    told.collect::<Vec<_>>().join("; ")
                }
                Err(MessagingError::Invalid { problems }) => {
                    let told = problems.into_iter().map(|problem| problem.message);
                    told.collect::<Vec<_>>().join("; ")
                }
                Err(error) => return Err(failure::messaging(error)),
            }
        }
        Err(problem) if visitor.may(Permission::EmailsSend) => problem,
        Err(_) => return Err(failure::forbidden()),
    };
    if problem.is_empty() {
        return Ok(redirect(&Done::Tested.at(&place(EmailId::from_uuid(id)))));
    }
    let tested = Tested {
        to: to.to_owned(),
        problem: Some(problem),
    };
    let page = page(request, visitor, id, None, &tested).await?;
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY).into_response())
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
    tested: &Tested,
) -> Result<Markup> {
    let app = app(request)?;
    let saved = find(request, visitor, id).await?;
    let id = saved.email.id;
    let preview = match app
        .emails
        .preview(&visitor.actor, id, PreviewRecipient::Sample)
        .await
    {
        Ok(preview) => Ok(preview),
        Err(MessagingError::Invalid { problems }) => Err(problems
            .into_iter()
            .map(|problem| problem.message)
            .collect()),
        Err(error) => return Err(failure::messaging(error)),
    };
    let report = app.tracking.report(&visitor.actor, id).await;
    let report = report.map_err(failure::messaging)?;
    let size = PageSize::clamped(SENDS);
    let sends = app.sends.list(&visitor.actor, Some(id), None, size).await;
    let sends = sends.map_err(failure::messaging)?.items;
    let name = saved.email.name.as_str();
    let here = place(id);
    let actions = html! {
        @if visitor.may(Permission::EmailsWrite) {
            (button_link(&format!("{here}/edit"), "Edit", Weight::Plain))
            (button_link(&format!("{here}/delete"), "Delete", Weight::Danger))
        }
        @if visitor.may(Permission::EmailsSend) {
            (button_link(&format!("{here}/send"), "Send", Weight::Primary))
        }
    };
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Emails")], name))
        (frame::header(name, &actions))
        @if let Some(done) = done { (done.toast()) }
        (looks(&here, &preview))
        @if visitor.may(Permission::EmailsSend) { (test_form(visitor, &here, tested)) }
        @if !sends.is_empty() { (results(&report)) (list(&sends)) }
    };
    Ok(shell(visitor, name, PLACE, &content))
}

fn looks(here: &str, preview: &std::result::Result<Preview, Vec<String>>) -> Markup {
    let preview = match preview {
        Ok(preview) => preview,
        Err(problems) => {
            return shown::card(
                "It cannot be shown",
                &html! { ul { @for problem in problems { li { (problem) } } } },
            );
        }
    };
    let optional =
        |text: &Option<String>| html! { (text.as_deref().unwrap_or("the organisation's")) };
    html! {
        @if !preview.warnings.is_empty() {
            (shown::card("Look at this before you send it", &html! {
                ul { @for warning in &preview.warnings { li { (warning.to_string()) } } }
            }))
        }
        (shown::card("Preview", &html! {
            p class="soft" { "As somebody made up would see it." }
            (shown::values(&[
                ("Subject", html! { (preview.subject) }),
                ("Preview text", html! { (preview.preheader.as_deref().unwrap_or("none")) }),
                ("Sender's name", optional(&preview.from_name)),
                ("Sender's address", optional(&preview.from_address)),
                ("Answers to", html! { (preview.reply_to.as_deref().unwrap_or("the sender")) }),
            ]))
            (mail::frame("Preview of the email", &format!("{here}/preview")))
            details { summary { "Show the text part" } (shown::code(&preview.text)) }
        }))
    }
}

fn test_form(visitor: &Visitor, here: &str, tested: &Tested) -> Markup {
    let field = Field {
        name: "to",
        label: "To",
        value: &tested.to,
        hint: Some("One address or several with commas between, at most 20"),
        error: tested.problem.as_deref(),
        required: true,
    };
    shown::card(
        "Send a test",
        &html! {
            @if tested.problem.is_some() { (shown::toast("The test did not reach everybody.", Tone::Bad)) }
            p class="soft" { "With the values of somebody made up. Without a mail server it is captured in the " a href="/app/inbox" { "inbox" } "." }
            form method="post" action=(format!("{here}/test")) class="stack" {
                (visitor.csrf())
                (input(&field, "text"))
                div class="row" { (button("Send the test", Weight::Plain)) }
            }
        },
    )
}

fn results(report: &EmailReport) -> Markup {
    let split = |split: Split| format!("and by machines: {}", words::count(split.machine));
    let accepted = report.accepted;
    let left = report.unsubscribed.human + report.unsubscribed.machine;
    let skipped: u64 = report.skipped.values().sum();
    let links: Vec<_> = report
        .links
        .iter()
        .map(|link| {
            html! { tr {
                td { code { (link.url.as_deref().unwrap_or("(no longer known)")) } }
                td class="number" { (words::count(link.clicked.human)) }
                td class="number" { (words::count(link.clicked.machine)) }
                td class="number" { (words::count(link.clicks.human + link.clicks.machine)) }
            } }
        })
        .collect();
    let columns = [
        column("Link", false),
        column("People", true),
        column("Machines", true),
        column("All clicks", true),
    ];
    html! {
        section class="stack" aria-label="Results" {
            h2 { "Results" }
            div class="grid" {
                (shown::stat("Planned", &words::count(report.planned), &format!("{} left out", words::count(skipped))))
                (shown::stat("Accepted", &words::count(accepted), &words::share(accepted, report.planned)))
                (shown::stat("Opened by people", &words::count(report.opened.human), &format!("{}, {}", words::share(report.opened.human, accepted), split(report.opened))))
                (shown::stat("Clicked by people", &words::count(report.clicked.human), &format!("{}, {}", words::share(report.clicked.human, accepted), split(report.clicked))))
                (shown::stat("Unsubscribed", &words::count(left), &words::share(left, accepted)))
                (shown::stat("Refused", &words::count(report.refused), &format!("{} deferred, {} unknown", words::count(report.deferred), words::count(report.unknown))))
            }
        }
        @if !links.is_empty() { (shown::card("Links", &table("Links", &columns, &links, None))) }
        @if !report.bounced.is_empty() {
            (shown::card("Bounces", &html! {
                dl class="values" { @for (class, count) in &report.bounced { dt { (class) } dd { (words::count(*count)) } } }
            }))
        }
    }
}

fn list(sends: &[SendStatus]) -> Markup {
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
        column("Made", false),
        column("State", false),
        column("Planned", true),
        column("Accepted", true),
    ];
    shown::card(
        "Its last sends",
        &table("Sends of this email", &columns, &rows, None),
    )
}
