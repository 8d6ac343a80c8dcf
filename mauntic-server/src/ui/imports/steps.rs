//! The columns of the file, and the way from there to what will happen and to the import.

use maud::{Markup, html};
use mauntic_core::{ImportId, PageSize, Permission};
use mauntic_crm::{
    FieldSet,
    import::{CreateImport, Glance, ImportError, ImportFile},
    segment::{Segment, SegmentFilter},
};
use poem::{
    Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    PLACE, bytes, place, preview, refused,
    settings::{ENCODINGS, Problems, control, hints, mapping_problem, options, target},
    upload::called,
};
use crate::ui::{
    component::{
        Tone,
        action::{Weight, button_link, step_button},
        form::{Field, input, select},
        frame, show,
    },
    contacts::{self, people::People},
    failure, shell,
    visitor::{Fields, Posted, Visitor, app, redirect},
};

/// How many characters of a value are shown.
const LONGEST: usize = 60;
/// What columns can become beside fields.
const SPECIAL: [(&str, &str); 13] = [
    ("full_name", "First and last name in one"),
    ("tags", "Tags"),
    ("do_not_email", "Do not email (yes or no)"),
    ("do_not_contact", "Do not contact (yes, no, or as exported)"),
    ("unsubscribed_at", "Unsubscribed on"),
    ("bounced_at", "Bounced on"),
    ("owner", "Owner (their address or id)"),
    ("stage", "Stage"),
    ("points", "Points"),
    ("last_active", "Last active"),
    ("created_at", "Added on"),
    ("attributes", "Values as a JSON object"),
    ("mauntic_id", "Id in Mauntic (as exported)"),
];

/// The name of the file.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Named {
    #[serde(default)]
    name: String,
}

/// Everything that the page about the columns shows.
struct Desk<'a> {
    visitor: &'a Visitor,
    upload: ImportId,
    name: String,
    form: &'a Fields,
    glance: &'a Glance,
    fields: FieldSet,
    people: People,
    segments: Vec<Segment>,
}

/// Shows what is found out about a file that was just sent.
#[handler]
pub(super) async fn start(
    request: &Request,
    visitor: Visitor,
    Path(upload): Path<Uuid>,
    Query(named): Query<Named>,
) -> Result<Markup> {
    let form = Fields::default();
    let upload = ImportId::from_uuid(upload);
    let glance = app(request)?
        .imports
        .glance(&visitor.actor, upload, hints(&form));
    let glance = glance.await.map_err(refused)?;
    let name = called(&named.name);
    let desk = desk(request, &visitor, upload, name, &form, &glance).await?;
    Ok(desk.page(&Problems::new()))
}

/// Goes on from there: looks at the file in another way, shows what will happen, or starts.
#[handler]
pub(super) async fn next(
    request: &Request,
    Path(upload): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let app = app(request)?;
    let Posted { visitor, fields } = &posted;
    let upload = ImportId::from_uuid(upload);
    let glance = app.imports.glance(&visitor.actor, upload, hints(fields));
    let glance = glance.await.map_err(refused)?;
    let name = called(fields.text("name"));
    let step = fields.text("step");
    // Another way of reading the file may make other columns: what was said about the old ones is void.
    let reread = fields.without(|name| step == "look" && name.starts_with("column-"));
    let desk = desk(request, visitor, upload, name.clone(), &reread, &glance).await?;
    if !matches!(step, "preview" | "start") {
        return Ok(failure::with_status(
            desk.page(&Problems::new()),
            StatusCode::OK,
        ));
    }
    let zone = app.zones.zone_of(visitor.actor.organization_id()).await;
    let zone = zone.map_err(|error| failure::internal(&error))?;
    let again = |problems: &Problems| {
        Ok(failure::with_status(
            desk.page(problems),
            StatusCode::UNPROCESSABLE_ENTITY,
        ))
    };
    let options = match options(fields, &glance, zone, |user| desk.people.has(user)) {
        Ok(options) => options,
        Err(problems) => return again(&problems),
    };
    let command = CreateImport {
        name,
        file: ImportFile::Upload(upload),
        options,
    };
    let refused_so = |error| match error {
        ImportError::Mapping(error) => again(&mapping_problem(&error, &glance)),
        error => Err(refused(error)),
    };
    if step == "start" {
        return match app.imports.create(&visitor.actor, command).await {
            Ok(import) => Ok(redirect(&place(import.id))),
            Err(error) => refused_so(error),
        };
    }
    match app.imports.preview(&visitor.actor, command).await {
        Ok(found) => {
            let page = preview::page(visitor, &desk.name, &desk.fields, fields, &found);
            Ok(failure::with_status(page, StatusCode::OK))
        }
        Err(error) => refused_so(error),
    }
}

async fn desk<'a>(
    request: &Request,
    visitor: &'a Visitor,
    upload: ImportId,
    name: String,
    form: &'a Fields,
    glance: &'a Glance,
) -> Result<Desk<'a>> {
    let app = app(request)?;
    let fields = app.fields.list(&visitor.actor).await;
    let mut segments = Vec::new();
    if visitor.may(Permission::SegmentsRead) {
        let size = PageSize::clamped(usize::from(PageSize::MAX));
        let page = app
            .segments
            .list(&visitor.actor, &SegmentFilter::default(), None, size)
            .await;
        segments = page.map_err(failure::crm)?.items;
        segments.retain(|segment| segment.rule.is_none());
    }
    Ok(Desk {
        visitor,
        upload,
        name,
        form,
        glance,
        fields: fields.map_err(failure::crm)?,
        people: People::of(request, visitor).await?,
        segments,
    })
}

impl Desk<'_> {
    fn page(&self, problems: &Problems) -> Markup {
        let visitor = self.visitor;
        let content = html! {
            (frame::breadcrumbs(&[(contacts::PLACE, "Contacts"), (PLACE, "Imports")], &self.name))
            (frame::header(&format!("Import {}", self.name), &html! {}))
            (show::steps(&["File", "Columns", "What will happen", "Import"], 1))
            @if let Some(problem) = problems.get("") { (show::toast(problem, Tone::Bad)) }
            form method="post" action=(format!("{PLACE}/uploads/{}", self.upload)) class="stack" {
                (visitor.csrf())
                input type="hidden" name="name" value=(self.name);
                (show::card("How the file is written", &self.format()))
                (show::card("What the columns become", &self.columns(problems)))
                (show::card("What else to do", &self.more(problems)))
                div class="row" {
                    (step_button("preview", "See what will happen", Weight::Primary))
                    (step_button("start", "Import at once", Weight::Plain))
                    (button_link(PLACE, "Cancel", Weight::Plain))
                }
            }
        };
        shell(visitor, "Import contacts", contacts::PLACE, &content)
    }

    fn format(&self) -> Markup {
        let format = &self.glance.format;
        let field = |name, label, value| Field {
            name,
            label,
            value,
            ..Field::default()
        };
        let encoding = format.encoding.to_string();
        let delimiter = format.delimiter.to_string();
        let mut encodings: Vec<_> = ENCODINGS.map(|name| (name, name)).to_vec();
        if !ENCODINGS.contains(&encoding.as_str()) {
            encodings.push((&encoding, &encoding));
        }
        let delimiters = [
            ("comma", "Comma ,"),
            ("semicolon", "Semicolon ;"),
            ("tab", "Tab"),
            ("pipe", "Bar |"),
        ];
        let headers = [("true", "The names of the columns"), ("false", "A contact")];
        let header = format.header.to_string();
        html! {
            p class="soft" { "Found out from the file (" (bytes(self.glance.bytes)) "). Change it if the values below look wrong." }
            div class="fields unmarked" {
                (select(&field("encoding", "Encoding", &encoding), &encodings))
                (select(&field("delimiter", "Between values", &delimiter), &delimiters))
                (select(&field("header", "The first row holds", &header), &headers))
            }
            div class="row" { (step_button("look", "Look at the file again", Weight::Plain)) }
        }
    }

    fn columns(&self, problems: &Problems) -> Markup {
        let fields: Vec<_> = self
            .fields
            .iter()
            .filter(|field| !matches!(field.alias.as_str(), "points" | "last_active"))
            .map(|field| (field.alias.as_str(), field.label.as_str()))
            .collect();
        html! {
            div class="scroll" tabindex="0" role="region" aria-label="Columns" {
                table class="mapping" {
                    thead { tr { th scope="col" { "Column" } th scope="col" { "Such as" } th scope="col" { "Becomes" } } }
                    tbody {
                        @for (index, column) in self.glance.columns.iter().enumerate() {
                            @let name = control(index);
                            @let chosen = target(self.form, index, column);
                            tr class="stacks" {
                                th scope="row" { label for=(name) { (column.name) } }
                                td class="soft" { @for value in &column.sample { div { (short(value)) } } }
                                td {
                                    select id=(name) name=(name) aria-invalid=[problems.get(&name).map(|_| "true")] {
                                        option value="" { "Leave it out" }
                                        optgroup label="Fields" {
                                            @for (value, label) in &fields { option value=(value) selected[chosen == *value] { (label) } }
                                        }
                                        optgroup label="More" {
                                            @for (value, label) in SPECIAL { option value=(value) selected[chosen == value] { (label) } }
                                        }
                                    }
                                    @if let Some(problem) = problems.get(&name) { p class="error" { (problem) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn more(&self, problems: &Problems) -> Markup {
        let field = |name, label, hint| Field {
            name,
            label,
            value: self.form.text(name),
            hint,
            error: problems.get(name).map(String::as_str),
            ..Field::default()
        };
        let unique = self.fields.custom().filter(|field| field.unique);
        let mut keys = vec![("", "Email address")];
        keys.extend(unique.map(|field| (field.alias.as_str(), field.label.as_str())));
        let members = self.people.by_name();
        let mut owners = vec![("", "Nobody")];
        owners.extend(members.iter().map(|(id, name)| (id.as_str(), *name)));
        let ids: Vec<_> = self
            .segments
            .iter()
            .map(|segment| (segment.id.to_string(), segment.name.as_str()))
            .collect();
        let mut segments = vec![("", "None")];
        segments.extend(ids.iter().map(|(id, name)| (id.as_str(), *name)));
        let existing = [
            ("update", "Take the values of the file"),
            ("fill_blanks", "Take only what they lack"),
            ("skip", "Leave them as they are"),
        ];
        let empty = [("keep", "Keep what is known"), ("clear", "Clear the value")];
        let dates = [
            ("", "Refuse those that cannot be told"),
            ("day_first", "Day first: 3/4 is 3 April"),
            ("month_first", "Month first: 3/4 is March 4th"),
        ];
        html! {
            div class="fields unmarked" {
                (select(&field("existing", "Contacts that are there already", None), &existing))
                (select(&field("empty", "Empty cells", None), &empty))
                (select(&field("match_on", "A contact is told by", None), &keys))
                (select(&field("date_order", "Dates such as 3/4/2026", None), &dates))
                (input(&field("tags", "Tags for all of them", Some("Parted by commas")), "text"))
                @if segments.len() > 1 { (select(&field("segment", "Segment for all of them", None), &segments)) }
                @if owners.len() > 1 { (select(&field("owner", "Owner of all of them", None), &owners)) }
            }
        }
    }
}

/// The start of a value.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
