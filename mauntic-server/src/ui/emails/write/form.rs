//! The form of an email: its fields, its body and what it looks like.

use maud::{Markup, html};
use mauntic_core::{EmailId, Permission};
use mauntic_messaging::content::blocks::BlockId;
use poem::{Request, Result};

use super::draft::{Draft, Wrong, label, told};
use crate::ui::{
    Done, assets,
    component::{
        Tone,
        action::{Weight, button_link},
        form::{Field, input, select, text_area},
        frame, show,
    },
    emails::{PLACE, blocks, place},
    failure, mail, shell,
    visitor::{Visitor, app},
};

/// What the form is shown with.
pub(super) struct Form<'a> {
    /// The one that is changed.
    pub(super) email: Option<EmailId>,
    /// What happened to it just now.
    pub(super) done: Option<Done>,
    pub(super) draft: &'a Draft,
    pub(super) wrong: &'a Wrong,
    /// The block that the last step was about.
    pub(super) touched: Option<BlockId>,
    /// The images to choose from for a block.
    pub(super) picker: Option<blocks::Picker>,
    /// Whether something in it is not saved: a step was done, or saving was refused.
    pub(super) unsaved: bool,
}

/// The page with the form.
pub(super) async fn page(request: &Request, visitor: &Visitor, form: &Form<'_>) -> Result<Markup> {
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
        @if let Some(done) = form.done { (done.toast()) }
        @if let Some(notice) = &wrong.notice { (show::toast(notice, Tone::Bad)) }
        @if !wrong.problems.is_empty() {
            section class="card" role="alert" {
                h2 { "Nothing was saved yet: please mend this" }
                ul { @for problem in &wrong.problems {
                    li { a href={ "#" (problem.field) } { (label(&problem.field)) } ", " (told(problem)) }
                } }
            }
        }
        form method="post" action=(action) class="editor" data-editor data-changed[form.unsaved] {
            div class="stack" {
                (visitor.csrf())
                input type="hidden" name="version" value=(draft.version);
                // The first button is what Enter presses.
                div class="row" {
                    button type="submit" class="button primary" name="step" value="save" { "Save" }
                    (button_link(&back, "Back", Weight::Plain))
                    span class="soft" role="status" data-unsaved hidden[!form.unsaved] { "Not saved yet" }
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
        ("dnc_url", "The link to leave all mail, not the list alone"),
        ("webview_url", "The link to the email in a browser"),
        ("organization.name", "Your organisation"),
        ("organization.address", "Its postal address"),
        ("owner.firstname", "Who looks after the contact"),
        ("owner.signature", "Their signature"),
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
            iframe class="mail" name="preview" title="Preview of the email" sandbox=(mail::SANDBOX) referrerpolicy="no-referrer" {}
        }
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
                        picker: form.picker.as_ref(),
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
