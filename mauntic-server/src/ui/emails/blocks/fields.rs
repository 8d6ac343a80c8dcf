//! The fields of blocks: how they are called in the form, and how they are read.

use mauntic_messaging::content::blocks::{Block, EmailStyles};

use super::{Align, BlockContent, BlockId, Color, Condition, Fields, Font, SocialLink, Test};

/// The name of a field of a block.
pub(super) fn name(id: BlockId, field: &str) -> String {
    format!("b.{id}.{field}")
}

/// What was written into the fields of one block.
pub(super) struct Written<'a> {
    fields: &'a Fields,
    id: BlockId,
}

impl<'a> Written<'a> {
    pub(super) fn of(fields: &'a Fields, id: BlockId) -> Self {
        Self { fields, id }
    }

    /// A field as it was sent, but for line breaks, which browsers send as two characters.
    fn find(&self, field: &str) -> Option<String> {
        let found = self.fields.find(&name(self.id, field))?;
        Some(found.replace("\r\n", "\n"))
    }

    fn text(&self, field: &str, into: &mut String) {
        if let Some(text) = self.find(field) {
            *into = text;
        }
    }

    fn optional(&self, field: &str, into: &mut Option<String>) {
        if let Some(text) = self.find(field) {
            *into = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        }
    }

    fn align(&self, into: &mut Align) {
        let text = self.find("align");
        let found = Align::ALL
            .into_iter()
            .find(|align| Some(align.as_str()) == text.as_deref());
        *into = found.unwrap_or(*into);
    }

    /// A number; what is none is a problem, and the number stays.
    fn number<T: std::str::FromStr>(
        &self,
        field: &str,
        into: &mut T,
        problems: &mut Vec<(BlockId, String)>,
    ) {
        let Some(text) = self.find(field) else { return };
        match text.trim().parse() {
            Ok(number) => *into = number,
            Err(_) => problems.push((
                self.id,
                format!("{} is not a number that can be used here", text.trim()),
            )),
        }
    }

    fn color(&self, field: &str, into: &mut Option<Color>, problems: &mut Vec<(BlockId, String)>) {
        let mut text = None;
        self.optional(field, &mut text);
        match text.as_deref().map(str::parse::<Color>) {
            None if self.find(field).is_some() => *into = None,
            None => {}
            Some(Ok(color)) => *into = Some(color),
            Some(Err(error)) => problems.push((self.id, error.to_string())),
        }
    }

    /// Puts what was written into the block. A block that was not in the form stays as it is.
    pub(super) fn into_block(self, block: &mut Block, problems: &mut Vec<(BlockId, String)>) {
        // A box that is not ticked is not sent: this tells that it was there.
        if self.find("here").is_none() {
            return;
        }
        self.color("background", &mut block.background, problems);
        match &mut block.content {
            BlockContent::Heading { text, level, align } => {
                self.text("text", text);
                self.number("level", level, problems);
                self.align(align);
            }
            BlockContent::Text { markdown, align } => {
                self.text("text", markdown);
                self.align(align);
            }
            BlockContent::Image {
                src,
                alt,
                href,
                width,
                align,
            } => {
                self.text("src", src);
                self.text("alt", alt);
                self.optional("href", href);
                let mut text = None;
                self.optional("width", &mut text);
                if self.find("width").is_some() {
                    let mut number = 0;
                    *width = text.map(|_| {
                        self.number("width", &mut number, problems);
                        number
                    });
                }
                self.align(align);
            }
            BlockContent::Button {
                label,
                href,
                align,
                color,
                full_width,
            } => {
                self.text("text", label);
                self.text("href", href);
                self.align(align);
                self.color("color", color, problems);
                *full_width = self.find("full_width").is_some();
            }
            BlockContent::Columns { columns } => {
                for (index, column) in columns.iter_mut().enumerate() {
                    self.number(&format!("width.{index}"), &mut column.width, problems);
                }
            }
            BlockContent::Divider { color } => self.color("color", color, problems),
            BlockContent::Spacer { height } => self.number("height", height, problems),
            BlockContent::Social { links, align } => {
                for (index, SocialLink { name, href }) in links.iter_mut().enumerate() {
                    self.text(&format!("name.{index}"), name);
                    self.text(&format!("href.{index}"), href);
                }
                self.align(align);
            }
            BlockContent::Html { html } => self.text("html", html),
            BlockContent::Conditional { condition, .. } => self.condition(condition),
        }
    }

    fn condition(&self, condition: &mut Condition) {
        let Some(test) = self.find("test") else {
            return;
        };
        let (mut field, mut value) = (String::new(), String::new());
        self.text("field", &mut field);
        self.text("value", &mut value);
        let test = match test.as_str() {
            "expression" => {
                let mut expression = String::new();
                self.text("expression", &mut expression);
                *condition = Condition::Expression { expression };
                return;
            }
            "empty" => Test::Empty,
            "equals" => Test::Equals(value),
            "differs" => Test::Differs(value),
            "contains" => Test::Contains(value),
            _ => Test::Set,
        };
        let field = field.trim().to_owned();
        *condition = Condition::Field { field, test };
    }
}

/// Reads the style of the email; what cannot be used stays as it was.
pub(super) fn styles(fields: &Fields, styles: &mut EmailStyles) {
    let color = |name: &str, into: &mut Color| {
        *into = fields
            .text(&format!("style.{name}"))
            .parse()
            .unwrap_or(*into);
    };
    color("background", &mut styles.background);
    color("content_background", &mut styles.content_background);
    color("text_color", &mut styles.text_color);
    color("link_color", &mut styles.link_color);
    color("button_color", &mut styles.button_color);
    color("button_text_color", &mut styles.button_text_color);
    let font = fields.text("style.font");
    let found = Font::ALL.into_iter().find(|known| known.as_str() == font);
    styles.font = found.unwrap_or(styles.font);
    let width = fields.text("style.width").parse();
    styles.width = width.unwrap_or(styles.width);
    let size = fields.text("style.font_size").parse();
    styles.font_size = size.unwrap_or(styles.font_size);
    let radius = fields.text("style.radius").parse();
    styles.radius = radius.unwrap_or(styles.radius);
    *styles = styles.clone().clamped();
}
