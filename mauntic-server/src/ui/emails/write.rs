//! Writing an email: from blocks, in MJML or in HTML, with a preview beside it.

use maud::{DOCTYPE, Markup, html};
use mauntic_core::{EmailId, Permission};
use mauntic_messaging::{
    FieldProblem, MessagingError,
    content::{
        Body, EmailSource,
        blocks::{BlockDocument, BlockId},
    },
    email::{CreateEmail, EmailName, PreviewRecipient, SavedEmail, UpdateEmail},
};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{PLACE, blocks, find, place};
use crate::ui::{
    Done, assets,
    component::{
        Tone,
        action::{Weight, button_link},
        form::{Field, input, select, text_area},
        frame, show,
    },
    failure, mail, shell,
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
    /// `html`, `mjml` or `blocks`.
    kind: String,
    /// Of `html` and `mjml`.
    body: String,
    /// Of `blocks`.
    blocks: blocks::Read,
    text: String,
    /// The version that the person saw; empty for a new email.
    version: String,
}

impl Draft {
    fn starter(kind: &str) -> Self {
        let mut draft = Self::default();
        if kind == "code" {
            "mjml".clone_into(&mut draft.kind);
            START.clone_into(&mut draft.body);
        } else {
            "blocks".clone_into(&mut draft.kind);
            draft.blocks.document = BlockDocument::starter();
        }
        draft
    }

    fn of(saved: &SavedEmail) -> Self {
        let source = &saved.current.source;
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        let mut draft = Self {
            name: saved.email.name.to_string(),
            subject: source.subject.clone(),
            preheader: optional(&source.preheader),
            from_name: optional(&source.from_name),
            from_address: optional(&source.from_address),
            reply_to: optional(&source.reply_to),
            text: optional(&source.text),
            version: saved.email.version.to_string(),
            ..Self::default()
        };
        let kind = match &source.body {
            Body::Html(body) => {
                draft.body.clone_from(body);
                "html"
            }
            Body::Mjml(body) => {
                draft.body.clone_from(body);
                "mjml"
            }
            Body::Blocks(document) => {
                draft.blocks.document = document.clone();
                "blocks"
            }
        };
        kind.clone_into(&mut draft.kind);
        draft
    }

    /// What somebody sent. Browsers send the line breaks of a text as two characters.
    fn read(fields: &Fields) -> Result<Self> {
        let line = |name| fields.text(name).to_owned();
        let lines = |name| {
            let text = fields.find(name).unwrap_or_default();
            text.replace("\r\n", "\n")
        };
        let kind = line("kind");
        let blocks = if kind == "blocks" {
            blocks::read(fields).ok_or_else(failure::unreadable)?
        } else {
            blocks::Read::default()
        };
        Ok(Self {
            name: line("name"),
            subject: line("subject"),
            preheader: line("preheader"),
            from_name: line("from_name"),
            from_address: line("from_address"),
            reply_to: line("reply_to"),
            kind,
            body: lines("body"),
            blocks,
            text: lines("text"),
            version: line("version"),
        })
    }

    /// What the email says.
    fn source(&self) -> EmailSource {
        let optional = |text: &str| Some(text.to_owned()).filter(|text| !text.trim().is_empty());
        let body = match self.kind.as_str() {
            "blocks" => Body::Blocks(self.blocks.document.clone()),
            "html" => Body::Html(self.body.clone()),
            _ => Body::Mjml(self.body.clone()),
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

    /// Does one step of the editor; returns the block that it was about.
    fn step(&mut self, fields: &Fields, step: &str) -> Option<BlockId> {
        let document = &mut self.blocks.document;
        if step == "to_mjml" && self.kind == "blocks" {
            self.body = document.to_mjml().mjml;
            "mjml".clone_into(&mut self.kind);
            return None;
        }
        blocks::step(document, fields, step)
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

    /// What in the blocks cannot be read.
    fn blocks(read: &blocks::Read) -> Self {
        let problem = |(id, message): &(BlockId, String)| FieldProblem {
            field: "body".to_owned(),
            code: "block".to_owned(),
            message: format!("block {id}: {message}"),
            line: None,
        };
        Self {
            notice: None,
            problems: read.problems.iter().map(problem).collect(),
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

/// What the form is shown with.
struct Form<'a> {
    /// The one that is changed.
    email: Option<EmailId>,
    draft: &'a Draft,
    wrong: &'a Wrong,
    /// The block that the last step was about.
    touched: Option<BlockId>,
}

/// The page with the form.
async fn page(request: &Request, visitor: &Visitor, form: &Form<'_>) -> Result<Markup> {
    let (draft, wrong) = (form.draft, form.wrong);
    let title = if form.email.is_some() {
        "Edit the email"
    } else {
        "New email"
    };
    let action = form.email.map_or_else(
        || format!("{PLACE}/new"),
        |id| format!("{}/edit", place(id)),
    );
    let back = form.email.map_or_else(|| PLACE.to_owned(), place);
    let known = known_fields(request, visitor).await?;
    let kinds = [
        ("/app/emails/new", "Blocks"),
        ("/app/emails/new?kind=code", "MJML or HTML"),
    ];
    let kind = usize::from(draft.kind != "blocks");
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Emails")], title))
        (frame::header(title, &html! {}))
        @if form.email.is_none() { (show::tabs("How to write it", &kinds, kinds[kind].0)) }
        @if let Some(notice) = &wrong.notice { (show::toast(notice, Tone::Bad)) }
        @if !wrong.problems.is_empty() {
            section class="card" role="alert" {
                h2 { "Nothing was saved yet: please mend this" }
                ul { @for problem in &wrong.problems {
                    li { a href={ "#" (problem.field) } { (label(&problem.field)) } ", " (told(problem)) }
                } }
            }
        }
        form method="post" action=(action) class="editor" data-editor {
            div class="stack" {
                (visitor.csrf())
                input type="hidden" name="version" value=(draft.version);
                // The first button is what Enter presses.
                div class="row" {
                    button type="submit" class="button primary" name="step" value="save" { "Save" }
                    (button_link(&back, "Back", Weight::Plain))
                    span class="soft" data-unsaved hidden { "Not saved yet" }
                }
                (fields(draft, wrong))
                (body(form, &known))
                (sender(draft, wrong))
            }
            (preview(&known))
        }
        script type="module" src=(assets::href("editor.js")) {}
    };
    Ok(shell(visitor, title, PLACE, &content))
}

/// The fields of contacts, by alias and label, if the visitor may know them.
async fn known_fields(request: &Request, visitor: &Visitor) -> Result<Vec<(String, String)>> {
    if !visitor.may(Permission::ContactsRead) {
        return Ok(Vec::new());
    }
    let fields = app(request)?.fields.list(&visitor.actor).await;
    Ok(fields
        .map_err(failure::crm)?
        .iter()
        .map(|field| (field.alias.to_string(), field.label.clone()))
        .collect())
}

/// The email as somebody made up would see it, beside the form; and what can be put into it.
fn preview(known: &[(String, String)]) -> Markup {
    let ours = [
        ("unsubscribe_url", "The link to leave"),
        ("webview_url", "The link to the email in a browser"),
        ("organization.name", "Your organisation"),
        ("organization.address", "Its postal address"),
    ];
    let contact = known
        .iter()
        .map(|(alias, label)| (format!("contact.{alias}"), label.as_str()));
    let all: Vec<_> = ours
        .iter()
        .map(|(name, label)| ((*name).to_owned(), *label))
        .chain(contact)
        .collect();
    html! {
        aside class="stack beside" aria-label="Preview" {
            div class="row" {
                button type="submit" class="button" formaction="/app/emails/preview" formtarget="preview" formnovalidate data-preview { "Show the preview" }
                a class="button" href="/app/emails/images" target="_blank" rel="noopener" { "Images" }
                details class="tokens" {
                    summary class="button" { "Variables" }
                    div class="card" {
                        p class="soft" { "Write one where its value should stand. With scripting, a press puts it where you wrote last." }
                        ul class="tree" {
                            @for (name, label) in &all {
                                @let token = format!("{{{{ {name} }}}}");
                                li { button type="button" class="token" data-token=(token) { code { (token) } } " " (label) }
                            }
                        }
                    }
                }
            }
            iframe class="mail" name="preview" title="Preview of the email" sandbox referrerpolicy="no-referrer" {}
        }
    }
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

/// One field; of several lines if it has rows.
fn field(wrong: &Wrong, name: &str, value: &str, hint: &str, required: bool, rows: u8) -> Markup {
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
}

fn fields(draft: &Draft, wrong: &Wrong) -> Markup {
    html! {
        (show::card("Email", &html! {
            (field(wrong, "name", &draft.name, "For you; recipients do not see it", true, 0))
            (field(wrong, "subject", &draft.subject, "May hold variables, such as {{ contact.firstname }}", true, 0))
            (field(wrong, "preheader", &draft.preheader, "Mail programs show it beside the subject", false, 0))
        }))
    }
}

/// What the email says.
fn body(form: &Form<'_>, known: &[(String, String)]) -> Markup {
    let (draft, wrong) = (form.draft, form.wrong);
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
    let wrong_in = |field| wrong.of(field);
    html! {
        (show::card("Content", &html! {
            @if draft.kind == "blocks" {
                input type="hidden" name="kind" value="blocks";
                div id="body" class="stack" {
                    @if let Some(problem) = wrong_in("body") { (show::toast(&problem, Tone::Bad)) }
                    (blocks::editor(&draft.blocks.document, &blocks::Shown {
                        problems: &shape_problems(form),
                        touched: form.touched,
                        fields: known,
                    }))
                    p class="soft" {
                        button type="submit" class="button small" name="step" value="to_mjml" formnovalidate { "Turn the blocks into MJML" }
                        " for what blocks cannot do. There is no way back but an earlier version."
                    }
                }
            } @else {
                (select(&kind, &kinds))
                (field(wrong, "body", &draft.body, "Every marketing mail needs a link to {{ unsubscribe_url }}", true, 24))
            }
            (field(wrong, "text", &draft.text, "For mail programs without HTML; made from the body if it is empty", false, 8))
        }))
    }
}

/// What is wrong with the blocks, once somebody tried to save them.
fn shape_problems(form: &Form<'_>) -> Vec<(BlockId, String)> {
    let read = &form.draft.blocks;
    let mut problems = read.problems.clone();
    if !form.wrong.problems.is_empty() {
        problems.extend(read.document.shape_problems());
    }
    problems
}

fn sender(draft: &Draft, wrong: &Wrong) -> Markup {
    show::card(
        "Sender",
        &html! {
            p class="soft" { "Without these, the organisation's are used." }
            (field(wrong, "from_name", &draft.from_name, "", false, 0))
            (field(wrong, "from_address", &draft.from_address, "", false, 0))
            (field(wrong, "reply_to", &draft.reply_to, "Where answers go, if not to the sender", false, 0))
        },
    )
}

/// How a new email is to be written.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// `code`, or blocks.
    #[serde(default)]
    kind: String,
}

/// The form for a new email.
#[handler]
pub(super) async fn new(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup> {
    visitor.needs(Permission::EmailsWrite)?;
    let draft = Draft::starter(&asked.kind);
    show_form(request, &visitor, None, &draft).await
}

/// The form for an email that is there.
#[handler]
pub(super) async fn edit(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    visitor.needs(Permission::EmailsWrite)?;
    let saved = find(request, &visitor, id).await?;
    let draft = Draft::of(&saved);
    show_form(request, &visitor, Some(saved.email.id), &draft).await
}

async fn show_form(
    request: &Request,
    visitor: &Visitor,
    email: Option<EmailId>,
    draft: &Draft,
) -> Result<Markup> {
    let form = Form {
        email,
        draft,
        wrong: &Wrong::default(),
        touched: None,
    };
    page(request, visitor, &form).await
}

/// Makes an email, or does a step on the way to it.
#[handler]
pub(super) async fn create(request: &Request, posted: Posted) -> Result<Response> {
    posted.visitor.needs(Permission::EmailsWrite)?;
    posted_form(request, &posted, None).await
}

/// Changes an email, or does a step on the way to it.
#[handler]
pub(super) async fn update(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    posted.visitor.needs(Permission::EmailsWrite)?;
    let saved = find(request, &posted.visitor, id).await?;
    posted_form(request, &posted, Some(&saved)).await
}

async fn posted_form(
    request: &Request,
    posted: &Posted,
    saved: Option<&SavedEmail>,
) -> Result<Response> {
    let visitor = &posted.visitor;
    let mut draft = Draft::read(&posted.fields)?;
    let email = saved.map(|saved| saved.email.id);
    let step = posted.fields.text("step");
    if !matches!(step, "" | "save") {
        let touched = draft.step(&posted.fields, step);
        let form = Form {
            email,
            draft: &draft,
            wrong: &Wrong::default(),
            touched,
        };
        return Ok(page(request, visitor, &form).await?.into_response());
    }
    let done = if saved.is_some() {
        Done::Saved
    } else {
        Done::Created
    };
    match save(request, visitor, &mut draft, saved).await? {
        Ok(id) => Ok(redirect(&done.at(&place(id)))),
        Err(wrong) => again(request, visitor, email, &draft, &wrong).await,
    }
}

/// Saves a draft; the inner error is what the form can tell.
async fn save(
    request: &Request,
    visitor: &Visitor,
    draft: &mut Draft,
    saved: Option<&SavedEmail>,
) -> Result<std::result::Result<EmailId, Wrong>> {
    if !draft.blocks.problems.is_empty() {
        return Ok(Err(Wrong::blocks(&draft.blocks)));
    }
    let name: EmailName = match draft.name.parse() {
        Ok(name) => name,
        Err(error) => return Ok(Err(unnamed(error))),
    };
    let source = draft.source();
    let emails = &app(request)?.emails;
    let changed = match saved {
        None => {
            let command = CreateEmail { name, source };
            emails.create(&visitor.actor, command).await
        }
        Some(saved) => {
            let Ok(version) = draft.version.parse::<i64>() else {
                return Ok(Err(outdated(draft, saved.email.version)));
            };
            let command = UpdateEmail {
                name: Some(name),
                source: Some(source).filter(|source| *source != saved.current.source),
                expected_version: Some(version),
            };
            emails.update(&visitor.actor, saved.email.id, command).await
        }
    };
    match changed {
        Ok(saved) => Ok(Ok(saved.email.id)),
        Err(MessagingError::Outdated { current, .. }) => Ok(Err(outdated(draft, current))),
        Err(error) => refused(error).map(Err),
    }
}

/// Shows what is written now as somebody made up would see it; nothing is saved.
#[handler]
pub(super) async fn live_preview(request: &Request, posted: Posted) -> Result<Response> {
    let visitor = &posted.visitor;
    visitor.needs(Permission::EmailsWrite)?;
    let mut source = Draft::read(&posted.fields)?.source();
    if source.subject.trim().is_empty() {
        // It can be looked at before it has one.
        "(no subject yet)".clone_into(&mut source.subject);
    }
    let emails = &app(request)?.emails;
    let preview = emails.preview_source(&visitor.actor, &source, PreviewRecipient::Sample);
    let html = match preview.await {
        Ok(preview) => preview.html,
        Err(MessagingError::Invalid { problems }) => html! {
            (DOCTYPE)
            html lang="en" { head { title { "It cannot be shown yet" } } body {
                p { "It cannot be shown yet:" }
                ul { @for problem in &problems { li { (label(&problem.field)) ", " (told(problem)) } } }
            } }
        }
        .into_string(),
        Err(error) => return Err(failure::messaging(error)),
    };
    Ok(mail::html_of(html))
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

async fn again(
    request: &Request,
    visitor: &Visitor,
    email: Option<EmailId>,
    draft: &Draft,
    wrong: &Wrong,
) -> Result<Response> {
    let status = if wrong.notice.is_some() {
        StatusCode::CONFLICT
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let form = Form {
        email,
        draft,
        wrong,
        touched: None,
    };
    let page = page(request, visitor, &form).await?;
    Ok(failure::with_status(page, status))
}
