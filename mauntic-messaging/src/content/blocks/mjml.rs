use std::fmt::Write as _;

use super::{
    Align, Block, BlockContent, BlockDocument, BlockId, EmailStyles, SocialLink,
    text::{address, escape, markdown},
};

/// A document as MJML, and which line came from which block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockMjml {
    /// The MJML.
    pub mjml: String,
    /// The first line of each block, counted from 1, in order.
    starts: Vec<(u32, BlockId)>,
}

impl BlockMjml {
    /// The block that a line, counted from 1, came from.
    #[must_use]
    pub fn block_at(&self, line: u32) -> Option<BlockId> {
        let before = self.starts.partition_point(|(start, _)| *start <= line);
        Some(self.starts[before.checked_sub(1)?].1)
    }
}

impl BlockDocument {
    /// Writes the document as MJML. Template code and tokens in its texts stay as they are.
    #[must_use]
    pub fn to_mjml(&self) -> BlockMjml {
        let mut writer = Writer {
            styles: self.styles.clone().clamped(),
            output: String::with_capacity(2_048),
            starts: Vec::new(),
        };
        writer.head();
        for block in &self.blocks {
            writer.section(block);
        }
        writer.output.push_str("</mj-body></mjml>\n");
        BlockMjml {
            mjml: writer.output,
            starts: writer.starts,
        }
    }
}

const SIDES: &str = "24px";

struct Writer {
    styles: EmailStyles,
    output: String,
    starts: Vec<(u32, BlockId)>,
}

impl Writer {
    fn head(&mut self) {
        let styles = &self.styles;
        let (font, size) = (styles.font.stack(), styles.font_size);
        let (text, link) = (styles.text_color, styles.link_color);
        let (button, label, radius) =
            (styles.button_color, styles.button_text_color, styles.radius);
        let (width, background) = (styles.width, styles.background);
        self.push(format_args!(
            "<mjml><mj-head><mj-attributes><mj-all font-family=\"{font}\" />\
             <mj-text font-size=\"{size}px\" line-height=\"1.6\" color=\"{text}\" padding=\"8px {SIDES}\" />\
             <mj-image padding=\"8px {SIDES}\" />\
             <mj-button background-color=\"{button}\" color=\"{label}\" border-radius=\"{radius}px\" font-size=\"{size}px\" \
             font-weight=\"600\" padding=\"12px {SIDES}\" inner-padding=\"12px 24px\" />\
             <mj-divider border-width=\"1px\" border-color=\"#d1d5db\" padding=\"12px {SIDES}\" />\
             <mj-section padding=\"0\" /></mj-attributes>\
             <mj-style>a {{ color: {link}; }} p {{ margin: 0 0 12px; }} p:last-child {{ margin-bottom: 0; }} \
             ul, ol {{ margin: 0 0 12px; padding-left: 24px; }}</mj-style></mj-head>\
             <mj-body width=\"{width}px\" background-color=\"{background}\">\n"
        ));
    }

    /// A block on its own; everything in MJML stands in a section.
    fn section(&mut self, block: &Block) {
        self.start(block);
        match &block.content {
            BlockContent::Conditional {
                condition,
                blocks,
                otherwise,
            } => self.conditional(&condition.expression(), blocks, otherwise, Self::section),
            BlockContent::Columns { columns } => {
                self.open_section(block);
                for column in columns {
                    let width = match column.width {
                        0 => 100 / columns.len(),
                        width => usize::from(width),
                    };
                    self.push(format_args!(
                        "<mj-column width=\"{width}%\" vertical-align=\"top\">\n"
                    ));
                    for inner in &column.blocks {
                        self.leaf(inner);
                    }
                    self.output.push_str("</mj-column>\n");
                }
                self.output.push_str("</mj-section>\n");
            }
            _ => {
                self.open_section(block);
                self.output.push_str("<mj-column>");
                self.content(&block.content, "");
                self.output.push_str("</mj-column></mj-section>\n");
            }
        }
    }

    fn open_section(&mut self, block: &Block) {
        let background = block.background.unwrap_or(self.styles.content_background);
        self.push(format_args!(
            "<mj-section background-color=\"{background}\">"
        ));
    }

    /// A block within a column.
    fn leaf(&mut self, block: &Block) {
        self.start(block);
        if let BlockContent::Conditional {
            condition,
            blocks,
            otherwise,
        } = &block.content
        {
            self.conditional(&condition.expression(), blocks, otherwise, Self::leaf);
            return;
        }
        let background = block
            .background
            .map(|color| format!(" container-background-color=\"{color}\""));
        self.content(&block.content, &background.unwrap_or_default());
        self.output.push('\n');
    }

    fn conditional(
        &mut self,
        expression: &str,
        blocks: &[Block],
        otherwise: &[Block],
        write: fn(&mut Self, &Block),
    ) {
        // The reader of MJML decodes entities in code.
        let expression = expression.replace('&', "&amp;").replace('\n', " ");
        self.push(format_args!("{{% if {expression} %}}\n"));
        for block in blocks {
            write(self, block);
        }
        if !otherwise.is_empty() {
            self.output.push_str("{% else %}\n");
            for block in otherwise {
                write(self, block);
            }
        }
        self.output.push_str("{% endif %}\n");
    }

    fn content(&mut self, content: &BlockContent, more: &str) {
        match content {
            BlockContent::Heading { text, level, align } => {
                let level = level.clamp(&1, &3);
                let size =
                    u16::from(self.styles.font_size) * [18, 14, 12][usize::from(level - 1)] / 10;
                let (align, text) = (align.as_str(), escape(text));
                self.push(format_args!(
                    "<mj-text align=\"{align}\" font-size=\"{size}px\" line-height=\"1.25\" font-weight=\"700\"{more}>\
                     <h{level} style=\"margin:0;font-size:inherit;font-weight:inherit;line-height:inherit\">{text}</h{level}></mj-text>"
                ));
            }
            BlockContent::Text {
                markdown: text,
                align,
            } => {
                let (align, html) = (align.as_str(), markdown(text));
                self.push(format_args!(
                    "<mj-text align=\"{align}\"{more}>{html}</mj-text>"
                ));
            }
            BlockContent::Image { .. } => self.image(content, more),
            BlockContent::Button { .. } => self.button(content, more),
            BlockContent::Divider { color } => {
                let color = color.map(|color| format!(" border-color=\"{color}\""));
                let color = color.unwrap_or_default();
                self.push(format_args!("<mj-divider{color}{more} />"));
            }
            BlockContent::Spacer { height } => {
                let height = height.clamp(&1, &200);
                self.push(format_args!("<mj-spacer height=\"{height}px\"{more} />"));
            }
            BlockContent::Social { links, align } => self.social(links, *align, more),
            BlockContent::Html { html } => {
                self.push(format_args!("<mj-text{more}>{html}</mj-text>"));
            }
            // A section of its own; the shape of documents keeps it out of columns.
            BlockContent::Columns { .. } | BlockContent::Conditional { .. } => {}
        }
    }

    fn image(&mut self, content: &BlockContent, more: &str) {
        let BlockContent::Image {
            src,
            alt,
            href,
            width,
            align,
        } = content
        else {
            return;
        };
        let (src, alt, align) = (address(src), escape(alt), align.as_str());
        let mut attributes = format!("src=\"{src}\" alt=\"{alt}\" align=\"{align}\"{more}");
        if let Some(href) = href.as_deref().map(address).filter(|href| !href.is_empty()) {
            let _ = write!(attributes, " href=\"{href}\"");
        }
        if let Some(width) = width {
            let _ = write!(attributes, " width=\"{width}px\"");
        }
        self.push(format_args!("<mj-image {attributes} />"));
    }

    fn button(&mut self, content: &BlockContent, more: &str) {
        let BlockContent::Button {
            label,
            href,
            align,
            color,
            full_width,
        } = content
        else {
            return;
        };
        let (label, href, align) = (escape(label), address(href), align.as_str());
        let mut attributes = format!("href=\"{href}\" align=\"{align}\"{more}");
        if let Some(color) = color {
            let _ = write!(attributes, " background-color=\"{color}\"");
        }
        if *full_width {
            attributes.push_str(" width=\"100%\"");
        }
        self.push(format_args!("<mj-button {attributes}>{label}</mj-button>"));
    }

    fn social(&mut self, links: &[SocialLink], align: Align, more: &str) {
        let links: Vec<_> = links
            .iter()
            .map(|link| {
                let (href, name) = (address(&link.href), escape(&link.name));
                format!("<a href=\"{href}\">{name}</a>")
            })
            .collect();
        let (align, links) = (align.as_str(), links.join(" &#183; "));
        self.push(format_args!(
            "<mj-text align=\"{align}\"{more}>{links}</mj-text>"
        ));
    }

    /// Notes where a block begins; each begins in a line of its own.
    fn start(&mut self, block: &Block) {
        let lines = self.output.matches('\n').count() + 1;
        self.starts
            .push((u32::try_from(lines).unwrap_or(u32::MAX), block.id));
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.output.write_fmt(text);
    }
}
