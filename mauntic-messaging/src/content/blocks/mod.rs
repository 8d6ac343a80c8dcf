//! Emails built from blocks: what the block editor edits, and what becomes MJML when the email is saved.
//!
//! A [`BlockDocument`] is plain data. [`BlockDocument::to_mjml`] writes it as MJML, which then takes the way of every
//! other MJML body; [`edit`] has the steps of an editor (insert, move, duplicate, remove).

mod condition;
pub mod edit;
mod mjml;
mod style;
mod text;

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scan::{Event, Reader};
pub use condition::{Condition, Test};
pub use mjml::BlockMjml;

pub use style::{Align, Color, EmailStyles, Font, InvalidColor};

/// The most blocks an email may have, those inside others included.
pub const MAX_BLOCKS: usize = 300;
/// How deep blocks may stand in blocks: a condition in a condition in a condition, and no further.
pub const MAX_NESTING: usize = 4;

/// An email as a list of blocks and the style that they share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct BlockDocument {
    /// How the email looks.
    #[serde(default)]
    pub styles: EmailStyles,
    /// What it shows, from top to bottom.
    pub blocks: Vec<Block>,
}

/// The number of a block, unique in its document. It stays with the block while the block moves.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct BlockId(pub u32);

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BlockId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// One block.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EmailBlock")]
pub struct Block {
    /// Names it within the document.
    pub id: BlockId,
    /// What stands behind it, from edge to edge of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Color>,
    /// What it shows.
    #[serde(flatten)]
    pub content: BlockContent,
}

/// What a block shows. Texts may hold template code and tokens known from Mautic, addresses too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BlockContent {
    /// A headline.
    Heading {
        /// What it says.
        text: String,
        /// 1 is the largest, 3 the smallest.
        #[serde(default = "one")]
        level: u8,
        /// Where it stands.
        #[serde(default)]
        align: Align,
    },
    /// Paragraphs, written in Markdown: `**bold**`, `*italic*`, `[a link](https://example.com)`, lists.
    Text {
        /// The Markdown. HTML in it is shown as it is written; [`Html`](Self::Html) is for that.
        markdown: String,
        /// Where the lines begin.
        #[serde(default)]
        align: Align,
    },
    /// A picture.
    Image {
        /// Where it is.
        src: String,
        /// What it shows, for those who do not see it; empty for decoration.
        #[serde(default)]
        alt: String,
        /// Where a click on it leads.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        href: Option<String>,
        /// How wide it is, in pixels; as wide as there is room without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        width: Option<u16>,
        /// Where it stands.
        #[serde(default)]
        align: Align,
    },
    /// A button that leads somewhere.
    Button {
        /// What it says.
        label: String,
        /// Where it leads.
        href: String,
        /// Where it stands.
        #[serde(default)]
        align: Align,
        /// Its colour, if it is not the email's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        color: Option<Color>,
        /// Whether it is as wide as there is room.
        #[serde(default)]
        full_width: bool,
    },
    /// Blocks side by side; on a phone one below the other.
    Columns {
        /// Two to four columns.
        columns: Vec<Column>,
    },
    /// A line across.
    Divider {
        /// Its colour, if it is not the text's with less contrast.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        color: Option<Color>,
    },
    /// Room.
    Spacer {
        /// How much of it, in pixels: 1 to 200.
        height: u16,
    },
    /// Links to profiles elsewhere, as words: icons would have to be loaded from somebody else's server.
    Social {
        /// The links.
        links: Vec<SocialLink>,
        /// Where they stand.
        #[serde(default)]
        align: Align,
    },
    /// HTML, for what no other block does.
    Html {
        /// The HTML, as well-formed as MJML wants it.
        html: String,
    },
    /// Blocks that only some see.
    Conditional {
        /// Who sees them.
        condition: Condition,
        /// What they see.
        blocks: Vec<Block>,
        /// What everybody else sees.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        otherwise: Vec<Block>,
    },
}

/// A column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BlockColumn")]
pub struct Column {
    /// Its part of the width, in percent; equal parts if it is 0.
    #[serde(default)]
    pub width: u8,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

/// A link to a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SocialLink {
    /// What it is called: `Mastodon`, `LinkedIn`, …
    pub name: String,
    /// Where it is.
    pub href: String,
}

const fn one() -> u8 {
    1
}

impl BlockContent {
    /// The name of the kind, as in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Heading { .. } => "heading",
            Self::Text { .. } => "text",
            Self::Image { .. } => "image",
            Self::Button { .. } => "button",
            Self::Columns { .. } => "columns",
            Self::Divider { .. } => "divider",
            Self::Spacer { .. } => "spacer",
            Self::Social { .. } => "social",
            Self::Html { .. } => "html",
            Self::Conditional { .. } => "conditional",
        }
    }

    /// The lists of blocks within, in the order of reading.
    pub fn children(&self) -> impl Iterator<Item = &Vec<Block>> {
        let (columns, blocks, otherwise) = match self {
            Self::Columns { columns } => (columns.as_slice(), None, None),
            Self::Conditional {
                blocks, otherwise, ..
            } => ([].as_slice(), Some(blocks), Some(otherwise)),
            _ => ([].as_slice(), None, None),
        };
        columns
            .iter()
            .map(|column| &column.blocks)
            .chain(blocks)
            .chain(otherwise)
    }

    /// The lists of blocks within, for changing them.
    pub fn children_mut(&mut self) -> Vec<&mut Vec<Block>> {
        match self {
            Self::Columns { columns } => columns
                .iter_mut()
                .map(|column| &mut column.blocks)
                .collect(),
            Self::Conditional {
                blocks, otherwise, ..
            } => vec![blocks, otherwise],
            _ => Vec::new(),
        }
    }
}

impl BlockDocument {
    /// All blocks, those inside others included, each before what stands in it, with its depth from 0.
    #[must_use]
    pub fn all(&self) -> Vec<(&Block, usize)> {
        let mut found = Vec::new();
        collect(&self.blocks, 0, &mut found);
        found
    }

    /// The block of that id.
    #[must_use]
    pub fn find(&self, id: BlockId) -> Option<&Block> {
        self.all()
            .into_iter()
            .map(|(block, _)| block)
            .find(|block| block.id == id)
    }

    /// The block of that id, for changing it.
    pub fn find_mut(&mut self, id: BlockId) -> Option<&mut Block> {
        find_in(&mut self.blocks, id)
    }

    /// What is wrong with the document's shape, each with the block it concerns. What blocks say is checked by
    /// [`compile`](super::compile).
    #[must_use]
    pub fn shape_problems(&self) -> Vec<(BlockId, String)> {
        let all = self.all();
        let mut problems = Vec::new();
        if all.len() > MAX_BLOCKS {
            let (last, _) = all[all.len() - 1];
            let message = format!("there are {} blocks; the limit is {MAX_BLOCKS}", all.len());
            problems.push((last.id, message));
        }
        let mut ids: Vec<_> = all.iter().map(|(block, _)| block.id).collect();
        ids.sort_unstable();
        for pair in ids.windows(2).filter(|pair| pair[0] == pair[1]) {
            problems.push((pair[0], "two blocks have this id".to_owned()));
        }
        for (block, depth) in all {
            problems.extend(
                block
                    .problem(depth)
                    .map(|message| (block.id, message.to_owned())),
            );
        }
        problems
    }
}

impl Block {
    fn problem(&self, depth: usize) -> Option<&'static str> {
        let nested = |column: &Column| {
            let inner = BlockDocument {
                styles: EmailStyles::default(),
                blocks: column.blocks.clone(),
            };
            inner
                .all()
                .iter()
                .any(|(block, _)| matches!(block.content, BlockContent::Columns { .. }))
        };
        let widths = |columns: &[Column]| {
            let sum: u32 = columns.iter().map(|column| u32::from(column.width)).sum();
            sum != 0 && (sum != 100 || columns.iter().any(|column| column.width == 0))
        };
        match &self.content {
            _ if depth >= MAX_NESTING => Some("blocks are nested too deep"),
            BlockContent::Columns { columns } if !(2..=4).contains(&columns.len()) => {
                Some("there must be two to four columns")
            }
            BlockContent::Columns { columns } if widths(columns) => {
                Some("the widths of the columns must add up to 100 percent")
            }
            BlockContent::Columns { columns } if columns.iter().any(nested) => {
                Some("columns cannot stand inside columns")
            }
            BlockContent::Spacer { height } if !(1..=200).contains(height) => {
                Some("the height must be 1 to 200 pixels")
            }
            BlockContent::Heading { level, .. } if !(1..=3).contains(level) => {
                Some("the level of a heading is 1, 2 or 3")
            }
            BlockContent::Heading { text, .. } if text.trim().is_empty() => {
                Some("the heading is empty")
            }
            BlockContent::Image { src, .. } if src.trim().is_empty() => {
                Some("the image has no address yet")
            }
            BlockContent::Image {
                width: Some(width), ..
            } if !(8..=1_200).contains(width) => Some("the width must be 8 to 1200 pixels"),
            BlockContent::Button { label, .. } if label.trim().is_empty() => {
                Some("the button says nothing")
            }
            BlockContent::Button { href, .. } if href.trim().is_empty() => {
                Some("the button leads nowhere yet")
            }
            BlockContent::Social { links, .. }
                if links
                    .iter()
                    .any(|link| link.name.trim().is_empty() || link.href.trim().is_empty()) =>
            {
                Some("each profile needs a name and an address")
            }
            BlockContent::Html { html } if !is_balanced(html) => {
                Some("a tag of the HTML is left open, or closed in the wrong place")
            }
            BlockContent::Conditional { condition, .. } => condition.problem(),
            _ => None,
        }
    }
}

/// Whether each tag is closed where MJML wants it.
fn is_balanced(html: &str) -> bool {
    let mut open = Vec::new();
    for event in Reader::new(html) {
        match event {
            Event::Open {
                name, empty: false, ..
            } => open.push(name),
            Event::Close { name } if open.pop() != Some(name) => return false,
            _ => {}
        }
    }
    open.is_empty()
}

fn collect<'a>(blocks: &'a [Block], depth: usize, found: &mut Vec<(&'a Block, usize)>) {
    for block in blocks {
        found.push((block, depth));
        for inner in block.content.children() {
            collect(inner, depth + 1, found);
        }
    }
}

fn find_in(blocks: &mut [Block], id: BlockId) -> Option<&mut Block> {
    for block in blocks {
        if block.id == id {
            return Some(block);
        }
        for inner in block.content.children_mut() {
            if let Some(found) = find_in(inner, id) {
                return Some(found);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
