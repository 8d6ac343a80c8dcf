//! The steps of an editor over a [`BlockDocument`]. None of them can make a document that has no MJML; what is
//! wrong with it is told by [`BlockDocument::shape_problems`].

use super::{
    Align, Block, BlockContent, BlockDocument, BlockId, Column, Condition, SocialLink, Test,
};

/// A place for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// In which list.
    pub list: List,
    /// Before the block that stands there now; at the end if none does.
    pub index: usize,
}

/// A list of blocks in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// The document's own.
    Top,
    /// One of a block's: the column, or 0 for what a condition shows and 1 for what it shows otherwise.
    Within(BlockId, usize),
}

impl BlockContent {
    /// The names of the kinds that can be added, in the order in which people look for them.
    pub const KINDS: [&'static str; 10] = [
        "heading",
        "text",
        "image",
        "button",
        "columns",
        "divider",
        "spacer",
        "social",
        "html",
        "conditional",
    ];

    /// A new block of a kind with something to start from; `None` for an unknown kind.
    #[must_use]
    pub fn of_kind(kind: &str) -> Option<Self> {
        Some(match kind {
            "heading" => Self::Heading {
                text: "Headline".to_owned(),
                level: 1,
                align: Align::Left,
            },
            "text" => Self::Text {
                markdown: "Write here.".to_owned(),
                align: Align::Left,
            },
            "image" => Self::Image {
                src: String::new(),
                alt: String::new(),
                href: None,
                width: None,
                align: Align::Center,
            },
            "button" => Self::Button {
                label: "Read more".to_owned(),
                href: "https://".to_owned(),
                align: Align::Center,
                color: None,
                full_width: false,
            },
            "columns" => Self::Columns {
                columns: vec![Column::default(), Column::default()],
            },
            "divider" => Self::Divider { color: None },
            "spacer" => Self::Spacer { height: 24 },
            "social" => Self::Social {
                links: vec![SocialLink {
                    name: "Website".to_owned(),
                    href: "https://".to_owned(),
                }],
                align: Align::Center,
            },
            "html" => Self::Html {
                html: "<p></p>".to_owned(),
            },
            "conditional" => Self::Conditional {
                condition: Condition::Field {
                    field: "firstname".to_owned(),
                    test: Test::Set,
                },
                blocks: Vec::new(),
                otherwise: Vec::new(),
            },
            _ => return None,
        })
    }
}

impl BlockDocument {
    /// What a new email begins with: a headline, a text, a button, and a footer with the link to unsubscribe.
    #[must_use]
    pub fn starter() -> Self {
        let mut document = Self::default();
        let footer = BlockContent::Text {
            markdown: "{{ organization.name }}\n{{ organization.address }}\n\n[Unsubscribe]({{ unsubscribe_url }}) · [View in browser]({{ webview_url }})".to_owned(),
            align: Align::Center,
        };
        let greeting = BlockContent::Text {
            markdown: "Hello {{ contact.firstname | default(\"there\", true) }},\n\nwrite your message here.".to_owned(),
            align: Align::Left,
        };
        let contents = ["heading", "button", "divider"].map(|kind| {
            BlockContent::of_kind(kind).unwrap_or(BlockContent::Divider { color: None })
        });
        let [heading, button, divider] = contents;
        for content in [heading, greeting, button, divider, footer] {
            document.insert(END, content);
        }
        document
    }

    /// Adds a block; `None` if there is no such list.
    pub fn insert(&mut self, place: Place, content: BlockContent) -> Option<BlockId> {
        let id = self.free_id();
        self.put(
            place,
            Block {
                id,
                background: None,
                content,
            },
        )
        .then_some(id)
    }

    /// Takes a block out, with what stands in it.
    pub fn remove(&mut self, id: BlockId) -> Option<Block> {
        let place = self.place_of(id)?;
        Some(self.list_mut(place.list)?.remove(place.index))
    }

    /// Puts a copy of a block behind it, and answers with the copy's id.
    pub fn duplicate(&mut self, id: BlockId) -> Option<BlockId> {
        let place = self.place_of(id)?;
        let mut copy = self.find(id)?.clone();
        let mut next = self.free_id();
        renumber(&mut copy, &mut next);
        let made = copy.id;
        let index = place.index + 1;
        self.put(Place { index, ..place }, copy).then_some(made)
    }

    /// Moves a block to a place, as counted before it is taken out. `false`, and nothing done, if there is no such
    /// block or list, or the list is within the block.
    pub fn move_to(&mut self, id: BlockId, mut place: Place) -> bool {
        let Some(from) = self.place_of(id) else {
            return false;
        };
        if let List::Within(parent, _) = place.list {
            let within = self.find(id).is_some_and(|block| {
                let inner = Self {
                    blocks: vec![block.clone()],
                    ..Self::default()
                };
                inner.find(parent).is_some()
            });
            if within {
                return false;
            }
        }
        if self.list_mut(place.list).is_none() {
            return false;
        }
        if from.list == place.list && from.index < place.index {
            place.index -= 1;
        }
        match self.remove(id) {
            Some(block) => self.put(place, block),
            None => false,
        }
    }

    /// Moves a block one step up (`false` if it is the first of all) or down. At the end of a column or condition it
    /// goes out of it.
    pub fn step(&mut self, id: BlockId, down: bool) -> bool {
        let Some(place) = self.place_of(id) else {
            return false;
        };
        let length = self.list_mut(place.list).map_or(0, |list| list.len());
        let within = if down {
            place.index + 1 < length
        } else {
            place.index > 0
        };
        if within {
            let index = if down {
                place.index + 2
            } else {
                place.index - 1
            };
            return self.move_to(id, Place { index, ..place });
        }
        let List::Within(parent, _) = place.list else {
            return false;
        };
        let Some(outer) = self.place_of(parent) else {
            return false;
        };
        let index = outer.index + usize::from(down);
        self.move_to(id, Place { index, ..outer })
    }

    /// Where a block stands.
    #[must_use]
    pub fn place_of(&self, id: BlockId) -> Option<Place> {
        let at = |list: List, blocks: &[Block]| {
            let index = blocks.iter().position(|block| block.id == id)?;
            Some(Place { list, index })
        };
        at(List::Top, &self.blocks).or_else(|| {
            self.all().into_iter().find_map(|(block, _)| {
                let mut lists = block.content.children().enumerate();
                lists.find_map(|(number, list)| at(List::Within(block.id, number), list))
            })
        })
    }

    fn put(&mut self, place: Place, block: Block) -> bool {
        let Some(list) = self.list_mut(place.list) else {
            return false;
        };
        list.insert(place.index.min(list.len()), block);
        true
    }

    fn list_mut(&mut self, list: List) -> Option<&mut Vec<Block>> {
        match list {
            List::Top => Some(&mut self.blocks),
            List::Within(parent, number) => {
                let lists = self.find_mut(parent)?.content.children_mut();
                lists.into_iter().nth(number)
            }
        }
    }

    fn free_id(&self) -> BlockId {
        let most = self.all().iter().map(|(block, _)| block.id.0).max();
        BlockId(most.map_or(1, |most| most.saturating_add(1)))
    }
}

/// The end of the document.
pub const END: Place = Place {
    list: List::Top,
    index: usize::MAX,
};

fn renumber(block: &mut Block, next: &mut BlockId) {
    block.id = *next;
    next.0 = next.0.saturating_add(1);
    for list in block.content.children_mut() {
        for inner in list {
            renumber(inner, next);
        }
    }
}
