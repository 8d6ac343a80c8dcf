//! Writing an email.

use maud::{Markup, html};
use mauntic_core::{EmailId, Permission};
use mauntic_messaging::{
    FieldProblem, MessagingError,
    content::{Body, EmailSource},
    email::{CreateEmail, EmailName, SavedEmail, UpdateEmail},
};
use poem::{IntoResponse as _, Request, Response, Result, handler, http::StatusCode, web::Path};
use uuid::Uuid;

use super::{PLACE, find, place};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{Field, input, select, text_area},
        frame, show,
    },
    failure, shell,
    visitor::{Fields, Posted, Visitor, app, redirect},
};

/// What a new email begins with.
const START: &str = r#"<mjml>
  <mj-body>
    <mj-section>
      <mj-column>
        <mj-text>
          <p>Hello {{ contact.firstname | default("there", true) }},</p>
          <p>write your message here.</p>
        </mj-text>
      </mj-column>
    </mj-section>
    <mj-section>
      <mj-column>
        <mj-text align="center">
          <a href="{{ unsubscribe_url }}">Unsubscribe</a>
        </mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"#;

/// What stands in the form.
#[derive(Debug, Default)]
struct Draft {
    name: String,
    subject: String,
    preheader: String,
    from_name: String,
    from_address: String,
    reply_to: String,
    /// `html`, `mjml`, or `blocks`, whose body the form does not hold.
    kind: String,
    body: String,
    text: String,
    /// The version that the person saw; empty for a new email.
    version: String,
}

impl Draft {
    fn starter() -> Self {
        Self {
            kind: "mjml".to_owned(),
            body: START.to_owned(),
            ..Self::default()
        }
    }

    fn of(saved: &SavedEmail) -> Self {
        let source = &saved.current.source;
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        let (kind, body) = match &source.body {
            Body::Html(body) => ("html", body.clone()),
            Body::Mjml(body) => ("mjml", body.clone()),
            Body::Blocks(_) => ("blocks", String::new()),
        };
        Self {
            name: saved.email.name.to_string(),
            subject: source.subject.clone(),
            preheader: optional(&source.preheader),
            from_name: optional(&source.from_name),
            from_address: optional(&source.from_address),
            reply_to: optional(&source.reply_to),
            kind: kind.to_owned(),
            body,
            text: optional(&source.text),
            version: saved.email.version.to_string(),
        }
    }

    /// What somebody sent. Browsers send the line breaks of a text as two characters.
    fn read(fields: &Fields) -> Self {
        let line = |name| fields.text(name).to_owned();
        let lines = |name| {
            let text = fields.find(name).unwrap_or_default();
            text.replace("\r\n", "\n")
        };
        Self {
            name: line("name"),
            subject: line("subject"),
            preheader: line("preheader"),
            from_name: line("from_name"),
            from_address: line("from_address"),
            reply_to: line("reply_to"),
            kind: line("kind"),
            body: lines("body"),
            text: lines("text"),
            version: line("version"),
        }
    }

    /// What the email says; `kept` is the body of an email of blocks.
    fn source(&self, kept: Option<&Body>) -> EmailSource {
        let optional = |text: &str| Some(text.to_owned()).filter(|text| !text.trim().is_empty());
        let body = match (kept, self.kind.as_str()) {
            (Some(body), _) => body.clone(),
            (None, "html") => Body::Html(self.body.clone()),
            (None, _) => Body::Mjml(self.body.clone()),
        };
        EmailSource {
            subject: self.subject.clone(),
            preheader: optional(&self.preheader),
            body,
            text: optional(&self.text),
            from_name: optional(&self.from_name),
            from_address: optional(&self.from_address),
            reply_to: optional(&self.reply_to),
        }
    }
}

/// What is wrong with a draft.
#[derive(Debug, Default)]
struct Wrong {
    /// About the whole.
    notice: Option<String>,
    problems: Vec<FieldProblem>,
}

impl Wrong {
    fn name(message: String) -> Self {
        let problem = FieldProblem {
            field: "name".to_owned(),
            code: "name".to_owned(),
            message,
            line: None,
        };
        Self {
            notice: None,
            problems: vec![problem],
        }
    }

    fn of(&self, field: &str) -> Option<String> {
        let found = self.problems.iter().find(|problem| problem.field == field);
        found.map(told)
    }
}

fn told(problem: &FieldProblem) -> String {
    match problem.line {
        Some(line) => format!("line {line}: {}", problem.message),
        None => problem.message.clone(),
    }
}

/// The form; `email` is the one that is changed.
fn page(visitor: &Visitor, email: Option<EmailId>, draft: &Draft, wrong: &Wrong) -> Markup {
    let title = if email.is_some() {
        "Edit the email"
    } else {
        "New email"
    };
    let action = email.map_or_else(
        || format!("{PLACE}/new"),
        |id| format!("{}/edit", place(id)),
    );
    let back = email.map_or_else(|| PLACE.to_owned(), place);
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Emails")], title))
        (frame::header(title, &html! {}))
        @if let Some(notice) = &wrong.notice { (show::toast(notice, Tone::Bad)) }
        @if !wrong.problems.is_empty() {
            section class="card" role="alert" {
                h2 { "Nothing was saved yet: please mend this" }
                ul { @for problem in &wrong.problems {
                    li { a href={ "#" (problem.field) } { (label(&problem.field)) } ", " (told(problem)) }
                } }
            }
        }
        form method="post" action=(action) class="stack" {
            (visitor.csrf())
            input type="hidden" name="version" value=(draft.version);
            (fields(draft, wrong))
            div class="row" {
                (button("Save", Weight::Primary))
                (button_link(&back, "Back", Weight::Plain))
            }
        }
    };
    shell(visitor, title, PLACE, &content)
}

/// The name of a field as people see it.
fn label(field: &str) -> &str {
    match field {
        "name" => "Name",
        "subject" => "Subject",
        "preheader" => "Preview text",
        "body" => "Body",
        "text" => "Text part",
        "from_name" => "Sender's name",
        "from_address" => "Sender's address",
        "reply_to" => "Answers to",
        other => other,
    }
}

fn fields(draft: &Draft, wrong: &Wrong) -> Markup {
    let one = |name: &str, value: &str, hint: &str, required: bool, rows: u8| {
        let error = wrong.of(name);
        let field = Field {
            name,
            label: label(name),
            value,
            hint: Some(hint).filter(|hint| !hint.is_empty()),
            error: error.as_deref(),
            required,
        };
        if rows > 0 {
            text_area(&field, rows)
        } else {
            input(&field, "text")
        }
    };
    let kind = Field {
        name: "kind",
        label: "Written in",
        value: &draft.kind,
        required: true,
        ..Field::default()
    };
    let kinds = [
        ("mjml", "MJML, which looks alike in every mail program"),
        ("html", "HTML"),
    ];
    html! {
        (show::card("Email", &html! {
            (one("name", &draft.name, "For you; recipients do not see it", true, 0))
            (one("subject", &draft.subject, "May hold variables, such as {{ contact.firstname }}", true, 0))
            (one("preheader", &draft.preheader, "Mail programs show it beside the subject", false, 0))
        }))
        (show::card("Content", &html! {
            @if draft.kind == "blocks" {
                input type="hidden" name="kind" value="blocks";
                div id="body" { p { "The body is made of blocks. It stays as it is; the API and the command line can change it." } }
                @if let Some(problem) = wrong.of("body") { (show::toast(&problem, Tone::Bad)) }
            } @else {
                (select(&kind, &kinds))
                (one("body", &draft.body, "Every marketing mail needs a link to {{ unsubscribe_url }}", true, 24))
            }
            (one("text", &draft.text, "For mail programs without HTML; made from the body if it is empty", false, 8))
        }))
        (show::card("Sender", &html! {
            p class="soft" { "Without these, the organisation's are used." }
            (one("from_name", &draft.from_name, "", false, 0))
            (one("from_address", &draft.from_address, "", false, 0))
            (one("reply_to", &draft.reply_to, "Where answers go, if not to the sender", false, 0))
        }))
    }
}

fn may_write(visitor: &Visitor) -> Result<()> {
    if visitor.may(Permission::EmailsWrite) {
        Ok(())
    } else {
        Err(failure::forbidden())
    }
}

/// The form for a new email.
#[handler]
pub(super) fn new(visitor: Result<Visitor>) -> Result<Markup> {
    let visitor = visitor?;
    may_write(&visitor)?;
    Ok(page(&visitor, None, &Draft::starter(), &Wrong::default()))
}

/// The form for an email that is there.
#[handler]
pub(super) async fn edit(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    may_write(&visitor)?;
    let saved = find(request, &visitor, id).await?;
    let draft = Draft::of(&saved);
    Ok(page(
        &visitor,
        Some(saved.email.id),
        &draft,
        &Wrong::default(),
    ))
}

/// Makes an email.
#[handler]
pub(super) async fn create(request: &Request, posted: Posted) -> Result<Response> {
    let visitor = &posted.visitor;
    may_write(visitor)?;
    let draft = Draft::read(&posted.fields);
    let name: EmailName = match draft.name.parse() {
        Ok(name) => name,
        Err(error) => return Ok(again(visitor, None, &draft, &unnamed(error))),
    };
    let source = draft.source(None);
    let made = app(request)?
        .emails
        .create(&visitor.actor, CreateEmail { name, source })
        .await;
    match made {
        Ok(saved) => Ok(redirect(&Done::Created.at(&place(saved.email.id)))),
        Err(error) => {
            let wrong = refused(error)?;
            Ok(again(visitor, None, &draft, &wrong))
        }
    }
}

/// Changes an email.
#[handler]
pub(super) async fn update(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let visitor = &posted.visitor;
    may_write(visitor)?;
    let saved = find(request, visitor, id).await?;
    let (id, current) = (saved.email.id, &saved.current.source);
    let mut draft = Draft::read(&posted.fields);
    let kept = Some(&current.body).filter(|body| matches!(body, Body::Blocks(_)));
    if kept.is_some() {
        "blocks".clone_into(&mut draft.kind);
    } else if draft.kind == "blocks" {
        // The email is not made of blocks, or not any more.
        "mjml".clone_into(&mut draft.kind);
    }
    let name: EmailName = match draft.name.parse() {
        Ok(name) => name,
        Err(error) => return Ok(again(visitor, Some(id), &draft, &unnamed(error))),
    };
    let Ok(version) = draft.version.parse::<i64>() else {
        let wrong = outdated(&mut draft, saved.email.version);
        return Ok(again(visitor, Some(id), &draft, &wrong));
    };
    let source = draft.source(kept);
    let command = UpdateEmail {
        name: Some(name),
        source: Some(source).filter(|source| source != current),
        expected_version: Some(version),
    };
    let changed = app(request)?.emails.update(&visitor.actor, id, command);
    match changed.await {
        Ok(_) => Ok(redirect(&Done::Saved.at(&place(id)))),
        Err(MessagingError::Outdated { current, .. }) => {
            let wrong = outdated(&mut draft, current);
            Ok(again(visitor, Some(id), &draft, &wrong))
        }
        Err(error) => {
            let wrong = refused(error)?;
            Ok(again(visitor, Some(id), &draft, &wrong))
        }
    }
}

fn unnamed(error: mauntic_messaging::email::InvalidEmailName) -> Wrong {
    Wrong::name(error.to_string())
}

/// Somebody else was faster. From here on the person knows, and may save over it.
fn outdated(draft: &mut Draft, current: i64) -> Wrong {
    draft.version = current.to_string();
    Wrong {
        notice: Some("Somebody changed this email since you opened it, and nothing of yours was saved. Look at theirs in another tab; if you save again, yours replaces it.".to_owned()),
        problems: Vec::new(),
    }
}

/// What the form can tell of a refusal.
fn refused(error: MessagingError) -> Result<Wrong> {
    match error {
        MessagingError::Invalid { problems } => Ok(Wrong {
            notice: None,
            problems,
        }),
        MessagingError::Taken { .. } => Ok(Wrong::name(
            "another email already has this name".to_owned(),
        )),
        error => Err(failure::messaging(error)),
    }
}

fn again(visitor: &Visitor, email: Option<EmailId>, draft: &Draft, wrong: &Wrong) -> Response {
    let status = if wrong.notice.is_some() {
        StatusCode::CONFLICT
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    failure::with_status(page(visitor, email, draft, wrong), status).into_response()
}
