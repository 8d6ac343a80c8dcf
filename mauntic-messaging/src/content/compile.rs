//! From what people write to what is rendered: once per saved version.

use std::{borrow::Cow, sync::OnceLock};

use chrono::{DateTime, Utc};
use mauntic_core::TimeZoneName;
use minijinja::{Environment, context};

use super::{
    blocks::{BlockDocument, BlockMjml},
    compiled::{CompiledEmail, RenderError, Rendered},
    html::{self, Frame},
    links::Collector,
    mask::{Masked, Piece, Syntax},
    mjml,
    problem::{Location, Part, Problem, Severity},
    recipient::{OrganizationDetails, RecipientContext, RenderOptions},
    scan::{Event, Reader},
    source::{Body, EmailSource, MAX_BODY, MAX_LINE},
    template,
    variables::Variables,
};

/// Gmail cuts messages longer than this and hides the rest, the unsubscribe link included.
const GMAIL_CLIPS_AT: usize = 102 * 1_024;
const LAYOUT: u16 = 1;

/// Checks an email and prepares it for rendering.
///
/// # Errors
/// Everything that is wrong with it, errors and warnings, if there is at least one error.
pub fn compile(source: &EmailSource, variables: &Variables) -> Result<CompiledEmail, Vec<Problem>> {
    let mut compiler = Compiler {
        variables,
        environment: template::environment(),
        problems: Vec::new(),
    };
    let written = Written::of(&source.body);
    let compiled = compiler.compile(source, &written);
    let mut problems = compiler.problems;
    written.place(&mut problems);
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    match compiled {
        Some(compiled)
            if problems
                .iter()
                .all(|problem| problem.severity == Severity::Warning) =>
        {
            Ok(CompiledEmail {
                warnings: problems,
                ..compiled
            })
        }
        _ => Err(problems),
    }
}

/// The body as text, and where its lines come from.
struct Written<'a> {
    markup: Cow<'a, str>,
    mjml: bool,
    blocks: Option<(&'a BlockDocument, BlockMjml)>,
}

impl<'a> Written<'a> {
    fn of(body: &'a Body) -> Self {
        let (markup, blocks) = match body {
            Body::Html(source) | Body::Mjml(source) => (Cow::Borrowed(source.as_str()), None),
            Body::Blocks(document) => {
                let mut made = document.to_mjml();
                let mjml = std::mem::take(&mut made.mjml);
                (Cow::Owned(mjml), Some((document, made)))
            }
        };
        Self {
            markup,
            mjml: !matches!(body, Body::Html(_)),
            blocks,
        }
    }

    /// What is wrong with blocks whatever they say.
    fn shape_problems(&self) -> Vec<Problem> {
        let Some((document, _)) = &self.blocks else {
            return Vec::new();
        };
        let problems = document.shape_problems().into_iter();
        problems
            .map(|(block, message)| Problem::error("block", Location::block(block), message))
            .collect()
    }

    /// Names blocks where there are no lines that people wrote.
    fn place(&self, problems: &mut [Problem]) {
        let Some((_, made)) = &self.blocks else {
            return;
        };
        for location in problems.iter_mut().map(|problem| &mut problem.location) {
            if location.part == Part::Body && location.block.is_none() {
                location.block = location.line.and_then(|line| made.block_at(line));
                (location.line, location.column) = (None, None);
            }
        }
    }
}

struct Compiler<'a> {
    variables: &'a Variables,
    environment: Environment<'static>,
    problems: Vec<Problem>,
}

impl Compiler<'_> {
    fn compile(&mut self, source: &EmailSource, written: &Written<'_>) -> Option<CompiledEmail> {
        self.problems.extend(written.shape_problems());
        let subject = self.line(Part::Subject, &source.subject);
        if source.subject.trim().is_empty() {
            self.problems.push(
                Problem::error(
                    "empty_subject",
                    Location::whole(Part::Subject),
                    "the subject is empty",
                )
                .fix("write a subject"),
            );
        }
        let preheader = self.optional_line(Part::Preheader, source.preheader.as_deref());
        let from_name = self.optional_line(Part::FromName, source.from_name.as_deref());
        let from_address = self.optional_line(Part::FromAddress, source.from_address.as_deref());
        let reply_to = self.optional_line(Part::ReplyTo, source.reply_to.as_deref());
        let body = self.masked(Part::Body, &written.markup, Syntax::Html, MAX_BODY);
        let own_text = source
            .text
            .as_deref()
            .filter(|text| !text.trim().is_empty());
        let text = own_text.map(|text| self.masked(Part::Text, text, Syntax::Text, MAX_BODY));
        if self.has_errors() {
            return None;
        }
        let mut links = Collector::default();
        let (html, generated) = self.body(
            source,
            written,
            body?,
            preheader.is_some(),
            text.is_none(),
            &mut links,
        )?;
        let text = match text {
            None => generated,
            Some(text) => {
                let mut text = text?;
                links.rewrite_text(&mut text);
                text.reveal(&text.text)
            }
        };
        let compiled = CompiledEmail {
            layout: LAYOUT,
            subject,
            preheader,
            html,
            text,
            from_name,
            from_address,
            reply_to,
            links: links.links,
            warnings: Vec::new(),
            prepared: OnceLock::new(),
        };
        self.check_result(&compiled, source);
        Some(compiled)
    }

    fn has_errors(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }

    /// A part that becomes a header.
    fn line(&mut self, part: Part, source: &str) -> String {
        if source.contains(['\r', '\n', '\0']) {
            let at = source.find(['\r', '\n', '\0']).unwrap_or_default();
            let message = format!(
                "a line break in the {} would end the header",
                part.name().replace('_', " ")
            );
            self.problems.push(
                Problem::error("line_break", Location::at(part, source, at), message)
                    .fix("remove it"),
            );
            return String::new();
        }
        self.masked(part, source.trim(), Syntax::Text, MAX_LINE)
            .map(|masked| masked.reveal(&masked.text))
            .unwrap_or_default()
    }

    fn optional_line(&mut self, part: Part, source: Option<&str>) -> Option<String> {
        let source = source.filter(|source| !source.trim().is_empty())?;
        Some(self.line(part, source))
    }

    /// Hides the code of a part and checks it; `None` if the part is too long to be looked at.
    fn masked(&mut self, part: Part, source: &str, syntax: Syntax, limit: usize) -> Option<Masked> {
        if source.len() > limit {
            let message = format!("it is {} bytes long; the limit is {limit}", source.len());
            self.problems
                .push(Problem::error("too_long", Location::whole(part), message));
            return None;
        }
        let (masked, problems) = Masked::new(source, syntax, part);
        let readable = problems
            .iter()
            .all(|problem| problem.code != "template_syntax");
        self.problems.extend(problems);
        if readable {
            self.check_code(part, source, &masked);
        }
        Some(masked)
    }

    /// Checks the code of a part on its own, so that lines are those of the source.
    fn check_code(&mut self, part: Part, source: &str, masked: &Masked) {
        let before = self.problems.len();
        for piece in &masked.pieces {
            let location = Location::at(part, source, piece.offset);
            for refused in template::refused(&self.environment, &piece.code) {
                let problem = Problem::error(refused.code, location, refused.message);
                self.problems.push(Problem {
                    fix: refused.fix,
                    ..problem
                });
            }
        }
        // What is refused must not run, not even once.
        let runs = self.problems.len() == before;
        let code = masked.code_only(source);
        let template = match self.environment.template_from_named_str("code", &code) {
            Ok(template) => template,
            Err(error) => {
                self.problems
                    .push(code_problem("template_syntax", part, &error));
                return;
            }
        };
        let mut unknown: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        unknown.retain(|name| !self.variables.knows(name) && !is_global(&self.environment, name));
        unknown.sort();
        let failed = if runs {
            template.render(context! {}).err()
        } else {
            None
        };
        let failed = failed.map(|error| code_problem("template_fails", part, &error));
        let found: Vec<Problem> = unknown
            .iter()
            .map(|name| unknown_variable(part, source, masked, name, self.variables))
            .collect();
        // What is unknown is also undefined: one message is enough.
        if found.is_empty() {
            self.problems.extend(failed);
        }
        self.problems.extend(found);
    }

    /// The HTML with its code, and the text part made from it if one is wanted.
    fn body(
        &mut self,
        source: &EmailSource,
        written: &Written<'_>,
        mut masked: Masked,
        preheader: bool,
        wants_text: bool,
        links: &mut Collector,
    ) -> Option<(String, String)> {
        self.check_unsubscribe(&masked, source);
        let result = Self::build(
            written,
            &mut masked,
            preheader,
            wants_text,
            links,
            self.variables,
        );
        match result {
            Ok((html, text, warnings)) => {
                self.problems.extend(warnings);
                Some((html, text))
            }
            Err(problems) => {
                debug_assert!(!written.markup.is_empty() || !problems.is_empty());
                self.problems.extend(problems);
                None
            }
        }
    }

    fn build(
        body: &Written<'_>,
        masked: &mut Masked,
        preheader: bool,
        wants_text: bool,
        links: &mut Collector,
        variables: &Variables,
    ) -> Result<(String, String, Vec<Problem>), Vec<Problem>> {
        let written: &str = &body.markup;
        let nothing = match &body.blocks {
            Some((document, _)) => document.blocks.is_empty(),
            None => written.trim().is_empty(),
        };
        if nothing {
            let problem = Problem::error(
                "empty_body",
                Location::whole(Part::Body),
                "the body is empty",
            );
            return Err(vec![problem.fix("write something")]);
        }
        let (html, mut warnings) = if body.mjml {
            mjml::to_html(masked, written)?
        } else {
            html::check_depth(masked, written).map_or(Ok(()), |problem| Err(vec![problem]))?;
            (masked.protected(&masked.text), Vec::new())
        };
        let one = |problem: Problem| vec![problem];
        let html = html::inline_styles(&html).map_err(one)?;
        warnings.extend(html::missing_alt(&html));
        let html = links.rewrite_html(&html, masked).map_err(one)?;
        let text = if wants_text {
            html::to_text(&html, masked).map_err(one)?
        } else {
            String::new()
        };
        let text = masked.reveal(&text);
        let has_pixel = masked
            .pieces
            .iter()
            .any(|piece| piece.code.contains("tracking_pixel"));
        let title = masked.add("{{ subject }}".to_owned(), 0);
        let preheader = preheader.then(|| masked.add("{{ preheader }}".to_owned(), 0));
        let pixel = (!has_pixel).then(|| masked.add("{{ mauntic.pixel() }}".to_owned(), 0));
        let frame = Frame {
            language: variables.language(),
            title: &title,
            preheader: preheader.as_deref(),
            pixel: pixel.as_deref(),
        };
        let html = html::complete(&html, &frame).map_err(one)?;
        Ok((masked.reveal(&html), text, warnings))
    }

    fn check_unsubscribe(&mut self, body: &Masked, source: &EmailSource) {
        if !self.variables.unsubscribe_required() {
            return;
        }
        if !body.pieces.iter().any(leaves) {
            self.no_unsubscribe("there is no unsubscribe link", source);
        }
        let text = source
            .text
            .as_deref()
            .filter(|text| !text.trim().is_empty());
        if text.is_some_and(|text| !text.contains("unsubscribe_") && !text.contains("dnc_url")) {
            let message = "the text part has no unsubscribe link";
            let problem =
                Problem::warning("missing_unsubscribe", Location::whole(Part::Text), message);
            self.problems.push(problem.fix("add {{ unsubscribe_url }}"));
        }
    }

    fn no_unsubscribe(&mut self, message: &str, source: &EmailSource) {
        let fix = match source.body {
            Body::Html(_) => "add <a href=\"{{ unsubscribe_url }}\">Unsubscribe</a>",
            Body::Mjml(_) => {
                "add <mj-text><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a></mj-text>"
            }
            Body::Blocks(_) => "add [Unsubscribe]({{ unsubscribe_url }}) to a text block",
        };
        let problem = Problem::error("missing_unsubscribe", Location::whole(Part::Body), message);
        self.problems.push(problem.fix(fix));
    }

    /// The code may name the link and yet show none: in a comment, or where the code does not get to. Recipients of whom
    /// nothing is known have to see it too.
    fn check_shown(&mut self, rendered: &Rendered, source: &EmailSource) {
        let is_told = self.problems.iter().any(|problem| {
            problem.code == "missing_unsubscribe" && problem.severity == Severity::Error
        });
        if is_told || !self.variables.unsubscribe_required() {
            return;
        }
        let shown = without_comments(&rendered.html);
        if !shown.contains(&rendered.unsubscribe_url) {
            let message =
                "the unsubscribe link is in a comment, or in a part that not everybody gets";
            self.no_unsubscribe(message, source);
        }
    }

    /// Renders the result once: HTML may have moved code to where it means something else.
    fn check_result(&mut self, compiled: &CompiledEmail, source: &EmailSource) {
        if compiled.html.len() > GMAIL_CLIPS_AT {
            let size = compiled.html.len() / 1_024;
            let message = format!("the HTML is {size} KiB; Gmail hides what follows the first 102");
            self.problems.push(
                Problem::warning("too_long_for_gmail", Location::whole(Part::Body), message)
                    .fix("shorten it"),
            );
        }
        let organization = OrganizationDetails {
            name: String::new(),
            address: String::new(),
            timezone: TimeZoneName::utc(),
        };
        let recipient = RecipientContext {
            contact_id: None,
            address: None,
            fields: &serde_json::Map::new(),
            records: &[],
            organization: &organization,
            timezone: None,
            locale: None,
            now: DateTime::<Utc>::UNIX_EPOCH,
        };
        let options = RenderOptions {
            base_url: "https://example.com",
            tracking: None,
        };
        match compiled.render(&recipient, &options) {
            Ok(rendered) => self.check_shown(&rendered, source),
            Err(RenderError::Template { part, message }) => {
                let message =
                    format!("template code stands where HTML moves or drops it: {message}");
                let problem = Problem::error("misplaced_code", Location::whole(part), message);
                self.problems
                    .push(problem.fix("put control code around whole elements"));
            }
            Err(RenderError::TooLong { part }) => {
                self.problems.push(Problem::error(
                    "too_long",
                    Location::whole(part),
                    "the rendered result is longer than 2 MiB",
                ));
            }
        }
    }
}

/// Whether code names a link that leads out.
fn leaves(piece: &Piece) -> bool {
    ["unsubscribe_url", "dnc_url"]
        .iter()
        .any(|name| piece.code.contains(name))
}

fn without_comments(html: &str) -> String {
    let (mut shown, mut from) = (String::with_capacity(html.len()), 0);
    for event in Reader::new(html) {
        if let Event::Comment(start, end) = event {
            shown.push_str(&html[from..start]);
            from = end;
        }
    }
    shown.push_str(&html[from..]);
    shown
}

fn code_problem(code: &str, part: Part, error: &minijinja::Error) -> Problem {
    let line = error.line().and_then(|line| u32::try_from(line).ok());
    Problem::error(
        code,
        Location {
            part,
            line,
            column: None,
            block: None,
        },
        template::message(error),
    )
}

fn is_global(environment: &Environment<'_>, name: &str) -> bool {
    let first = name.split('.').next().unwrap_or_default();
    environment.globals().any(|(global, _)| global == first) || first == "loop"
}

fn unknown_variable(
    part: Part,
    source: &str,
    masked: &Masked,
    name: &str,
    variables: &Variables,
) -> Problem {
    let piece = masked.pieces.iter().find(|piece| piece.code.contains(name));
    let location = piece.map_or(Location::whole(part), |piece| {
        let within = source[piece.offset.min(source.len())..]
            .find(name)
            .unwrap_or_default();
        Location::at(part, source, piece.offset + within)
    });
    let problem = Problem::error(
        "unknown_variable",
        location,
        format!("there is nothing called `{name}`"),
    );
    match variables.most_like(name) {
        Some(known) => problem.fix(format!("did you mean `{known}`?")),
        None => problem,
    }
}
