//! The start page: what was sent last and what came of it, and what to do next.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_messaging::{sending::SendStatus, tracking::EmailReport};
use poem::{Request, Result, handler, web::Query};

use super::{
    Said,
    component::{
        action::{Weight, button_link},
        frame, show,
        table::{Column, table},
    },
    failure, shell,
    visitor::{Visitor, app},
    words,
};

/// How many sends are shown.
const SENDS: usize = 8;

/// Shows it.
#[handler]
pub(crate) async fn home(
    request: &Request,
    visitor: Visitor,
    Query(said): Query<Said>,
) -> Result<Markup> {
    let sends = if visitor.may(Permission::EmailsRead) {
        recent(request, &visitor).await?
    } else {
        Vec::new()
    };
    let content = html! {
        (frame::header("Start", &html! {}))
        @if let Some(done) = said.done { (done.toast()) }
        @if sends.is_empty() { (next_steps(&visitor)) } @else { (figures(&sends)) (list(&sends)) }
    };
    Ok(shell(&visitor, "Start", "/app/", &content))
}

/// A send with the results of its email.
struct Sent {
    status: SendStatus,
    email: String,
    report: EmailReport,
}

async fn recent(request: &Request, visitor: &Visitor) -> Result<Vec<Sent>> {
    let app = app(request)?;
    let size = PageSize::clamped(SENDS);
    let page = app.sends.list(&visitor.actor, None, None, size).await;
    let mut sends = Vec::new();
    for status in page.map_err(failure::messaging)?.items {
        let id = status.job.email_id;
        let report = app.tracking.report(&visitor.actor, id).await;
        let email = match app.emails.get(&visitor.actor, id).await {
            Ok(saved) => saved.email.name.to_string(),
            // What was sent stays, though the email may be gone.
            Err(mauntic_messaging::MessagingError::NotFound { .. }) => "(deleted)".to_owned(),
            Err(error) => return Err(failure::messaging(error)),
        };
        sends.push(Sent {
            status,
            email,
            report: report.map_err(failure::messaging)?,
        });
    }
    Ok(sends)
}

/// People and machines apart, over the emails that were sent last, each counted once.
fn figures(sends: &[Sent]) -> Markup {
    let mut seen = std::collections::HashSet::new();
    let reports: Vec<_> = sends
        .iter()
        .filter(|sent| seen.insert(sent.status.job.email_id))
        .map(|sent| &sent.report)
        .collect();
    let sum = |of: fn(&EmailReport) -> u64| reports.iter().map(|report| of(report)).sum::<u64>();
    let accepted = sum(|report| report.accepted);
    let opened = sum(|report| report.opened.human);
    let clicked = sum(|report| report.clicked.human);
    let machines = sum(|report| report.opened.machine);
    let left = sum(|report| report.unsubscribed.human + report.unsubscribed.machine);
    html! {
        div class="grid" {
            (show::stat("Mails accepted", &words::count(accepted), "of the emails below"))
            (show::stat("Opened by people", &words::share(opened, accepted), &format!("and by machines: {}", words::share(machines, accepted))))
            (show::stat("Clicked by people", &words::share(clicked, accepted), &format!("{} people", words::count(clicked))))
            (show::stat("Unsubscribed", &words::share(left, accepted), &format!("{} people", words::count(left))))
        }
    }
}

fn list(sends: &[Sent]) -> Markup {
    let column = |name, number| Column {
        name,
        sort: None,
        sorted: None,
        number,
    };
    let columns = [
        column("Email", false),
        column("State", false),
        column("Planned", true),
        column("Accepted", true),
        column("Made", false),
    ];
    let rows: Vec<_> = sends
        .iter()
        .map(|sent| {
            let (job, tally) = (&sent.status.job, &sent.status.tally);
            html! { tr {
                td { (sent.email) }
                td { (super::send_state(job)) }
                td class="number" { (words::counted(tally.planned)) }
                td class="number" { (words::counted(tally.accepted)) }
                td { (words::time(job.created_at)) }
            } }
        })
        .collect();
    show::card("Sent last", &table("Sends", &columns, &rows, None))
}

/// What to do first; what no page does yet, at the command line or through the API.
fn next_steps(visitor: &Visitor) -> Markup {
    show::empty(
        "Nothing was sent yet",
        "Bring your contacts in, say who should get a mail, write it, and send it. Without a mail server it is captured, so that nobody is mailed by accident.",
        &html! {
            @if visitor.may(Permission::ContactsImport) { (button_link("/app/imports/new", "Import contacts", Weight::Primary)) }
            (show::code("mauntic segments create Readers --where 'country = \"DE\"'\nmauntic emails send Hello --segment Readers"))
        },
    )
}
