//! What stands in the form of an email, and what is wrong with it.

use mauntic_messaging::{
    FieldProblem, MessagingError,
    content::{
        Body, EmailSource,
        blocks::{BlockDocument, BlockId},
    },
    email::{InvalidEmailName, SavedEmail},
};
use poem::Result;

use crate::ui::{emails::blocks, failure, visitor::Fields};

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
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) preheader: String,
    pub(super) from_name: String,
    pub(super) from_address: String,
    pub(super) reply_to: String,
    /// `html`, `mjml` or `blocks`.
    pub(super) kind: String,
    /// Of `html` and `mjml`.
    pub(super) body: String,
    /// Of `blocks`.
    pub(super) blocks: blocks::Read,
    pub(super) text: String,
    /// The version that the person saw; empty for a new email.
    pub(super) version: String,
}

impl Draft {
    pub(super) fn starter(kind: &str) -> Self {
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

    pub(super) fn of(saved: &SavedEmail) -> Self {
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
    pub(super) fn read(fields: &Fields) -> Result<Self> {
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
    pub(super) fn source(&self) -> EmailSource {
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
    pub(super) fn step(&mut self, fields: &Fields, step: &str) -> Option<BlockId> {
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
pub(super) struct Wrong {
    /// About the whole.
    pub(super) notice: Option<String>,
    pub(super) problems: Vec<FieldProblem>,
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
    pub(super) fn blocks(read: &blocks::Read) -> Self {
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

    pub(super) fn of(&self, field: &str) -> Option<String> {
        let found = self.problems.iter().find(|problem| problem.field == field);
        found.map(told)
    }
}

pub(super) fn told(problem: &FieldProblem) -> String {
    match problem.line {
        Some(line) => format!("line {line}: {}", problem.message),
        None => problem.message.clone(),
    }
}

/// The name of a field as people see it.
pub(super) fn label(field: &str) -> &str {
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

pub(super) fn unnamed(error: InvalidEmailName) -> Wrong {
    Wrong::name(error.to_string())
}

/// Somebody else was faster. From here on the person knows, and may save over it.
pub(super) fn outdated(draft: &mut Draft, current: i64) -> Wrong {
    draft.version = current.to_string();
    Wrong {
        notice: Some("Somebody changed this email since you opened it, and nothing of yours was saved. Look at theirs in another tab; if you save again, yours replaces it.".to_owned()),
        problems: Vec::new(),
    }
}

/// What the form can tell of a refusal.
pub(super) fn refused(error: MessagingError) -> Result<Wrong> {
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
