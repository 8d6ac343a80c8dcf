//! The form of the block editor.

use maud::{Markup, html};
use mauntic_core::Page;
use mauntic_messaging::content::blocks::{Block, Column, EmailStyles};

use super::{
    Align, BlockContent, BlockDocument, BlockId, Color, Condition, DOCUMENT, Font, List, Test,
    fields::name, kind_name, list_name,
};
use crate::{
    Image,
    ui::{
        component::{Tone, form, show},
        emails::images,
    },
};

/// What is shown of a document beside itself.
#[derive(Debug, Default)]
pub(in crate::ui::emails) struct Shown<'a> {
    /// What is wrong with blocks.
    pub(in crate::ui::emails) problems: &'a [(BlockId, String)],
    /// The block that the last step was about.
    pub(in crate::ui::emails) touched: Option<BlockId>,
    /// The aliases of the contacts' fields.
    pub(in crate::ui::emails) fields: &'a [(String, String)],
    /// The images to choose from, for one of the blocks.
    pub(in crate::ui::emails) picker: Option<&'a Picker>,
}

/// Images that a block can show.
#[derive(Debug)]
pub(in crate::ui::emails) struct Picker {
    /// The block.
    pub(in crate::ui::emails) block: BlockId,
    /// One page of them.
    pub(in crate::ui::emails) images: Page<Image, String>,
}

/// More blocks than these are folded, but for the one that was touched.
const UNFOLDED: usize = 10;

/// The blocks with all that can be done to them.
pub(in crate::ui::emails) fn editor(document: &BlockDocument, shown: &Shown<'_>) -> Markup {
    let folded = document.all().len() > UNFOLDED;
    let stored = serde_json::to_string(document).unwrap_or_default();
    html! {
        input type="hidden" name=(DOCUMENT) value=(stored);
        div class="stack" data-blocks {
            (list(List::Top, &document.blocks, shown, folded))
            details { summary { "Style of the email" } (styles(&document.styles)) }
        }
    }
}

fn list(at: List, blocks: &[Block], shown: &Shown<'_>, folded: bool) -> Markup {
    let list_id = list_name(at);
    let kind = format!("kind.{list_id}");
    html! {
        div class="stack" {
            ol class="blocks" data-list=(list_id) {
                @for block in blocks { (one(block, shown, folded)) }
            }
            div class="row" {
                label class="hidden" for=(kind) { "Kind of the block to add" }
                div { select id=(kind) name=(kind) {
                    @for kind in BlockContent::KINDS { option value=(kind) selected[kind == "text"] { (kind_name(kind)) } }
                } }
                (step(&format!("add:{list_id}"), "Add block", "Add block at the end of this list"))
            }
        }
    }
}

/// A button for a step; what else is in the form may be wrong meanwhile.
fn step(step: &str, text: &str, label: &str) -> Markup {
    html! { button type="submit" class="button small" name="step" value=(step) formnovalidate aria-label=(label) { (text) } }
}

fn one(block: &Block, shown: &Shown<'_>, folded: bool) -> Markup {
    let id = block.id;
    let kind = kind_name(block.content.kind());
    let problems: Vec<_> = shown.problems.iter().filter(|(of, _)| *of == id).collect();
    let open = !folded || shown.touched == Some(id) || !problems.is_empty();
    let label = |verb: &str| format!("{verb} {kind} {id}");
    html! {
        li class="block" id={ "block-" (id) } data-block=(id) data-touched[shown.touched == Some(id)] {
            input type="hidden" name=(name(id, "here")) value="1";
            details open[open] {
                summary draggable="true" data-handle { strong { (kind) } " " span class="soft" { (id) " " (excerpt(&block.content)) } }
                div class="stack" {
                    @for (_, problem) in &problems { (show::toast(problem, Tone::Bad)) }
                    (content(block, shown, folded))
                    (optional_color(id, "background", "Background", block.background))
                }
            }
            div class="row" {
                (step(&format!("up:{id}"), "↑", &label("Move up:")))
                (step(&format!("down:{id}"), "↓", &label("Move down:")))
                (step(&format!("copy:{id}"), "Copy", &label("Copy")))
                (step(&format!("delete:{id}"), "Delete", &label("Delete")))
            }
        }
    }
}

/// The first words of a block.
fn excerpt(content: &BlockContent) -> String {
    let text = match content {
        BlockContent::Heading { text, .. } => text,
        BlockContent::Text { markdown, .. } => markdown,
        BlockContent::Image { alt, .. } => alt,
        BlockContent::Button { label, .. } => label,
        BlockContent::Html { html } => html,
        _ => return String::new(),
    };
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn text(id: BlockId, field: &str, label: &str, value: &str, hint: Option<&str>) -> Markup {
    form::input(&field_of(&name(id, field), label, value, hint), "text")
}

fn optional_text(id: BlockId, field: &str, label: &str, value: &str, hint: &str) -> Markup {
    let name = name(id, field);
    let field = form::Field {
        required: false,
        ..field_of(&name, label, value, Some(hint))
    };
    form::input(&field, "text")
}

fn lines(
    id: BlockId,
    field: &str,
    label: &str,
    value: &str,
    hint: Option<&str>,
    rows: u8,
) -> Markup {
    form::text_area(&field_of(&name(id, field), label, value, hint), rows)
}

fn field_of<'a>(
    name: &'a str,
    label: &'a str,
    value: &'a str,
    hint: Option<&'a str>,
) -> form::Field<'a> {
    form::Field {
        name,
        label,
        value,
        hint,
        error: None,
        // Whether it may be empty is told when the email is saved.
        required: true,
    }
}

fn number(name: &str, label: &str, value: &str, (least, most): (u16, u16)) -> Markup {
    html! {
        div class="field" {
            label for=(name) { (label) }
            input id=(name) name=(name) type="number" inputmode="numeric" min=(least) max=(most) value=(value);
        }
    }
}

fn align(id: BlockId, value: Align) -> Markup {
    let name = name(id, "align");
    let choices = [
        ("left", "left"),
        ("center", "in the middle"),
        ("right", "right"),
    ];
    form::select(&field_of(&name, "Where", value.as_str(), None), &choices)
}

fn optional_color(id: BlockId, field: &str, label: &str, value: Option<Color>) -> Markup {
    let name = name(id, field);
    let value = value.map(|color| color.to_string()).unwrap_or_default();
    let field = form::Field {
        required: false,
        ..field_of(&name, label, &value, Some("Like #1d4ed8"))
    };
    form::input(&field, "text")
}

/// The images to choose from. Without scripting, uploading is done on their own page, beside this one.
fn pick(picker: &Picker) -> Markup {
    let id = picker.block;
    html! {
        fieldset class="inner" data-picker {
            legend { "Your images" }
            @if picker.images.items.is_empty() { p class="soft" { "There are none yet." } }
            ul class="picks" {
                @for image in &picker.images.items {
                    @let called = images::called(image);
                    li { button type="submit" class="button" name="step" value=(format!("image:{id}:{}", image.name)) formnovalidate aria-label={ "Take " (called) } {
                        img src=(image.path()) alt="" loading="lazy"; span { (called) }
                    } }
                }
            }
            div class="row" {
                @if let Some(next) = &picker.images.next { (step(&format!("pick:{id}:{next}"), "More images", "More images")) }
                label class="button small" data-upload { "Upload an image"
                    input class="hidden" type="file" accept="image/png,image/jpeg,image/gif,image/webp" data-upload-to=(images::IMAGES) data-block=(id);
                }
                a class="button small" href=(images::IMAGES) target="_blank" rel="noopener" { "All images" }
            }
        }
    }
}

const LINK: &str = "An address, or a variable such as {{ unsubscribe_url }}";

fn content(block: &Block, shown: &Shown<'_>, folded: bool) -> Markup {
    let id = block.id;
    match &block.content {
        BlockContent::Heading {
            text: words,
            level,
            align: at,
        } => {
            let name = name(id, "level");
            let level = level.to_string();
            let levels = [("1", "large"), ("2", "middle"), ("3", "small")];
            html! {
                (text(id, "text", "Text", words, None))
                div class="fields" { (form::select(&field_of(&name, "Size", &level, None), &levels)) (align(id, *at)) }
            }
        }
        BlockContent::Text {
            markdown,
            align: at,
        } => html! {
            (lines(id, "text", "Text", markdown, Some("Markdown: **bold**, *italic*, [a link](https://example.com), - a list"), 6))
            (align(id, *at))
        },
        BlockContent::Image {
            src,
            alt,
            href,
            width,
            align: at,
        } => {
            let width = width.map(|width| width.to_string()).unwrap_or_default();
            html! {
                (text(id, "src", "Address of the picture", src, None))
                div class="row" { (step(&format!("pick:{id}"), "Choose an image", &format!("Choose an image for block {id}"))) }
                @if let Some(picker) = shown.picker.filter(|picker| picker.block == id) { (pick(picker)) }
                (optional_text(id, "alt", "What it shows", alt, "For those who do not see it; empty for decoration"))
                (optional_text(id, "href", "A click leads to", href.as_deref().unwrap_or_default(), LINK))
                div class="fields" { (number(&name(id, "width"), "Width in pixels (as wide as there is room, if empty)", &width, (8, 1_200))) (align(id, *at)) }
            }
        }
        BlockContent::Button {
            label,
            href,
            align: at,
            color,
            full_width,
        } => html! {
            (text(id, "text", "Text", label, None))
            (text(id, "href", "It leads to", href, Some(LINK)))
            div class="fields" { (align(id, *at)) (optional_color(id, "color", "Colour", *color)) }
            (form::checkbox(&name(id, "full_width"), "As wide as there is room", *full_width))
        },
        BlockContent::Columns { columns } => side_by_side(id, columns, shown, folded),
        BlockContent::Divider { color } => optional_color(id, "color", "Colour", *color),
        BlockContent::Spacer { height } => number(
            &name(id, "height"),
            "Height in pixels",
            &height.to_string(),
            (1, 200),
        ),
        BlockContent::Social { links, align: at } => html! {
            @for (index, link) in links.iter().enumerate() {
                div class="fields" {
                    (text(id, &format!("name.{index}"), "Name", &link.name, None))
                    (text(id, &format!("href.{index}"), "Address", &link.href, None))
                }
            }
            div class="row" {
                (step(&format!("more:{id}"), "Add a profile", "Add a profile"))
                @if !links.is_empty() { (step(&format!("fewer:{id}"), "Take the last away", "Take the last away of the profiles")) }
            }
            (align(id, *at))
        },
        BlockContent::Html { html: source } => lines(
            id,
            "html",
            "HTML",
            source,
            Some("Each tag must be closed"),
            8,
        ),
        BlockContent::Conditional {
            condition,
            blocks,
            otherwise,
        } => html! {
            (who(id, condition, shown))
            fieldset class="inner" { legend { "They see" } (list(List::Within(id, 0), blocks, shown, folded)) }
            fieldset class="inner" { legend { "Everybody else sees" } (list(List::Within(id, 1), otherwise, shown, folded)) }
        },
    }
}

/// The blocks of columns.
fn side_by_side(id: BlockId, columns: &[Column], shown: &Shown<'_>, folded: bool) -> Markup {
    html! {
        @for (index, column) in columns.iter().enumerate() {
            fieldset class="inner" {
                legend { "Column " (index + 1) }
                (number(&name(id, &format!("width.{index}")), "Part of the width in percent (0: equal parts)", &column.width.to_string(), (0, 100)))
                (list(List::Within(id, index), &column.blocks, shown, folded))
            }
        }
        div class="row" {
            (step(&format!("more:{id}"), "Add a column", "Add a column"))
            (step(&format!("fewer:{id}"), "Take the last away", "Take the last away of the columns, if it is empty"))
        }
    }
}

/// Who sees a conditional block.
fn who(id: BlockId, condition: &Condition, shown: &Shown<'_>) -> Markup {
    let (field, test, value, expression) = match condition {
        Condition::Field { field, test } => {
            let (test, value) = match test {
                Test::Set => ("set", ""),
                Test::Empty => ("empty", ""),
                Test::Equals(value) => ("equals", value.as_str()),
                Test::Differs(value) => ("differs", value.as_str()),
                Test::Contains(value) => ("contains", value.as_str()),
            };
            (field.as_str(), test, value, "")
        }
        Condition::Expression { expression } => ("", "expression", "", expression.as_str()),
    };
    let tests = [
        ("set", "has a value"),
        ("empty", "is empty"),
        ("equals", "is"),
        ("differs", "is not"),
        ("contains", "contains"),
        ("expression", "(an expression decides)"),
    ];
    let (field_name, test_name) = (name(id, "field"), name(id, "test"));
    let mut choices: Vec<_> = shown
        .fields
        .iter()
        .map(|(alias, label)| (alias.as_str(), label.as_str()))
        .collect();
    if !choices.iter().any(|(alias, _)| *alias == field) {
        choices.insert(0, (field, field));
    }
    html! {
        div class="fields" {
            (form::select(&field_of(&field_name, "Those whose field", field, None), &choices))
            (form::select(&field_of(&test_name, "Test", test, None), &tests))
            (text(id, "value", "Value", value, None))
        }
        (text(id, "expression", "Expression", expression, Some("Only for an expression: contact.points > 10 and contact.country == \"NO\"")))
    }
}

fn styles(styles: &EmailStyles) -> Markup {
    let color = |name: &str, label: &str, value: Color| {
        let name = format!("style.{name}");
        form::input(&field_of(&name, label, &value.to_string(), None), "color")
    };
    let fonts: Vec<_> = Font::ALL
        .iter()
        .map(|font| (font.as_str(), font.as_str()))
        .collect();
    html! {
        div class="fields" {
            (color("background", "Around the content", styles.background))
            (color("content_background", "Behind the content", styles.content_background))
            (color("text_color", "Text", styles.text_color))
            (color("link_color", "Links", styles.link_color))
            (color("button_color", "Buttons", styles.button_color))
            (color("button_text_color", "Text of buttons", styles.button_text_color))
            (form::select(&field_of("style.font", "Font", styles.font.as_str(), None), &fonts))
            (number("style.width", "Width in pixels", &styles.width.to_string(), (320, 800)))
            (number("style.font_size", "Size of the text in pixels", &styles.font_size.to_string(), (12, 22)))
            (number("style.radius", "Roundness of buttons in pixels", &styles.radius.to_string(), (0, 30)))
        }
    }
}
