//! Writing a segment: its name, what it is for, and its rule as rows and as text, with whom it fits before it is saved.
//!
//! The form has the rule twice: as rows and as text. What was changed counts: the text if it is another than the page
//! `shown` it, else the rows. The other form follows, so that both say the same; while one is wrong, the other stays.

use maud::Markup;
use mauntic_core::Permission;
use mauntic_crm::{
    CrmError,
    segment::{
        CreateSegment, Preview, Rule, RuleInput, RuleTextError, Segment, SegmentName, UpdateSegment,
    },
};
use poem::{Request, Response, Result, handler, http::StatusCode, web::Path};

use super::{
    builder::{Group, Known, Made, RowProblem, Step, Unreadable, read},
    editor::{self, Page},
    found, place,
    stock::Stock,
};
use crate::{
    App,
    ui::{
        Done,
        component::{Tone, show},
        failure, limits,
        visitor::{Fields, Posted, Visitor, app, redirect},
    },
};

/// What stands in the form.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) description: String,
    /// What recipients know it as; empty if it is no mailing list.
    pub(super) list_name: String,
    pub(super) version: i64,
    /// The rule as text.
    pub(super) text: String,
    /// The text as it was when the page was made.
    pub(super) shown: String,
    /// The rule as rows.
    pub(super) rows: Group,
}

/// What is wrong with a draft, and what else is to be said of it.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) list_name: Option<String>,
    pub(super) text: Option<String>,
    /// The line of the text with a mark under the wrong part.
    pub(super) excerpt: Option<String>,
    pub(super) rows: Vec<RowProblem>,
    /// Above everything.
    pub(super) above: Option<Markup>,
    pub(super) preview: Option<Preview>,
    /// Where the keyboard goes on.
    pub(super) focus: Option<String>,
}

/// What is to be done with a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Save,
    /// Bring rows and text in step, and count.
    Update,
    /// The same, and drop what was typed as text.
    TakeRows,
    Step(Step),
}

impl Action {
    fn of(fields: &Fields) -> Self {
        match fields.text("do") {
            "" | "save" => Self::Save,
            "rows" => Self::TakeRows,
            other => other.parse().map_or(Self::Update, Self::Step),
        }
    }
}

/// The rule that a draft says.
enum Said {
    /// None: the segment is static.
    Nothing,
    Text(String),
    Rows(Made),
    /// Some row is missing something or wrong.
    Unfinished,
}

impl Said {
    fn input(&self) -> Option<RuleInput> {
        match self {
            Self::Text(text) => Some(RuleInput::Text(text.clone())),
            Self::Rows(made) => Some(RuleInput::Tree(made.rule.clone())),
            Self::Nothing | Self::Unfinished => None,
        }
    }
}

impl Draft {
    /// The draft of a segment, or of a new one.
    pub(super) async fn of(
        request: &Request,
        visitor: &Visitor,
        segment: Option<&Segment>,
        known: Known<'_>,
    ) -> Result<Self> {
        let Some(segment) = segment else {
            return Ok(Self {
                name: String::new(),
                description: String::new(),
                list_name: String::new(),
                version: 0,
                text: String::new(),
                shown: String::new(),
                rows: Group::empty(),
            });
        };
        let text = app(request)?.segments.rule_text(&visitor.actor, segment);
        let text = text.await.map_err(failure::crm)?.unwrap_or_default();
        let rows = segment.rule.as_ref().map(|rule| Group::of(rule, known));
        Ok(Self {
            name: segment.name.to_string(),
            description: segment.description.clone(),
            list_name: segment
                .list_name
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            version: segment.version,
            shown: text.clone(),
            text,
            rows: rows.unwrap_or_else(Group::empty),
        })
    }

    fn read(fields: &Fields, known: Known<'_>) -> Result<Self> {
        let plain = |text: &str| text.replace("\r\n", "\n");
        let whole = |name| plain(fields.find(name).unwrap_or_default());
        let mut rows = match read(fields.pairs()) {
            Ok(rows) => rows,
            Err(Unreadable::None) => Group::empty(),
            Err(Unreadable::TooMany) => {
                return Err(failure::unusable(
                    "A rule has at most 2,000 conditions and groups, and 64 groups within each other.",
                ));
            }
        };
        rows.suit(known);
        Ok(Self {
            name: fields.text("name").to_owned(),
            description: plain(fields.text("description")),
            list_name: fields.text("list_name").to_owned(),
            // Without a version, nothing is at it.
            version: fields.text("version").parse().unwrap_or_default(),
            text: whole("rule"),
            shown: whole("shown"),
            rows,
        })
    }

    /// Finds out what the draft says, and lets the rows or the text follow.
    fn settle(&mut self, action: Action, known: Known<'_>, told: &mut Told) -> Said {
        let typed = self.text.trim() != self.shown.trim();
        if typed && action != Action::TakeRows {
            return self.follow_text(action, known, told);
        }
        if let Action::Step(step) = action {
            let place = step.on(&mut self.rows);
            told.focus = place.map(|place| step.focus(place, &mut self.rows));
        }
        match self.rows.rule(known) {
            Ok(None) => {
                self.set_text(String::new());
                Said::Nothing
            }
            Ok(Some(made)) => {
                self.set_text(made.rule.to_text(known.names));
                Said::Rows(made)
            }
            Err(problems) => {
                told.rows = problems;
                Said::Unfinished
            }
        }
    }

    fn follow_text(&mut self, action: Action, known: Known<'_>, told: &mut Told) -> Said {
        let dropped = self.dropped(known);
        let parsed = Rule::parse(&self.text, known.fields, known.names);
        if self.text.trim().is_empty() {
            self.rows = Group::empty();
        } else if let Ok(rule) = &parsed {
            self.rows = Group::of(rule, known);
        } else {
            // What is wrong with it, its use case says.
            return Said::Text(self.text.clone());
        }
        self.shown.clone_from(&self.text);
        if let Some(dropped) =
            dropped.filter(|rows| parsed.is_err() || *rows != self.canonical(known))
        {
            told.above = Some(editor::both_changed(&dropped));
            if action == Action::Save {
                return Said::Unfinished;
            }
        } else if matches!(action, Action::Step(_)) {
            let text = "The rows follow the text now, which you changed. The button was not applied: please press it again.";
            told.above = Some(show::toast(text, Tone::Warn));
        }
        if self.text.trim().is_empty() {
            Said::Nothing
        } else {
            Said::Text(self.text.clone())
        }
    }

    /// What the rows say if they were changed too.
    fn dropped(&self, known: Known<'_>) -> Option<String> {
        let text = |made: Made| made.rule.to_text(known.names);
        let rows = self.rows.rule(known).ok()?.map(text).unwrap_or_default();
        let before = Rule::parse(&self.shown, known.fields, known.names);
        let before = before
            .map(|rule| rule.to_text(known.names))
            .unwrap_or_default();
        (rows != before && !rows.is_empty()).then_some(rows)
    }

    fn canonical(&self, known: Known<'_>) -> String {
        let rule = Rule::parse(&self.text, known.fields, known.names);
        rule.map(|rule| rule.to_text(known.names))
            .unwrap_or_default()
    }

    /// Its name, and what recipients know it as.
    fn names(&self, told: &mut Told) -> Option<(SegmentName, Option<SegmentName>)> {
        let name = self.name.parse::<SegmentName>();
        told.name = name.as_ref().err().map(ToString::to_string);
        let list_name = match self.list_name.as_str() {
            "" => Ok(None),
            text => text.parse::<SegmentName>().map(Some),
        };
        told.list_name = list_name.as_ref().err().map(ToString::to_string);
        Some((name.ok()?, list_name.ok()?))
    }

    fn set_text(&mut self, text: String) {
        self.shown.clone_from(&text);
        self.text = text;
    }
}

impl Told {
    /// What a refusal says about the draft of a segment, unless it says something else.
    fn refuse(&mut self, error: CrmError, said: &Said) -> Result<()> {
        match error {
            CrmError::Taken { .. } => {
                self.name = Some("Another segment is called that.".to_owned());
            }
            CrmError::Invalid(text) => self.description = Some(text),
            CrmError::RuleText(error) => {
                self.text = Some(text_problem(&error));
                self.excerpt = Some(error.excerpt);
            }
            CrmError::Rule(error) => {
                let places = match said {
                    Said::Rows(made) => &made.places[..],
                    _ => &[],
                };
                for problem in &error.problems {
                    let place = places.get(problem.test).copied().unwrap_or_default();
                    let text = problem.to_string();
                    self.rows.push(RowProblem {
                        place,
                        text,
                        unfinished: false,
                    });
                }
            }
            error @ CrmError::Cycle(_) => self.text = Some(error.to_string()),
            CrmError::SegmentNotFound(named) => {
                self.text = Some(format!("No segment has the id {named}."));
            }
            error => return Err(failure::crm(error)),
        }
        Ok(())
    }

    fn nothing_saved(&mut self) {
        let text = "Nothing was saved: please look at what is marked below.";
        if self.above.is_none() {
            self.above = Some(show::toast(text, Tone::Bad));
        }
        for row in &mut self.rows {
            row.unfinished = false;
        }
    }
}

/// Where a text is wrong, the wrong part, and what would be right.
fn text_problem(error: &RuleTextError) -> String {
    let (line, mark) = error.excerpt.split_once('\n').unwrap_or_default();
    let before = mark.chars().take_while(|c| *c == ' ').count();
    let width = mark.chars().filter(|c| *c == '^').count();
    let wrong: String = line.chars().skip(before).take(width).collect();
    let at = if wrong.trim().is_empty() {
        "at the end".to_owned()
    } else {
        format!("at “{wrong}”")
    };
    let help = error.help.as_deref().map(|help| format!("; {help}"));
    format!(
        "Line {}, column {}, {at}: {}{}",
        error.line,
        error.column,
        error.problem,
        help.unwrap_or_default()
    )
}

/// Only for those who may change segments.
fn writer(visitor: &Visitor) -> Result<()> {
    if visitor.may(Permission::SegmentsWrite) {
        Ok(())
    } else {
        Err(failure::forbidden())
    }
}

/// The form of a new segment.
#[handler]
pub(super) async fn new(request: &Request, visitor: Visitor) -> Result<Markup> {
    writer(&visitor)?;
    fresh(request, &visitor, None).await
}

/// The form of a segment.
#[handler]
pub(super) async fn edit(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Markup> {
    writer(&visitor)?;
    let segment = found(request, &visitor, &id).await?;
    fresh(request, &visitor, Some(&segment)).await
}

async fn fresh(request: &Request, visitor: &Visitor, segment: Option<&Segment>) -> Result<Markup> {
    let stock = Stock::of(app(request)?, visitor, segment).await?;
    let draft = Draft::of(request, visitor, segment, stock.known()).await?;
    let page = Page {
        visitor,
        segment,
        stock: &stock,
    };
    Ok(page.shown(&draft, &Told::default()))
}

/// Makes a segment, or shows what its form says.
#[handler]
pub(super) async fn create(request: &Request, posted: Posted) -> Result<Response> {
    answer(request, &posted, None).await
}

/// Changes a segment, if nobody else did meanwhile, or shows what its form says.
#[handler]
pub(super) async fn update(
    request: &Request,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response> {
    writer(&posted.visitor)?;
    let segment = found(request, &posted.visitor, &id).await?;
    answer(request, &posted, Some(&segment)).await
}

async fn answer(request: &Request, posted: &Posted, segment: Option<&Segment>) -> Result<Response> {
    let visitor = &posted.visitor;
    writer(visitor)?;
    let action = Action::of(&posted.fields);
    // Whoever took many steps can still save what came of them.
    let refused = (action != Action::Save).then(|| limits::refused_step(request));
    if let Some(refused) = refused.flatten() {
        return Ok(refused);
    }
    let stock = Stock::of(app(request)?, visitor, segment).await?;
    let mut draft = Draft::read(&posted.fields, stock.known())?;
    let mut told = Told::default();
    let said = draft.settle(action, stock.known(), &mut told);
    let page = Page {
        visitor,
        segment,
        stock: &stock,
    };
    if action == Action::Save {
        return save(request, &page, draft, told, said).await;
    }
    if let Some(input) = said.input() {
        match app(request)?.segments.preview(&visitor.actor, input).await {
            Ok(preview) => {
                if matches!(said, Said::Text(_)) {
                    draft.rows = Group::of(&preview.rule, stock.known());
                    draft.shown.clone_from(&draft.text);
                }
                told.preview = Some(preview);
            }
            Err(error) => told.refuse(error, &said)?,
        }
    }
    let wrong = told.text.is_some() || told.rows.iter().any(|row| !row.unfinished);
    let status = if wrong {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    Ok(failure::with_status(page.shown(&draft, &told), status))
}

async fn save(
    request: &Request,
    page: &Page<'_>,
    mut draft: Draft,
    mut told: Told,
    said: Said,
) -> Result<Response> {
    let app = app(request)?;
    let names = draft.names(&mut told);
    if let (Some(names), false) = (names, matches!(said, Said::Unfinished)) {
        match saved(app, page, &draft, names, said.input()).await {
            Ok(to) => return Ok(redirect(&to)),
            Err(CrmError::VersionMismatch { current }) => {
                // Whoever saves again has seen what is replaced.
                draft.version = current;
                let visitor = page.visitor;
                let present = Draft::of(request, visitor, page.segment, page.stock.known()).await?;
                told.above = Some(editor::overtaken(&present));
                let shown = page.shown(&draft, &told);
                return Ok(failure::with_status(shown, StatusCode::CONFLICT));
            }
            Err(error) => told.refuse(error, &said)?,
        }
    }
    told.nothing_saved();
    let page = page.shown(&draft, &told);
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// Saves it, and returns where it is then.
async fn saved(
    app: &App,
    page: &Page<'_>,
    draft: &Draft,
    (name, list_name): (SegmentName, Option<SegmentName>),
    rule: Option<RuleInput>,
) -> std::result::Result<String, CrmError> {
    let (segments, actor) = (&app.segments, &page.visitor.actor);
    let description = draft.description.clone();
    let Some(segment) = page.segment else {
        let command = CreateSegment {
            name,
            description,
            rule,
        };
        let made = segments.create(actor, command).await?;
        return Ok(Done::Created.at(&place(&made)));
    };
    let command = UpdateSegment {
        name: Some(name),
        description: Some(description),
        rule: Some(rule),
        list_name: Some(list_name),
        version: Some(draft.version),
    };
    let changed = segments.update(actor, segment.id, command).await?;
    Ok(Done::Saved.at(&place(&changed)))
}
