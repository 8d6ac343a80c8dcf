use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use minijinja::{Environment, value::Value};
use serde::{Deserialize, Serialize};

use super::{
    links::Link,
    problem::{Part, Problem},
    recipient::{Names, RecipientContext, RenderOptions},
    template,
};

/// The longest rendered part, in bytes.
const MAX_OUTPUT: usize = 2 << 20;

/// A saved version of an email, checked and ready to be rendered. It is stored as JSON; a version that was read
/// back parses its templates at the first rendering and keeps them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CompiledEmail {
    /// The layout of this record, so that later programs can read earlier ones.
    pub(super) layout: u16,
    pub(super) subject: String,
    pub(super) preheader: Option<String>,
    pub(super) html: String,
    pub(super) text: String,
    pub(super) from_name: Option<String>,
    pub(super) from_address: Option<String>,
    pub(super) reply_to: Option<String>,
    pub(super) links: Vec<Link>,
    pub(super) warnings: Vec<Problem>,
    #[serde(skip)]
    pub(super) prepared: OnceLock<Arc<Prepared>>,
}

/// The parsed templates of a version.
#[derive(Debug)]
pub(super) struct Prepared {
    environment: Environment<'static>,
    links: Arc<[Link]>,
}

/// A mail to one recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The subject, on one line.
    pub subject: String,
    /// The preview text, which also stands hidden in the HTML.
    pub preheader: Option<String>,
    /// The HTML part.
    pub html: String,
    /// The text part.
    pub text: String,
    /// The sender's name, if the email has one of its own.
    pub from_name: Option<String>,
    /// The sender's address, if the email has one of its own; it may turn out not to be an address.
    pub from_address: Option<String>,
    /// The address for answers, if the email has one; it may turn out not to be an address.
    pub reply_to: Option<String>,
    /// Where the recipient can leave, for the `List-Unsubscribe` header.
    pub unsubscribe_url: String,
    /// Where the mail can be read in a browser.
    pub web_view_url: String,
}

impl std::fmt::Debug for Rendered {
    /// Leaves out everything that holds personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rendered")
            .field("html_bytes", &self.html.len())
            .finish_non_exhaustive()
    }
}

/// Why a mail could not be rendered for a recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The template failed.
    #[error("the {} could not be rendered: {message}", part.name())]
    Template {
        /// The part that failed.
        part: Part,
        /// What the template engine said; it may repeat text of the template, never of the contact.
        message: String,
    },
    /// The result is too long.
    #[error("the rendered {} is longer than 2 MiB", part.name())]
    TooLong {
        /// The part that is too long.
        part: Part,
    },
}

impl CompiledEmail {
    /// The links, by number.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The link of a number.
    #[must_use]
    pub fn link(&self, index: u16) -> Option<&Link> {
        self.links.get(usize::from(index))
    }

    /// What somebody should look at although the email could be saved.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The subject's template.
    #[must_use]
    pub fn subject_template(&self) -> &str {
        &self.subject
    }

    /// Whether its templates name who looks after the recipient.
    #[must_use]
    pub fn shows_owner(&self) -> bool {
        let names = self.names();
        names
            .iter()
            .any(|name| name.split('.').next() == Some("owner"))
    }

    /// What its templates name, with the dots.
    fn names(&self) -> BTreeSet<String> {
        let Ok(prepared) = self.prepared() else {
            return BTreeSet::new();
        };
        let templates = prepared.environment.templates();
        templates
            .flat_map(|(_, template)| template.undeclared_variables(true))
            .collect()
    }

    /// The fields of the contact that its templates name, in order.
    #[must_use]
    pub fn contact_fields(&self) -> BTreeSet<String> {
        self.names()
            .iter()
            .filter_map(|name| {
                let field = name.strip_prefix("contact.")?;
                Some(field.split('.').next().unwrap_or(field).to_owned())
            })
            .collect()
    }

    /// Fills in one recipient. The work is bounded, whatever the template does.
    ///
    /// # Errors
    /// [`RenderError`] if the template fails on this recipient's values.
    pub fn render(
        &self,
        recipient: &RecipientContext<'_>,
        options: &RenderOptions<'_>,
    ) -> Result<Rendered, RenderError> {
        let prepared = self.prepared()?;
        let names = Arc::new(Names::new(recipient, options, Arc::clone(&prepared.links)));
        let root = Value::from_dyn_object(Arc::clone(&names));
        let line = |part: Part| prepared.render(part, &root).map(|text| one_line(&text));
        let optional =
            |part: Part, source: &Option<String>| source.is_some().then(|| line(part)).transpose();
        let subject = line(Part::Subject)?;
        let _ = names.subject.set(subject.clone());
        let preheader = optional(Part::Preheader, &self.preheader)?;
        if let Some(preheader) = &preheader {
            let _ = names.preheader.set(preheader.clone());
        }
        Ok(Rendered {
            html: prepared.render(Part::Body, &root)?,
            text: prepared.render(Part::Text, &root)?,
            from_name: optional(Part::FromName, &self.from_name)?,
            from_address: optional(Part::FromAddress, &self.from_address)?,
            reply_to: optional(Part::ReplyTo, &self.reply_to)?,
            unsubscribe_url: names.unsubscribe_url().to_owned(),
            web_view_url: names.web_view_url(),
            subject,
            preheader,
        })
    }

    fn prepared(&self) -> Result<Arc<Prepared>, RenderError> {
        if let Some(prepared) = self.prepared.get() {
            return Ok(Arc::clone(prepared));
        }
        let prepared = Arc::new(Prepared::new(self)?);
        Ok(Arc::clone(self.prepared.get_or_init(|| prepared)))
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = (Part, &String)> {
        let optional = [
            (Part::Preheader, &self.preheader),
            (Part::FromName, &self.from_name),
            (Part::FromAddress, &self.from_address),
            (Part::ReplyTo, &self.reply_to),
        ];
        [
            (Part::Subject, &self.subject),
            (Part::Body, &self.html),
            (Part::Text, &self.text),
        ]
        .into_iter()
        .chain(
            optional
                .into_iter()
                .filter_map(|(part, source)| source.as_ref().map(|source| (part, source))),
        )
    }
}

impl PartialEq for CompiledEmail {
    fn eq(&self, other: &Self) -> bool {
        self.links == other.links
            && self.warnings == other.warnings
            && self.parts().eq(other.parts())
    }
}

impl Prepared {
    fn new(email: &CompiledEmail) -> Result<Self, RenderError> {
        let mut environment = template::environment();
        for (part, source) in email.parts() {
            environment
                .add_template_owned(template_name(part), source.clone())
                .map_err(|error| RenderError::Template {
                    part,
                    message: template::message(&error),
                })?;
        }
        Ok(Self {
            environment,
            links: email.links.clone().into(),
        })
    }

    fn render(&self, part: Part, root: &Value) -> Result<String, RenderError> {
        let failed = |error: minijinja::Error| RenderError::Template {
            part,
            message: template::message(&error),
        };
        let template = self
            .environment
            .get_template(template_name(part))
            .map_err(failed)?;
        let output = template.render(root).map_err(failed)?;
        if output.len() > MAX_OUTPUT {
            Err(RenderError::TooLong { part })
        } else {
            Ok(output)
        }
    }
}

const fn template_name(part: Part) -> &'static str {
    match part {
        // The name decides how values are escaped.
        Part::Body => template::HTML,
        other => other.name(),
    }
}

/// Headers are lines: whatever breaks one in a contact's field becomes a space.
fn one_line(text: &str) -> String {
    let breaks =
        |c: char| c.is_control() || c.is_whitespace() || matches!(c, '\u{2028}' | '\u{2029}');
    let mut words = text.split(breaks).filter(|word| !word.is_empty());
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words {
        line.push(' ');
        line.push_str(word);
    }
    line
}
