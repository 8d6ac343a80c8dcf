//! The block editor. Its form holds the whole document, so that every step is one post of the form, with scripting or
//! without, and nothing is kept on the server before it is saved.

mod fields;
mod form;

use mauntic_messaging::content::blocks::{
    Align, BlockContent, BlockDocument, BlockId, Color, Column, Condition, Font, SocialLink, Test,
    edit::{List, Place},
};

use crate::ui::visitor::Fields;

pub(super) use form::{Picker, Shown, editor};

/// The field that holds the document as it was before the form was filled in.
const DOCUMENT: &str = "document";

/// What the form says: the document, and what in it cannot be read, each with its block.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) document: BlockDocument,
    pub(super) problems: Vec<(BlockId, String)>,
}

/// Reads the document and what was written into its fields; `None` if there is none.
pub(super) fn read(fields: &Fields) -> Option<Read> {
    let mut read = Read {
        document: serde_json::from_str(fields.find(DOCUMENT)?).ok()?,
        problems: Vec::new(),
    };
    let ids: Vec<_> = read
        .document
        .all()
        .iter()
        .map(|(block, _)| block.id)
        .collect();
    for id in ids {
        if let Some(block) = read.document.find_mut(id) {
            let written = fields::Written::of(fields, id);
            written.into_block(block, &mut read.problems);
        }
    }
    fields::styles(fields, &mut read.document.styles);
    Some(read)
}

/// Does one step, as the button or the script names it. An unknown step, or one at a block that is gone, does nothing.
/// Returns the block that it was about.
pub(super) fn step(document: &mut BlockDocument, fields: &Fields, step: &str) -> Option<BlockId> {
    let (verb, what) = step.split_once(':')?;
    if verb == "add" {
        let kind = fields.text(&format!("kind.{what}"));
        let place = Place {
            list: list(what)?,
            index: usize::MAX,
        };
        return document.insert(place, BlockContent::of_kind(kind)?);
    }
    let (id, rest) = what.split_once(':').unwrap_or((what, ""));
    let id = id.parse().ok()?;
    match verb {
        "up" | "down" => document.step(id, verb == "down").then_some(id),
        "copy" => document.duplicate(id),
        "delete" => document.remove(id).and(None),
        "move" => {
            let (to, index) = rest.split_once(':')?;
            let place = Place {
                list: list(to)?,
                index: index.parse().ok()?,
            };
            document.move_to(id, place).then_some(id)
        }
        "more" | "fewer" => {
            resize(&mut document.find_mut(id)?.content, verb == "more");
            Some(id)
        }
        _ => None,
    }
}

/// The block that a step chooses an image for, and the rest of what it says.
pub(super) fn of_image(step: &str) -> Option<(BlockId, &str)> {
    let (id, rest) = step.split_once(':').unwrap_or((step, ""));
    Some((id.parse().ok()?, rest))
}

/// Has an image block show what is at an address. Any other block stays as it is.
pub(super) fn show_image(document: &mut BlockDocument, id: BlockId, address: String) {
    let block = document.find_mut(id).map(|block| &mut block.content);
    if let Some(BlockContent::Image { src, .. }) = block {
        *src = address;
    }
}

/// Adds a column or a profile at the end, or takes the last away. A column with blocks stays.
fn resize(content: &mut BlockContent, more: bool) {
    match content {
        BlockContent::Columns { columns } => {
            if more && columns.len() < 4 {
                columns.push(Column::default());
            } else if !more
                && columns.len() > 2
                && columns.last().is_some_and(|last| last.blocks.is_empty())
            {
                columns.pop();
            } else {
                return;
            }
            // The parts were of another number of columns.
            for column in columns {
                column.width = 0;
            }
        }
        BlockContent::Social { links, .. } => {
            if more {
                links.push(SocialLink::default());
            } else {
                links.pop();
            }
        }
        _ => {}
    }
}

/// The name of a list in the form: `top`, or the block and the number of its list.
fn list_name(list: List) -> String {
    match list {
        List::Top => "top".to_owned(),
        List::Within(id, number) => format!("{id}.{number}"),
    }
}

fn list(name: &str) -> Option<List> {
    if name == "top" {
        return Some(List::Top);
    }
    let (id, number) = name.split_once('.')?;
    Some(List::Within(id.parse().ok()?, number.parse().ok()?))
}

/// The name of a kind of block.
fn kind_name(kind: &str) -> &'static str {
    match kind {
        "heading" => "Heading",
        "text" => "Text",
        "image" => "Image",
        "button" => "Button",
        "columns" => "Columns",
        "divider" => "Divider",
        "spacer" => "Spacer",
        "social" => "Social links",
        "html" => "HTML",
        _ => "Conditional",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_back_from_their_names() {
        for at in [List::Top, List::Within(BlockId(3), 1)] {
            assert_eq!(list(&list_name(at)), Some(at));
        }
        for name in ["", "3", "x.1", "3.x"] {
            assert_eq!(list(name), None, "{name}");
        }
    }

    #[test]
    fn steps_change_the_document_or_nothing() {
        let mut document = BlockDocument::starter();
        let before = document.clone();
        let fields = Fields::default();
        for nothing in [
            "",
            "up",
            "up:99",
            "move:1:top",
            "move:1:99.0:0",
            "add:top",
            "fly:1",
        ] {
            assert_eq!(step(&mut document, &fields, nothing), None, "{nothing}");
            assert_eq!(document, before, "{nothing}");
        }
        let first = document.blocks[0].id;
        let down = format!("down:{first}");
        assert_eq!(step(&mut document, &fields, &down), Some(first));
        assert_eq!(document.blocks[1].id, first);
        step(&mut document, &fields, &format!("move:{first}:top:0"));
        assert_eq!(document, before);
        step(&mut document, &fields, &format!("delete:{first}"));
        assert_eq!(document.blocks.len(), before.blocks.len() - 1);
    }

    #[test]
    fn a_column_that_holds_something_is_not_taken_away() {
        let mut content = BlockContent::of_kind("columns").unwrap();
        resize(&mut content, true);
        resize(&mut content, false);
        resize(&mut content, false);
        let BlockContent::Columns { columns } = &mut content else {
            panic!("{content:?}");
        };
        assert_eq!(columns.len(), 2);
        columns.push(Column {
            width: 0,
            blocks: BlockDocument::starter().blocks,
        });
        resize(&mut content, false);
        assert_eq!(content.children().count(), 3);
    }
}
