//! Writing a segment: its name, what it is for, and its rule, with a preview before it is saved.

use maud::{Markup, html};
use mauntic_core::{Permission, SegmentId};
use mauntic_crm::{
    CrmError,
    segment::{CreateSegment, Preview, RuleInput, RuleTextError, Segment, UpdateSegment},
};
use poem::{IntoResponse as _, Request, Response, Result, handler, http::StatusCode, web::Path};

use super::{PLACE, found, place, reference, sample, tree};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{Field, code_area, input, text_area},
        frame, show,
    },
    failure, shell,
    visitor::{Fields, Posted, Visitor, app, redirect},
    words,
};

/// What stands in the form.
#[derive(Debug, Default)]
struct Draft {
    name: String,
    description: String,
    rule: String,
    version: i64,
}

impl Draft {
    fn read(fields: &Fields) -> Self {
        let text = |name| fields.text(name).replace("\r\n", "\n");
        Self {
            name: text("name"),
            description: text("description"),
            rule: fields
                .find("rule")
                .unwrap_or_default()
                .replace("\r\n", "\n"),
            // Without a version, nothing is at it.
            version: fields.text("version").parse().unwrap_or_default(),
        }
    }

    async fn of(request: &Request, visitor: &Visitor, segment: &Segment) -> Result<Self> {
        let text = app(request)?.segments.rule_text(&visitor.actor, segment);
        let text = text.await.map_err(failure::crm)?;
        Ok(Self {
            name: segment.name.to_string(),
            description: segment.description.clone(),
            rule: text.unwrap_or_default(),
            version: segment.version,
        })
    }

    fn rule(&self) -> Option<RuleInput> {
        let given = !self.rule.trim().is_empty();
        given.then(|| RuleInput::Text(self.rule.clone()))
    }
}

/// What is wrong with a draft, by field.
#[derive(Debug, Default)]
struct Problems {
    name: Option<String>,
    description: Option<String>,
    rule: Option<String>,
    /// The line of the rule with a mark under the wrong part.
    excerpt: Option<String>,
}

impl Problems {
    /// What a refusal says about the draft of a segment, unless it says something else.
    fn read(error: CrmError, id: Option<SegmentId>) -> Result<Self> {
        let mut problems = Self::default();
        match error {
            CrmError::Taken { .. } => {
                problems.name = Some("Another segment is called that.".to_owned());
            }
            CrmError::Invalid(text) => problems.description = Some(text),
            CrmError::RuleText(error) => {
                problems.rule = Some(rule_problem(&error));
                problems.excerpt = Some(error.excerpt);
            }
            error @ (CrmError::Rule(_) | CrmError::Cycle(_)) => {
                problems.rule = Some(error.to_string());
            }
            CrmError::SegmentNotFound(named) if Some(named) != id => {
                problems.rule = Some(format!("No segment has the id {named}."));
            }
            error => return Err(failure::crm(error)),
        }
        Ok(problems)
    }
}

/// Where a rule is wrong, the wrong part, and what would be right.
fn rule_problem(error: &RuleTextError) -> String {
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

/// A page that writes a segment.
struct Page<'a> {
    request: &'a Request,
    visitor: &'a Visitor,
    /// The segment as it is, unless it is to be made.
    segment: Option<&'a Segment>,
}

impl Page<'_> {
    /// The page; `above` says what happened, and `below` shows what the rule picks.
    async fn show(
        &self,
        draft: &Draft,
        problems: &Problems,
        above: &Markup,
        below: &Markup,
    ) -> Result<Markup> {
        let (app, visitor) = (app(self.request)?, self.visitor);
        let fields = app.fields.list(&visitor.actor).await;
        let fields = fields.map_err(failure::crm)?;
        let here = self.segment.map_or_else(
            || format!("{PLACE}/new"),
            |segment| place(segment) + "/edit",
        );
        let back = self.segment.map_or_else(|| PLACE.to_owned(), place);
        let title = self.segment.map_or_else(
            || "New segment".to_owned(),
            |segment| format!("Edit {}", segment.name),
        );
        let name = Field {
            name: "name",
            label: "Name",
            value: &draft.name,
            error: problems.name.as_deref(),
            required: true,
            ..Field::default()
        };
        let description = Field {
            name: "description",
            label: "Description",
            value: &draft.description,
            hint: Some("What it is for"),
            error: problems.description.as_deref(),
            ..Field::default()
        };
        let rule = Field {
            name: "rule",
            label: "Rule",
            value: &draft.rule,
            hint: Some(
                "Whom it takes in by itself. Without a rule it is static: people are put in by hand or by import.",
            ),
            error: problems.rule.as_deref(),
            ..Field::default()
        };
        let content = html! {
            (frame::breadcrumbs(&[(PLACE, "Segments")], &title))
            (frame::header(&title, &html! {}))
            (above)
            section class="card" {
                form method="post" action=(here) class="stack" {
                    (visitor.csrf())
                    @if self.segment.is_some() { input type="hidden" name="version" value=(draft.version); }
                    (input(&name, "text"))
                    (text_area(&description, 2))
                    (code_area(&rule, 6))
                    @if let Some(excerpt) = &problems.excerpt { (show::code(excerpt)) }
                    div class="row" {
                        (button("Save", Weight::Primary))
                        button type="submit" class="button" name="do" value="preview" { "Preview" }
                        (button_link(&back, "Cancel", Weight::Plain))
                    }
                }
            }
            (below)
            (reference::card(&fields))
        };
        Ok(shell(visitor, &title, PLACE, &content))
    }

    /// The page with a rule's problems or its preview; nothing is saved.
    async fn preview(&self, draft: &Draft) -> Result<Response> {
        let none = Problems::default();
        let nothing = html! {};
        let app = app(self.request)?;
        let Some(rule) = draft.rule() else {
            let text = "Without a rule, nobody comes in by itself.";
            let below = show::card("Preview", &html! { p { (text) } });
            return Ok(self
                .show(draft, &none, &nothing, &below)
                .await?
                .into_response());
        };
        match app.segments.preview(&self.visitor.actor, rule).await {
            Ok(preview) => {
                let names = tree::names(app, self.visitor, &preview.rule).await?;
                let node = tree::of_rule(&preview.rule, &names);
                let below = html! { (shown(&preview)) (show::card("The rule as a tree", &show::tree(&[node]))) };
                Ok(self
                    .show(draft, &none, &nothing, &below)
                    .await?
                    .into_response())
            }
            Err(error) => self.refused(draft, error).await,
        }
    }

    /// The page with what is wrong.
    async fn refused(&self, draft: &Draft, error: CrmError) -> Result<Response> {
        let problems = Problems::read(error, self.segment.map(|segment| segment.id))?;
        self.wrong(draft, &problems).await
    }

    async fn wrong(&self, draft: &Draft, problems: &Problems) -> Result<Response> {
        let above = show::toast(
            "Nothing was saved: please look at the fields below.",
            Tone::Bad,
        );
        let page = self.show(draft, problems, &above, &html! {}).await?;
        Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
    }
}

/// How many a rule fits, and some of them.
fn shown(preview: &Preview) -> Markup {
    let title = match preview.count {
        1 => "Preview: 1 contact".to_owned(),
        count => format!("Preview: {} contacts", words::count(count)),
    };
    show::card(
        &title,
        &html! {
            @for warning in &preview.warnings {
                (show::toast(&format!("Perhaps not meant: {warning}"), Tone::Warn))
            }
            @if preview.sample.is_empty() {
                p class="soft" { "The rule fits nobody now." }
            } @else {
                (sample(&preview.sample))
            }
            p class="soft" { "Nothing was saved." }
        },
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
    let page = Page {
        request,
        visitor: &visitor,
        segment: None,
    };
    let nothing = html! {};
    page.show(&Draft::default(), &Problems::default(), &nothing, &nothing)
        .await
}

/// Makes a segment, or shows whom its rule fits.
#[handler]
pub(super) async fn create(request: &Request, posted: Posted) -> Result<Response> {
    writer(&posted.visitor)?;
    let page = Page {
        request,
        visitor: &posted.visitor,
        segment: None,
    };
    let draft = Draft::read(&posted.fields);
    if posted.fields.text("do") == "preview" {
        return page.preview(&draft).await;
    }
    let name = match draft.name.parse() {
        Ok(name) => name,
        Err(error) => return page.wrong(&draft, &misnamed(error)).await,
    };
    let command = CreateSegment {
        name,
        description: draft.description.clone(),
        rule: draft.rule(),
    };
    let created = app(request)?
        .segments
        .create(&posted.visitor.actor, command);
    match created.await {
        Ok(segment) => Ok(redirect(&Done::Created.at(&place(&segment)))),
        Err(error) => page.refused(&draft, error).await,
    }
}

fn misnamed(error: mauntic_crm::segment::InvalidSegmentName) -> Problems {
    Problems {
        name: Some(error.to_string()),
        ..Problems::default()
    }
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
    let page = Page {
        request,
        visitor: &visitor,
        segment: Some(&segment),
    };
    let draft = Draft::of(request, &visitor, &segment).await?;
    let below = if let Some(rule) = &segment.rule {
        let names = tree::names(app(request)?, &visitor, rule).await?;
        let node = tree::of_rule(rule, &names);
        show::card("The rule as a tree", &show::tree(&[node]))
    } else {
        html! {}
    };
    page.show(&draft, &Problems::default(), &html! {}, &below)
        .await
}

/// Changes a segment, if nobody else did meanwhile, or shows whom its rule would fit.
#[handler]
pub(super) async fn update(
    request: &Request,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response> {
    writer(&posted.visitor)?;
    let segment = found(request, &posted.visitor, &id).await?;
    let page = Page {
        request,
        visitor: &posted.visitor,
        segment: Some(&segment),
    };
    let mut draft = Draft::read(&posted.fields);
    if posted.fields.text("do") == "preview" {
        return page.preview(&draft).await;
    }
    let name = match draft.name.parse() {
        Ok(name) => name,
        Err(error) => return page.wrong(&draft, &misnamed(error)).await,
    };
    let command = UpdateSegment {
        name: Some(name),
        description: Some(draft.description.clone()),
        rule: Some(draft.rule()),
        version: Some(draft.version),
        ..UpdateSegment::default()
    };
    let segments = &app(request)?.segments;
    match segments
        .update(&posted.visitor.actor, segment.id, command)
        .await
    {
        Ok(segment) => Ok(redirect(&Done::Saved.at(&place(&segment)))),
        Err(CrmError::VersionMismatch { current }) => {
            // Whoever saves again has seen what is replaced.
            draft.version = current;
            let above = overtaken(&Draft::of(request, &posted.visitor, &segment).await?);
            let page = page
                .show(&draft, &Problems::default(), &above, &html! {})
                .await?;
            Ok(failure::with_status(page, StatusCode::CONFLICT))
        }
        Err(error) => page.refused(&draft, error).await,
    }
}

/// Says that somebody else was faster, and what they saved.
fn overtaken(present: &Draft) -> Markup {
    let text = format!(
        "Somebody changed this segment while you wrote: it is at version {}. Nothing was saved. What you typed is kept below; saving it replaces their change.",
        present.version
    );
    let rule = if present.rule.is_empty() {
        "(static)"
    } else {
        &present.rule
    };
    html! {
        (show::toast(&text, Tone::Bad))
        (show::card("What they saved", &show::values(&[
            ("Name", html! { (present.name) }),
            ("Description", html! { (present.description) }),
            ("Rule", show::code(rule)),
        ])))
    }
}
