//! Whom to change and how, with what is lost by it.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use mauntic_core::{ContactId, PageSize, Permission};
use mauntic_crm::{
    Channel, Contact, CreateBulkChange, CrmError, FieldAlias, FieldSet, FieldType, Tag,
    bulk::{BulkAction, Whom},
    segment::{Segment, SegmentFilter},
};
use poem::{Request, Response, Result, handler, http::StatusCode};

use super::{PLACE, people, place};
use crate::ui::{
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{Field, input, select},
        frame, show,
    },
    contacts::{self, Listing},
    failure, shell,
    visitor::{Fields, Posted, Visitor, app, redirect},
    words,
};

/// How many of them are named.
const NAMED: usize = 10;

/// What can be done, with the names in addresses and what buttons say.
pub(in crate::ui) const ACTIONS: [(&str, &str); 5] = [
    ("tags", "Tags"),
    ("segment", "Segment"),
    ("field", "Field"),
    ("do_not_contact", "Do not contact"),
    ("delete", "Delete"),
];

/// Whether the visitor may do something to many.
pub(in crate::ui) fn may(visitor: &Visitor, action: &str) -> bool {
    visitor.may(Permission::ContactsWrite)
        && match action {
            "segment" => visitor.may(Permission::SegmentsWrite),
            "delete" => visitor.may(Permission::ContactsDelete),
            _ => true,
        }
}

/// What is wrong, by the name of its control; `""` is about it all.
type Problems = BTreeMap<String, String>;

/// Everything that the page shows.
struct Desk<'a> {
    visitor: &'a Visitor,
    /// The chosen contacts, or the filter, as the list said it, with what the form holds.
    form: &'a Fields,
    total: u64,
    some: Vec<Contact>,
    fields: FieldSet,
    segments: Vec<Segment>,
    tags: Vec<Tag>,
}

/// Asks what is to become of those that were chosen in the list.
#[handler]
pub(super) async fn ask(request: &Request, visitor: Visitor) -> Result<Markup> {
    let form = Fields::of_query(request.uri().query().unwrap_or_default());
    let desk = desk(request, &visitor, &form).await?;
    Ok(desk.page(&Problems::new()))
}

/// Begins the change, or asks again and says why.
#[handler]
pub(super) async fn begin(request: &Request, posted: Posted) -> Result<Response> {
    let Posted { visitor, fields } = &posted;
    let problems = match action(fields) {
        Ok(action) => {
            // What cannot be brought back befalls no more than the page said.
            let at_most = (action == BulkAction::Delete).then(|| agreed(fields));
            let command = CreateBulkChange {
                whom: whom(fields),
                action,
                at_most,
            };
            match app(request)?.bulk.create(&visitor.actor, command).await {
                Ok(change) => return Ok(redirect(&place(change.id))),
                Err(error) => described(error)?,
            }
        }
        Err(problems) => problems,
    };
    let desk = desk(request, visitor, fields).await?;
    Ok(failure::with_status(
        desk.page(&problems),
        StatusCode::UNPROCESSABLE_ENTITY,
    ))
}

/// How many the page said that it would be.
fn agreed(form: &Fields) -> u64 {
    form.text("total").parse().unwrap_or_default()
}

/// What to say at the form.
fn described(error: CrmError) -> Result<Problems> {
    let (control, text) = match error {
        CrmError::InvalidFields(found) => {
            let whys = found.iter().map(|problem| problem.reason.to_string());
            let whys: Vec<_> = whys.collect();
            ("value", format!("This is {}.", whys.join("; ")))
        }
        CrmError::MoreThanAgreed { agreed, total } => (
            "",
            format!(
                "There are {} by now, {} more than this page said. Look at them, and tick once more if you want to delete all of them.",
                people(total),
                words::count(total - agreed)
            ),
        ),
        CrmError::Invalid(why) => ("", format!("It cannot be like this: {why}.")),
        error => return Err(failure::crm(error)),
    };
    Ok(Problems::from([(control.to_owned(), text)]))
}

/// Those that were chosen, or all that the filter lets through.
fn whom(form: &Fields) -> Whom {
    if form.text("whom") == "all" {
        let listing = Listing::of(form.pairs());
        return Whom::All(listing.filter());
    }
    let ids = form.all("contact").filter_map(|text| text.parse().ok());
    Whom::Chosen(ids.collect())
}

/// What the form says is to become of them.
fn action(form: &Fields) -> std::result::Result<BulkAction, Problems> {
    let wrong = |control: &str, text: String| Err(Problems::from([(control.to_owned(), text)]));
    match form.text("action") {
        "tags" => {
            let (add, remove) = (tags(form, "add")?, tags(form, "remove")?);
            Ok(BulkAction::Tags { add, remove })
        }
        "segment" => match (form.text("into").parse(), form.text("how")) {
            (Ok(segment), "remove") => Ok(BulkAction::RemoveFromSegment { segment }),
            (Ok(segment), _) => Ok(BulkAction::AddToSegment { segment }),
            (Err(_), _) => wrong("into", "Choose a segment.".to_owned()),
        },
        "field" => match form.text("field").parse::<FieldAlias>() {
            Ok(field) => Ok(BulkAction::SetField {
                field,
                value: form.text("value").to_owned(),
            }),
            Err(_) => wrong("field", "Choose a field.".to_owned()),
        },
        "do_not_contact" => match form.text("channel").parse::<Channel>() {
            Ok(channel) => Ok(BulkAction::DoNotContact {
                channel,
                comment: form.text("comment").to_owned(),
            }),
            Err(_) => wrong("channel", "Choose a channel.".to_owned()),
        },
        "delete" if form.find("sure").is_none() => wrong("sure", "Tick this to go on.".to_owned()),
        "delete" => Ok(BulkAction::Delete),
        _ => wrong("", "Choose what is to become of them.".to_owned()),
    }
}

fn tags(form: &Fields, name: &str) -> std::result::Result<BTreeSet<Tag>, Problems> {
    let texts = form.text(name).split(',').map(str::trim);
    let parse = |text: &str| {
        let tag = text.parse::<Tag>();
        tag.map_err(|error| Problems::from([(name.to_owned(), format!("“{text}” is {error}."))]))
    };
    texts.filter(|text| !text.is_empty()).map(parse).collect()
}

async fn desk<'a>(request: &Request, visitor: &'a Visitor, form: &'a Fields) -> Result<Desk<'a>> {
    let kind = form.text("action");
    if !may(visitor, kind) {
        return Err(failure::forbidden());
    }
    let (app, actor) = (app(request)?, &visitor.actor);
    let (total, some) = match whom(form) {
        Whom::Chosen(ids) => {
            let ids: Vec<ContactId> = ids.into_iter().collect();
            let found = app.contacts.find_many(actor, &ids).await;
            let found = found.map_err(failure::crm)?;
            (found.len() as u64, found)
        }
        Whom::All(filter) => {
            let total = app.contacts.count(actor, &filter).await;
            let listing = mauntic_crm::ContactListing {
                filter,
                size: PageSize::clamped(NAMED),
                ..mauntic_crm::ContactListing::default()
            };
            let page = app.contacts.list(actor, &listing).await;
            (
                total.map_err(failure::crm)?,
                page.map_err(failure::crm)?.items,
            )
        }
    };
    let size = PageSize::clamped(usize::from(PageSize::MAX));
    let mut segments = Vec::new();
    if kind == "segment" {
        let page = app
            .segments
            .list(actor, &SegmentFilter::default(), None, size)
            .await;
        segments = page.map_err(failure::crm)?.items;
    }
    let mut tags = Vec::new();
    if kind == "tags" {
        let page = app.tags.list(actor, None, size).await;
        tags = page.map_err(failure::crm)?.items;
    }
    let fields = app.fields.list(actor).await;
    Ok(Desk {
        visitor,
        form,
        total,
        some,
        fields: fields.map_err(failure::crm)?,
        segments,
        tags,
    })
}

impl Desk<'_> {
    fn page(&self, problems: &Problems) -> Markup {
        let kind = self.form.text("action");
        let title = match kind {
            "tags" => "Change tags",
            "segment" => "Put into a segment",
            "field" => "Set a field",
            "do_not_contact" => "Do not contact",
            _ => "Delete contacts",
        };
        let back = contacts::PLACE;
        let kept = self.form.pairs().filter(|(name, _)| {
            matches!(*name, "whom" | "contact" | "action") || contacts::FILTERS.contains(name)
        });
        let (verb, weight) = match kind {
            "delete" => (format!("Delete {}", people(self.total)), Weight::Danger),
            _ => (format!("Change {}", people(self.total)), Weight::Primary),
        };
        let content = html! {
            (frame::breadcrumbs(&[(back, "Contacts")], title))
            (frame::header(title, &html! {}))
            @if let Some(problem) = problems.get("") { (show::toast(problem, Tone::Bad)) }
            @if self.total == 0 {
                (show::empty("Nobody is chosen", "Tick some contacts in the list, or choose all that it shows.", &button_link(back, "Back to the list", Weight::Plain)))
            } @else {
                (show::card(&people(self.total), &self.whom()))
                form method="post" action=(PLACE) class="card" {
                    (self.visitor.csrf())
                    @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
                    input type="hidden" name="total" value=(self.total);
                    (self.controls(kind, problems))
                    div class="row" { (button(&verb, weight)) (button_link(back, "Cancel", Weight::Plain)) }
                }
            }
        };
        shell(self.visitor, title, contacts::PLACE, &content)
    }

    fn whom(&self) -> Markup {
        let named = self.some.iter().take(NAMED);
        let shown = self.some.len().min(NAMED) as u64;
        html! {
            @if self.form.text("whom") == "all" {
                @let filter = Listing::of(self.form.pairs());
                p { @if filter.is_filtered() { "All that the search and the filters of the list let through." } @else { "All contacts that there are." } }
            }
            ul class="tree" {
                @for contact in named { li { a href=(contacts::place(contact.id())) { (contacts::called(contact)) } } }
                @if self.total > shown { li class="soft" { "and " (people(self.total - shown)) " more" } }
            }
        }
    }

    fn controls(&self, kind: &str, problems: &Problems) -> Markup {
        let field = |name, label, hint| Field {
            name,
            label,
            value: self.form.text(name),
            hint,
            error: problems.get(name).map(String::as_str),
            ..Field::default()
        };
        let must = |name, label, hint| Field {
            required: true,
            ..field(name, label, hint)
        };
        match kind {
            "tags" => html! {
                div class="fields" {
                    (with_list(&field("add", "Put on", Some("Parted by commas; a new tag is made"))))
                    (with_list(&field("remove", "Take off", Some("Parted by commas"))))
                }
                datalist id="known-tags" { @for tag in &self.tags { option value=(tag) {} } }
            },
            "segment" => {
                let ids: Vec<_> = self
                    .segments
                    .iter()
                    .map(|segment| (segment.id.to_string(), segment.name.as_str()))
                    .collect();
                let segments: Vec<_> = ids.iter().map(|(id, name)| (id.as_str(), *name)).collect();
                html! {
                    div class="fields" {
                        (select(&must("how", "What", None), &[("add", "Put into the segment"), ("remove", "Take out of the segment")]))
                        (select(&must("into", "Segment", Some("What is done by hand stays, whatever the rule of the segment says.")), &segments))
                    }
                }
            }
            "field" => {
                let settable = self
                    .fields
                    .iter()
                    .filter(|field| !field.unique && field.alias.as_str() != "last_active");
                let fields: Vec<_> = settable
                    .map(|field| (field.alias.as_str(), field.label.as_str()))
                    .collect();
                html! {
                    div class="fields" {
                        (select(&must("field", "Field", None), &fields))
                        (input(&field("value", "New value", Some("Empty clears the field.")), "text"))
                    }
                    (self.options())
                    p { "What these contacts have in the field now is lost; the history of each keeps it." }
                }
            }
            "do_not_contact" => {
                let channels = Channel::ALL
                    .iter()
                    .map(|channel| (channel.as_str(), contacts::channel_name(*channel)));
                let channels: Vec<_> = channels.collect();
                html! {
                    div class="fields" {
                        (select(&must("channel", "Channel", None), &channels))
                        (input(&field("comment", "Why", None), "text"))
                    }
                    p { "They get nothing more there until somebody allows it again, one by one. Who unsubscribed stays marked as such." }
                }
            }
            _ => html! {
                p { "This will be lost and cannot be brought back:" }
                ul class="tree" {
                    li { (people(self.total)) ", with all that is known of them" }
                    li { "Their tags, their places in segments, and the history of changes" }
                    li { "The marks of those who must not be written to: if they come in again by an import or a form, they will be" }
                }
                div class="field" {
                    label class="check" { input type="checkbox" name="sure" required aria-describedby=[problems.get("sure").map(|_| "sure-error")]; span { "I want to delete " (people(self.total)) } }
                    @if let Some(problem) = problems.get("sure") { p class="error" id="sure-error" { (problem) } }
                }
            },
        }
    }

    /// What fields with options take.
    fn options(&self) -> Markup {
        let with = self.fields.custom().filter(|field| {
            field.field_type.has_options() || field.field_type == FieldType::Boolean
        });
        let with: Vec<_> = with.collect();
        html! {
            @if !with.is_empty() {
                details {
                    summary { "What fields with a list take" }
                    (show::values(&with.iter().map(|field| {
                        let values: Vec<_> = field.options.iter().map(|option| option.value.as_str()).collect();
                        let text = if values.is_empty() { "yes, no".to_owned() } else { values.join(", ") };
                        (field.label.as_str(), html! { (text) })
                    }).collect::<Vec<_>>()))
                }
            }
        }
    }
}

fn with_list(field: &Field<'_>) -> Markup {
    html! {
        div class="field" {
            label for=(field.name) { (field.label) }
            input id=(field.name) name=(field.name) list="known-tags" autocomplete="off" value=(field.value)
                aria-invalid=[field.error.map(|_| "true")] aria-describedby={ (field.name) "-hint" };
            @if let Some(hint) = field.hint { p class="hint" id={ (field.name) "-hint" } { (hint) } }
            @if let Some(error) = field.error { p class="error" id={ (field.name) "-error" } { (error) } }
        }
    }
}
