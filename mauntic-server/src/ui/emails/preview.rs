//! How an email looks: for somebody made up or a contact, wide or narrow, or as text.

use maud::{Markup, html};
use mauntic_core::{EmailId, Permission};
use mauntic_messaging::{
    MessagingError,
    content::in_the_dark,
    email::{Preview, PreviewRecipient},
};
use poem::{
    Request, Response, Result, handler,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use crate::ui::{
    component::{
        action::{Weight, button},
        form::{Field, select},
        show as shown,
    },
    contacts::lookup,
    failure, mail,
    visitor::{Visitor, app},
};

/// For whom to show it, and how.
#[derive(Debug, Default, Deserialize)]
pub(super) struct View {
    /// Names a contact; somebody made up if it is empty.
    #[serde(default, rename = "as")]
    pub(super) recipient: String,
    /// `wide`, `phone`, `dark`, `dark-phone` or `text`.
    #[serde(default)]
    pub(super) view: String,
}

impl View {
    /// Whether it is shown as mail programs that are set to dark do.
    fn is_dark(&self) -> bool {
        self.view.starts_with("dark")
    }
}

/// The contact that was asked for, or why there is none.
pub(super) async fn recipient(
    request: &Request,
    visitor: &Visitor,
    view: &View,
) -> Result<std::result::Result<PreviewRecipient, String>> {
    let text = view.recipient.trim();
    if text.is_empty() {
        return Ok(Ok(PreviewRecipient::Sample));
    }
    let found = lookup::find(request, visitor, text).await?;
    Ok(found.map(|contact| PreviewRecipient::Contact(contact.id())))
}

/// The HTML of an email, for the frame.
#[handler]
pub(super) async fn html(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(view): Query<View>,
) -> Result<Response> {
    let recipient = recipient(request, &visitor, &view).await?;
    let recipient = recipient.map_err(|_| failure::missing("contact"))?;
    let emails = &app(request)?.emails;
    let preview = emails.preview(&visitor.actor, EmailId::from_uuid(id), recipient);
    let html = preview.await.map_err(failure::messaging)?.html;
    if view.is_dark() {
        return mail::html_of(request, &in_the_dark(&html).html);
    }
    mail::html_of(request, &html)
}

/// The preview, or what keeps the email from being shown.
pub(super) async fn of(
    request: &Request,
    visitor: &Visitor,
    id: EmailId,
    recipient: PreviewRecipient,
) -> Result<std::result::Result<Preview, Vec<String>>> {
    let emails = &app(request)?.emails;
    match emails.preview(&visitor.actor, id, recipient).await {
        Ok(preview) => Ok(Ok(preview)),
        Err(MessagingError::Invalid { problems }) => Ok(Err(problems
            .into_iter()
            .map(|problem| problem.message)
            .collect())),
        Err(error) => Err(failure::messaging(error)),
    }
}

/// The form that says for whom and how.
pub(super) fn chooser(visitor: &Visitor, here: &str, view: &View, problem: Option<&str>) -> Markup {
    let who = Field {
        name: "as",
        label: "As this contact",
        value: &view.recipient,
        hint: Some("A name or an address, or the id; somebody made up if it is empty"),
        error: problem,
        required: false,
    };
    let how = Field {
        name: "view",
        label: "Shown",
        value: &view.view,
        required: true,
        ..Field::default()
    };
    let ways = [
        ("wide", "on a desktop"),
        ("phone", "on a phone"),
        ("dark", "on a desktop, dark"),
        ("dark-phone", "on a phone, dark"),
        ("text", "as text"),
    ];
    html! {
        form method="get" action=(here) class="fields" {
            @if visitor.may(Permission::ContactsRead) { (lookup::field(&who)) }
            (select(&how, &ways))
            div { (button("Show", Weight::Plain)) }
        }
    }
}

/// What a recipient gets to see.
pub(super) fn card(here: &str, view: &View, preview: &Preview, chooser: &Markup) -> Markup {
    let optional =
        |text: &Option<String>| html! { (text.as_deref().unwrap_or("the organisation's")) };
    let mut query = vec![("as", view.recipient.trim())];
    if view.is_dark() {
        query.push(("view", view.view.as_str()));
    }
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    let address = format!("{here}/preview?{query}");
    shown::card(
        "Preview",
        &html! {
            (chooser)
            (shown::values(&[
                ("Subject", html! { (preview.subject) }),
                ("Preview text", html! { (preview.preheader.as_deref().unwrap_or("none")) }),
                ("Sender's name", optional(&preview.from_name)),
                ("Sender's address", optional(&preview.from_address)),
                ("Answers to", html! { (preview.reply_to.as_deref().unwrap_or("the sender")) }),
            ]))
            @if view.is_dark() {
                p class="soft" {
                    @if in_the_dark(&preview.html).own {
                        "With the dark styles of the email, as Apple Mail shows it. Programs that do not know them keep it light, or recolour it by themselves."
                    } @else {
                        "The email has no dark styles of its own. This is how programs that recolour every mail show it, roughly; each has its own way, and others keep it light."
                    }
                }
            }
            @match view.view.as_str() {
                "text" => (shown::code(&preview.text)),
                "phone" | "dark-phone" => (mail::narrow_frame("Preview of the email on a phone", &address)),
                _ => (mail::frame("Preview of the email", &address)),
            }
        },
    )
}
