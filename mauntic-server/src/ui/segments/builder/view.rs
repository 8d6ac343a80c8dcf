//! Showing rows: selects, values and buttons that post the whole form.

use maud::{Markup, html};
use mauntic_crm::{
    Channel, Field, Reason,
    segment::{EngagementKind, Property, Unit},
};

use super::{
    Group, Item, Known, Row, RowProblem, date,
    form::{JOINS, join_name},
    row::Cell,
    subject::{self, DO_NOT_CONTACT, EVERYONE, Kind, NOBODY, SEGMENT, Subject, WRITTEN},
};

/// What can be chosen besides the fields, emails and segments.
#[derive(Debug, Default)]
pub(in crate::ui::segments) struct Choices {
    /// Tags.
    pub(in crate::ui::segments) tags: Vec<String>,
    /// The ids and names of users.
    pub(in crate::ui::segments) owners: Vec<(String, String)>,
}

/// What rows are shown with.
pub(in crate::ui::segments) struct View<'a> {
    known: Known<'a>,
    choices: &'a Choices,
    problems: &'a [RowProblem],
    /// The id of what the keyboard is at.
    pub(in crate::ui::segments) focus: Option<String>,
}

/// Where a row or group stands.
#[derive(Clone, Copy)]
struct Spot {
    /// Its number.
    place: usize,
    first: bool,
    last: bool,
    /// Whether it stands in a group within another.
    nested: bool,
}

impl<'a> View<'a> {
    /// A view that shows these problems at their rows.
    pub(in crate::ui::segments) fn new(
        known: Known<'a>,
        choices: &'a Choices,
        problems: &'a [RowProblem],
    ) -> Self {
        Self {
            known,
            choices,
            problems,
            focus: None,
        }
    }

    /// The rows as a part of a form.
    pub(in crate::ui::segments) fn shown(&self, rows: &Group) -> Markup {
        let mut place = 0;
        html! {
            datalist id="known-tags" { @for tag in &self.choices.tags { option value=(tag) {} } }
            (self.group(rows, &mut place, None))
        }
    }

    fn focused(&self, id: &str) -> bool {
        self.focus.as_deref() == Some(id)
    }

    fn group(&self, group: &Group, next: &mut usize, spot: Option<Spot>) -> Markup {
        let place = *next;
        *next += 1;
        let count = group.items.len();
        let items: Vec<_> = group
            .items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let spot = Spot {
                    place: *next,
                    first: index == 0,
                    last: index + 1 == count,
                    nested: spot.is_some(),
                };
                html! { li class="rule-item" data-item {
                    @match item {
                        Item::Group(inner) => (self.group(inner, next, Some(spot))),
                        Item::Row(row) => (self.row(row, next, spot)),
                    }
                } }
            })
            .collect();
        let join = format!("n{place}-join");
        html! {
            div class="rule-group" role="group" aria-label=(if spot.is_some() { "Group" } else { "Rule" }) {
                div class="rule-line" {
                    @if spot.is_some() { (handle()) }
                    div class="rule-parts" {
                        (self.select("group", &join, "How the conditions of this group belong together", join_name(group), JOINS, place))
                    }
                    @if let Some(spot) = spot { (self.tools(spot, "group")) }
                }
                (self.problem(place))
                ul class="rule-items" data-items { @for item in &items { (item) } }
                div class="row" {
                    button type="submit" class="button" name="do" value=(format!("row:{place}")) { "Add condition" }
                    button type="submit" class="button" name="do" value=(format!("group:{place}")) { "Add group" }
                }
                input type="hidden" name="end" value="";
            }
        }
    }

    fn row(&self, row: &Row, next: &mut usize, spot: Spot) -> Markup {
        let place = *next;
        *next += 1;
        let subject = Subject::named(&row.subject, self.known.fields);
        let operators = subject.map(Subject::operators).unwrap_or_default();
        html! {
            div class="rule-line" {
                input type="hidden" name="row" value=(row.subject);
                (handle())
                div class="rule-parts" {
                    @if row.not {
                        (self.select("not", &format!("n{place}-not"), "Whether it holds", "not", &[("not", "it is not so that"), ("", "it is so that")], place))
                    }
                    (self.subject(row, place))
                    @if !operators.is_empty() {
                        (self.select("op", &format!("n{place}-op"), "How to compare", &row.op, &operators, place))
                    }
                    @if let Some(subject) = subject { (self.values(row, subject, place)) }
                }
                (self.tools(spot, "condition"))
            }
            (self.problem(place))
        }
    }

    fn subject(&self, row: &Row, place: usize) -> Markup {
        let id = format!("n{place}-subject");
        let option = |value: &str, text: &str| html! { option value=(value) selected[value == row.subject] { (text) } };
        let fields = |core: bool| {
            let fields: Vec<&Field> = self
                .known
                .fields
                .iter()
                .filter(|field| field.core == core)
                .collect();
            html! { @for field in fields { (option(field.alias.as_str(), &field.label)) } }
        };
        let own = self.known.fields.custom().next().is_some();
        let unknown =
            !row.subject.is_empty() && Subject::named(&row.subject, self.known.fields).is_none();
        html! {
            select class="asks" name="subject" id=(id) aria-label="What to ask" autofocus[self.focused(&id)] data-now
                aria-invalid=[self.has_problem(place)] aria-describedby=[self.described(place)] {
                @if row.subject.is_empty() { option value="" selected { "Choose what to ask …" } }
                @if unknown { option value=(row.subject) selected { (row.subject) } }
                @if own { optgroup label="Own fields" { (fields(false)) } }
                optgroup label="Contact" {
                    (fields(true))
                    @for (property, text) in PROPERTIES { (option(property.as_str(), text)) }
                }
                optgroup label="Segments and consent" {
                    (option(SEGMENT, "Segment"))
                    (option(DO_NOT_CONTACT, "Do not contact"))
                }
                optgroup label="Emails" {
                    @for kind in EngagementKind::ALL { (option(&subject::engagement(*kind), engagement_words(*kind))) }
                }
                optgroup label="Other" {
                    (option(EVERYONE, "Everybody"))
                    (option(NOBODY, "Nobody"))
                    (option(WRITTEN, "In the words of the text form"))
                }
            }
        }
    }

    /// One value, two, or as many as there are and one more.
    fn values(&self, row: &Row, subject: Subject<'_>, place: usize) -> Markup {
        let base = row.op.strip_prefix("not ").unwrap_or(&row.op);
        let several = matches!(base, "in" | "has all");
        match subject {
            Subject::Field(kind) => {
                let count = match base {
                    "is set" | "is empty" => return html! {},
                    "between" => 2,
                    _ if several => filled(&row.cells) + 1,
                    _ => 1,
                };
                let cells = cells(row, count, several);
                html! { @for (index, cell) in cells.iter().enumerate() {
                    @if base == "between" && index == 1 { span { "and" } }
                    (self.value(kind, cell, place, index))
                } }
            }
            Subject::Segment => {
                let segments = &self.known.names.segments;
                let segments: Vec<_> = segments
                    .iter()
                    .map(|(id, name)| (id.to_string(), name.clone()))
                    .collect();
                let cells = cells(row, filled(&row.cells) + 1, true);
                html! { @for (index, cell) in cells.iter().enumerate() {
                    (self.choice("Segment", cell, place, index, &segments, "Choose a segment …"))
                } }
            }
            Subject::DoNotContact => {
                let channels = [Channel::Email, Channel::Sms, Channel::Push]
                    .map(|channel| named(channel.as_str()));
                let reasons = [Reason::Unsubscribed, Reason::Bounced, Reason::Manual]
                    .map(|reason| named(reason.as_str()));
                let cells = cells(row, 2, false);
                html! {
                    span { "by" } (self.choice("Channel", &cells[0], place, 0, &channels, "any channel"))
                    span { "because" } (self.choice("Reason", &cells[1], place, 1, &reasons, "any reason"))
                }
            }
            Subject::Engagement(_) => self.engagement(row, place),
            Subject::Written => self.input("Condition", row.cell(0), place, 0, "text"),
            Subject::Everyone | Subject::Nobody => html! {},
        }
    }

    fn engagement(&self, row: &Row, place: usize) -> Markup {
        let emails = &self.known.names.emails;
        let emails: Vec<_> = emails
            .iter()
            .map(|(id, name)| (id.to_string(), name.clone()))
            .collect();
        let machine = [("machine".to_owned(), "also by machines".to_owned())];
        let cells = cells(row, 4, false);
        html! {
            (self.short("Times", &cells[0].text, place, 0)) span { "times" }
            (self.choice("Email", &cells[1], place, 1, &emails, "any email"))
            span { "in the last" } (self.short("Days; empty for ever", &cells[2].text, place, 2)) span { "days" }
            (self.choice("By whom", &cells[3], place, 3, &machine, "by people"))
        }
    }

    fn value(&self, kind: Kind<'_>, cell: &Cell, place: usize, index: usize) -> Markup {
        match kind {
            Kind::Text => self.input("Value", &cell.text, place, index, "text"),
            Kind::Number => self.short("Number", &cell.text, place, index),
            Kind::Boolean => {
                let choices = [("true", "yes"), ("false", "no")]
                    .map(|(value, text)| (value.to_owned(), text.to_owned()));
                self.choice("Value", cell, place, index, &choices, "Choose …")
            }
            Kind::Select(field) | Kind::Multiselect(field) => {
                let options = field
                    .options
                    .iter()
                    .map(|option| (option.value.clone(), option.label.clone()));
                let options: Vec<_> = options.collect();
                self.choice("Option", cell, place, index, &options, "Choose …")
            }
            Kind::Owner => self.choice(
                "User",
                cell,
                place,
                index,
                &self.choices.owners,
                "Choose a user …",
            ),
            Kind::Tags => html! {
                input type="text" name="value" value=(cell.text) id=(format!("n{place}-value-{index}")) list="known-tags" autocomplete="off"
                    aria-label="Tag" aria-invalid=[self.has_problem(place)] aria-describedby=[self.described(place)];
            },
            Kind::Date => self.date(cell, place, index),
        }
    }

    fn date(&self, cell: &Cell, place: usize, index: usize) -> Markup {
        let way: &str = if cell.way.is_empty() {
            "date"
        } else {
            &cell.way
        };
        let units = Unit::ALL.map(Unit::as_str);
        let plain_day = cell.text.is_empty() || cell.text.parse::<chrono::NaiveDate>().is_ok();
        html! {
            (self.select("way", &format!("n{place}-way-{index}"), "When", way, date::WAYS, place))
            @if date::has_unit(way) {
                (self.short("How many", &cell.text, place, index))
                select name="unit" id=(format!("n{place}-unit-{index}")) aria-label="Unit" {
                    @for unit in units { option value=(unit) selected[unit == cell.unit] { (unit) "s" } }
                }
            } @else if way == "date" {
                (self.input("Date", &cell.text, place, index, if plain_day { "date" } else { "text" }))
            } @else if date::has_text(way) {
                (self.input("Date in words", &cell.text, place, index, "text"))
            }
        }
    }

    fn input(&self, label: &str, value: &str, place: usize, index: usize, kind: &str) -> Markup {
        html! {
            input type=(kind) name="value" value=(value) id=(format!("n{place}-value-{index}")) autocomplete="off" aria-label=(label)
                aria-invalid=[self.has_problem(place)] aria-describedby=[self.described(place)];
        }
    }

    fn short(&self, label: &str, value: &str, place: usize, index: usize) -> Markup {
        html! {
            input class="short" type="text" inputmode="decimal" name="value" value=(value) id=(format!("n{place}-value-{index}")) autocomplete="off"
                aria-label=(label) aria-invalid=[self.has_problem(place)] aria-describedby=[self.described(place)];
        }
    }

    /// One of a few values; one that is not among them is kept.
    fn choice(
        &self,
        label: &str,
        cell: &Cell,
        place: usize,
        index: usize,
        choices: &[(String, String)],
        none: &str,
    ) -> Markup {
        let known = cell.text.is_empty() || choices.iter().any(|(value, _)| *value == cell.text);
        html! {
            select name="value" id=(format!("n{place}-value-{index}")) aria-label=(label) data-now
                aria-invalid=[self.has_problem(place)] aria-describedby=[self.described(place)] {
                option value="" selected[cell.text.is_empty()] { (none) }
                @if !known { option value=(cell.text) selected { (cell.text) } }
                @for (value, text) in choices { option value=(value) selected[*value == cell.text] { (text) } }
            }
        }
    }

    fn select(
        &self,
        name: &str,
        id: &str,
        label: &str,
        value: &str,
        choices: &[(&str, &str)],
        place: usize,
    ) -> Markup {
        html! {
            select name=(name) id=(id) aria-label=(label) autofocus[self.focused(id)] data-now aria-describedby=[self.described(place)] {
                @for (choice, text) in choices { option value=(choice) selected[*choice == value] { (text) } }
                @if choices.iter().all(|(choice, _)| *choice != value) { option value=(value) selected { (value) } }
            }
        }
    }

    fn tools(&self, spot: Spot, what: &str) -> Markup {
        let Spot {
            place,
            first,
            last,
            nested,
        } = spot;
        let tool = |verb: &str, sign: &str, text: &str, off: bool| {
            let id = format!("n{place}-{verb}");
            html! {
                button type="submit" class="tool" id=(id) name="do" value=(format!("{verb}:{place}")) disabled[off] title=(text)
                    autofocus[self.focused(&id)] aria-label=(format!("{text}: this {what}")) { (sign) }
            }
        };
        html! {
            div class="rule-tools" {
                (tool("up", "↑", "Move up", first))
                (tool("down", "↓", "Move down", last))
                (tool("in", "→", "Put into the group above, or into one of its own", false))
                (tool("out", "←", "Take out of its group", !nested))
                (tool("remove", "×", "Remove", false))
            }
        }
    }

    fn found(&self, place: usize) -> Option<&RowProblem> {
        self.problems.iter().find(|problem| problem.place == place)
    }

    fn has_problem(&self, place: usize) -> Option<&'static str> {
        self.found(place)
            .filter(|problem| !problem.unfinished)
            .map(|_| "true")
    }

    fn described(&self, place: usize) -> Option<String> {
        self.found(place).map(|_| format!("n{place}-problem"))
    }

    fn problem(&self, place: usize) -> Markup {
        html! { @if let Some(problem) = self.found(place) {
            p id=(format!("n{place}-problem")) class={ "rule-problem " (if problem.unfinished { "soft" } else { "bad" }) } { (problem.text) }
        } }
    }
}

/// The cells to show: so many, without the empty ones between those of a list, and with empty ones where there are none.
fn cells(row: &Row, count: usize, list: bool) -> Vec<Cell> {
    let given = row.cells.iter().filter(|cell| !list || !cell.is_empty());
    let mut cells: Vec<_> = given.cloned().collect();
    cells.resize_with(count, Cell::default);
    cells
}

fn filled(cells: &[Cell]) -> usize {
    cells.iter().filter(|cell| !cell.is_empty()).count()
}

fn handle() -> Markup {
    html! { span class="handle" data-handle aria-hidden="true" title="Drag to move" { "⠿" } }
}

fn named(name: &str) -> (String, String) {
    (name.to_owned(), name.to_owned())
}

/// The properties that are no fields, in the words of the page.
const PROPERTIES: &[(Property, &str)] = &[
    (Property::Tag, "Tags"),
    (Property::Owner, "Owner"),
    (Property::Stage, "Stage"),
    (Property::EmailDomain, "Domain of the email address"),
    (Property::CreatedAt, "Added"),
    (Property::UpdatedAt, "Last changed"),
    (Property::IdentifiedAt, "Identified"),
];

fn engagement_words(kind: EngagementKind) -> &'static str {
    match kind {
        EngagementKind::Sent => "Was sent",
        EngagementKind::Opened => "Opened",
        EngagementKind::Clicked => "Clicked",
    }
}
