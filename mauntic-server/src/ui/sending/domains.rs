//! The domains that mail is sent from, with the DNS records to publish and how they stand.

use maud::{Markup, html};
use mauntic_core::{Permission, SendingDomainId};
use mauntic_messaging::{
    FieldProblem,
    dns::{DnsRecord, RecordContent, RecordPurpose},
    domain::{AddSendingDomain, KeyState, RecordCheck, SendingDomain},
};
use poem::{
    Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{DOMAINS, PLACE, told, top, wrong};
use crate::ui::{
    Done, Said,
    component::{
        Tone,
        action::{Weight, ask_first, button, confirmation},
        form::{Field, input},
        frame, live, show as shown,
        table::{Column, table},
    },
    failure,
    sends::record_state,
    shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

fn place(id: SendingDomainId) -> String {
    format!("{DOMAINS}/{id}")
}

/// What stands in the form for a new domain.
#[derive(Debug, Default)]
struct Draft {
    domain: String,
    return_path: String,
    problems: Vec<FieldProblem>,
}

/// Shows all of them.
#[handler]
pub(super) async fn list(
    request: &Request,
    visitor: Visitor,
    Query(said): Query<Said>,
) -> Result<Markup> {
    page(request, &visitor, said.done, &Draft::default()).await
}

async fn page(
    request: &Request,
    visitor: &Visitor,
    done: Option<Done>,
    draft: &Draft,
) -> Result<Markup> {
    let domains = app(request)?.domains.list(&visitor.actor).await;
    let domains = domains.map_err(failure::messaging)?;
    let rows: Vec<_> = domains
        .iter()
        .map(|domain| {
            html! { tr {
                td { a href=(place(domain.id)) { (domain.domain.as_str()) } }
                td { (domain.return_path.as_str()) }
                td { (words::time(domain.created_at)) }
            } }
        })
        .collect();
    let columns = ["Domain", "Bounces come to", "Added"].map(Column::plain);
    let content = html! {
        (top(DOMAINS))
        @if let Some(done) = done { (done.toast()) }
        @if rows.is_empty() {
            (shown::empty(
                "No domain is set up yet",
                "Mail that is signed for its sender's domain is taken; other mail is refused or lands in the spam folder. Add the domain of your addresses, publish its DNS records, and see here whether they are right.",
                &html! {},
            ))
        } @else { (table("Sending domains", &columns, &rows, None)) }
        @if visitor.may(Permission::SendingManage) { (add_form(visitor, draft)) }
    };
    Ok(shell(visitor, "Sending domains", PLACE, &content))
}

fn add_form(visitor: &Visitor, draft: &Draft) -> Markup {
    let (domain_wrong, path_wrong) = (
        wrong(&draft.problems, "domain"),
        wrong(&draft.problems, "return_path"),
    );
    let domain = Field {
        name: "domain",
        label: "Domain",
        value: &draft.domain,
        hint: Some("What stands behind the @ of your addresses, such as example.com"),
        error: domain_wrong.as_deref(),
        required: true,
    };
    let return_path = Field {
        name: "return_path",
        label: "Bounces come to",
        value: &draft.return_path,
        hint: Some("A domain within it; bounce. in front of it, if empty"),
        error: path_wrong.as_deref(),
        required: false,
    };
    shown::card(
        "Add a domain",
        &html! {
            form method="post" action=(DOMAINS) class="stack" {
                (visitor.csrf())
                (input(&domain, "text"))
                (input(&return_path, "text"))
                div class="row" { (button("Add the domain", Weight::Primary)) }
            }
        },
    )
}

/// Adds one.
#[handler]
pub(super) async fn add(request: &Request, posted: Posted) -> Result<Response> {
    let visitor = &posted.visitor;
    visitor.needs(Permission::SendingManage)?;
    let mut draft = Draft {
        domain: posted.fields.text("domain").to_owned(),
        return_path: posted.fields.text("return_path").to_owned(),
        problems: Vec::new(),
    };
    match command(&draft) {
        Err(problem) => draft.problems.push(problem),
        Ok(command) => match app(request)?.domains.add(&visitor.actor, command).await {
            Ok(domain) => return Ok(redirect(&Done::Created.at(&place(domain.id)))),
            Err(error) => draft.problems = told(error)?,
        },
    }
    let page = page(request, visitor, None, &draft).await?;
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}

fn command(draft: &Draft) -> std::result::Result<AddSendingDomain, FieldProblem> {
    let parse = |field: &str, text: &str| {
        text.parse().map_err(
            |error: mauntic_messaging::domain::InvalidDomainName| FieldProblem {
                field: field.to_owned(),
                code: "invalid".to_owned(),
                message: error.to_string(),
                line: None,
            },
        )
    };
    Ok(AddSendingDomain {
        domain: parse("domain", &draft.domain)?,
        return_path: match draft.return_path.as_str() {
            "" => None,
            text => Some(parse("return_path", text)?),
        },
    })
}

/// What is asked of one domain.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    done: Option<Done>,
    /// Whether to look its records up.
    #[serde(default)]
    check: bool,
}

async fn find(request: &Request, visitor: &Visitor, id: Uuid) -> Result<SendingDomain> {
    let id = SendingDomainId::from_uuid(id);
    let found = app(request)?.domains.get(&visitor.actor, id).await;
    found.map_err(failure::messaging)
}

/// Shows one.
#[handler]
pub(super) async fn show(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(asked): Query<Asked>,
) -> Result<Markup> {
    let domain = find(request, &visitor, id).await?;
    let here = place(domain.id);
    let name = domain.domain.as_str();
    let manages = visitor.may(Permission::SendingManage);
    let actions = html! {
        @if manages { (ask_first(&format!("{here}/delete"), "Delete")) }
    };
    let records = if asked.check {
        checked(request, &visitor, domain.id).await?
    } else {
        unchecked(request, &visitor, domain.id).await?
    };
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Sending"), (DOMAINS, "Domains")], name))
        (frame::header(name, &actions))
        @if let Some(done) = asked.done { (done.toast()) }
        (shown::card("DNS records", &html! {
            p class="soft" { "Publish these where the DNS of the domain is managed. It may take hours until they show everywhere." }
            div id="records" class="stack" { (records) }
        }))
        (keys(&visitor, &domain, manages))
    };
    Ok(shell(&visitor, name, PLACE, &content))
}

const COLUMNS: [&str; 5] = ["State", "For", "Type", "Name", "Value"];

/// The records as they should be; where there is scripting, they are looked up at once.
async fn unchecked(request: &Request, visitor: &Visitor, id: SendingDomainId) -> Result<Markup> {
    let domains = &app(request)?.domains;
    let records = domains.dns_records(&visitor.actor, id).await;
    let records = records.map_err(failure::messaging)?;
    let rows: Vec<_> = records
        .iter()
        .map(|record| {
            row(
                record,
                &html! { (shown::badge("not looked up", Tone::Plain)) },
                &html! {},
            )
        })
        .collect();
    let more = format!("{}?check=true", place(id));
    Ok(html! {
        (table("DNS records", &COLUMNS.map(Column::plain), &rows, None))
        (live::late("records", &more, &html! { div { a class="button" href=(more) { "Look them up" } } }, 1))
    })
}

/// The records with what is published.
async fn checked(request: &Request, visitor: &Visitor, id: SendingDomainId) -> Result<Markup> {
    let app = app(request)?;
    let checks = app.domains.check(&visitor.actor, id, &*app.dns);
    let checks = checks.await.map_err(failure::messaging)?;
    let rows: Vec<_> = checks.iter().map(checked_row).collect();
    let bad = checks.iter().filter(|check| check.state.is_bad()).count();
    let again = format!("{}?check=true", place(id));
    Ok(html! {
        @if bad > 0 { (shown::toast(&format!("{bad} of {} are not as they should be.", checks.len()), Tone::Warn)) }
        (table("DNS records", &COLUMNS.map(Column::plain), &rows, None))
        div { a class="button" href=(again) { "Look them up again" } }
    })
}

fn checked_row(check: &RecordCheck) -> Markup {
    let found = html! {
        p class="soft" { (check.detail) }
        @for text in &check.found { p { "Found: " code { (text) } } }
    };
    row(&check.record, &record_state(check.state), &found)
}

fn row(record: &DnsRecord, state: &Markup, more: &Markup) -> Markup {
    let purpose = match record.purpose {
        RecordPurpose::Dkim => "signatures (DKIM)",
        RecordPurpose::Spf => "who may send (SPF)",
        RecordPurpose::Dmarc => "what to do with forgeries (DMARC)",
        RecordPurpose::ReturnPath => "where bounces go",
    };
    let content = match &record.content {
        RecordContent::Value(value) => html! { code { (value) } },
        RecordContent::Hint(hint) => html! { p { (hint) } },
    };
    html! { tr class="stacks" {
        td { (state) }
        td { (purpose) @if !record.required { span class="soft" { ", advised" } } }
        td data-label="Type" { (record.kind.as_str()) }
        td data-label="Name" { code { (record.name) } }
        td data-label="Value" { (content) (more) }
    } }
}

fn keys(visitor: &Visitor, domain: &SendingDomain, manages: bool) -> Markup {
    let here = place(domain.id);
    let rows: Vec<_> = domain
        .keys
        .iter()
        .map(|key| {
            let state = match key.state {
                KeyState::Pending => shown::badge("to be published", Tone::Warn),
                KeyState::Active => shown::badge("signs", Tone::Good),
                KeyState::Retired => shown::badge("retired", Tone::Plain),
            };
            html! { tr {
                td { code { (key.selector.as_str()) } }
                td { (state) }
                td { (words::time(key.created_at)) }
            } }
        })
        .collect();
    let pending = domain.keys.iter().any(|key| key.state == KeyState::Pending);
    let columns = ["Key", "State", "Made"].map(Column::plain);
    shown::card(
        "Keys",
        &html! {
            (table("Keys of the domain", &columns, &rows, None))
            @if manages {
                div class="row" {
                    form method="post" action=(format!("{here}/rotate")) { (visitor.csrf()) (button("Make new keys", Weight::Plain)) }
                    @if pending { form method="post" action=(format!("{here}/activate")) { (visitor.csrf()) (button("Sign with the new keys", Weight::Primary)) } }
                }
                p class="soft" { "New keys sign nothing until you say so: publish their records first. The old ones must stay published for some days after." }
            }
        },
    )
}

/// Makes new keys.
#[handler]
pub(super) async fn rotate(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let id = SendingDomainId::from_uuid(id);
    let rotated = app(request)?
        .domains
        .rotate(&posted.visitor.actor, id)
        .await;
    rotated.map_err(failure::messaging)?;
    Ok(redirect(&Done::Saved.at(&place(id))))
}

/// Signs with the new keys.
#[handler]
pub(super) async fn activate(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let id = SendingDomainId::from_uuid(id);
    let domains = &app(request)?.domains;
    let activated = domains.activate(&posted.visitor.actor, id).await;
    activated.map_err(failure::messaging)?;
    Ok(redirect(&Done::Saved.at(&place(id))))
}

/// Asks before a domain is deleted.
#[handler]
pub(super) async fn ask(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    visitor.needs(Permission::SendingManage)?;
    let domain = find(request, &visitor, id).await?;
    let lost = [
        format!(
            "The domain {} with its {} keys",
            domain.domain,
            domain.keys.len()
        ),
        "The signatures of mail from it: from now on it is not signed".to_owned(),
    ];
    let question = "Delete this sending domain?";
    let back = place(domain.id);
    let content = confirmation(question, &lost, "Delete", &back, &visitor.csrf());
    Ok(shell(&visitor, question, PLACE, &content))
}

/// Deletes a domain.
#[handler]
pub(super) async fn delete(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let id = SendingDomainId::from_uuid(id);
    let deleted = app(request)?
        .domains
        .delete(&posted.visitor.actor, id)
        .await;
    deleted.map_err(failure::messaging)?;
    Ok(redirect(&Done::Deleted.at(DOMAINS)))
}
