//! A small reader of HTML: enough to measure depth and to know what surrounds a place, without building a tree.

/// A piece of HTML. Positions are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// `<name …>`.
    Open {
        name: &'a str,
        start: usize,
        empty: bool,
    },
    /// `</name>`.
    Close { name: &'a str },
    /// Text between tags, from and to.
    Text(usize, usize),
    /// `<!-- … -->`, from and to, markers included.
    Comment(usize, usize),
}

/// Reads HTML without ever failing, as browsers do.
pub(super) struct Reader<'a> {
    html: &'a str,
    at: usize,
    /// The name of the element whose content is not HTML, if inside one.
    raw: Option<&'a str>,
}

const RAW: [&str; 4] = ["style", "script", "title", "textarea"];
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

impl<'a> Reader<'a> {
    pub(super) const fn new(html: &'a str) -> Self {
        Self {
            html,
            at: 0,
            raw: None,
        }
    }

    fn rest(&self) -> &'a str {
        &self.html[self.at..]
    }

    /// Where the next tag or comment begins, at or behind the current place.
    fn markup(&self) -> usize {
        let mut from = self.at;
        while let Some(found) = self.html[from..].find('<') {
            let at = from + found;
            match self.html.as_bytes().get(at + 1) {
                Some(b'!' | b'/' | b'?') => return at,
                Some(next) if next.is_ascii_alphabetic() => return at,
                _ => from = at + 1,
            }
        }
        self.html.len()
    }

    fn skip_to(&mut self, end: &str) -> usize {
        let found = self.rest().find(end);
        self.at = found.map_or(self.html.len(), |found| self.at + found + end.len());
        self.at
    }

    /// Reads the raw text of an element such as `style`, up to its end tag.
    fn raw_text(&mut self, name: &str) -> Option<Event<'a>> {
        let start = self.at;
        let is_end = |at: &usize| {
            let tail = &self.html.as_bytes()[*at..];
            tail.starts_with(b"</")
                && tail
                    .get(2..2 + name.len())
                    .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
        };
        let end = self.html[start..]
            .match_indices("</")
            .map(|(at, _)| start + at)
            .find(is_end);
        self.at = end.unwrap_or(self.html.len());
        (self.at > start).then_some(Event::Text(start, self.at))
    }

    fn tag(&mut self) -> Event<'a> {
        let start = self.at;
        let closing = self.rest().starts_with("</");
        let name_start = start + 1 + usize::from(closing);
        let ends_name = |c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/');
        let name_end = self.html[name_start..]
            .find(ends_name)
            .map_or(self.html.len(), |at| name_start + at);
        let name = &self.html[name_start..name_end];
        let mut quote = None;
        let bytes = self.html.as_bytes();
        let mut at = name_end;
        while let Some(byte) = bytes.get(at) {
            match (quote, byte) {
                (None, b'>') => break,
                // A quote only begins a value directly behind the equals sign.
                (None, b'"' | b'\'') if self.html[name_end..at].trim_end().ends_with('=') => {
                    quote = Some(*byte);
                }
                (Some(open), byte) if open == *byte => quote = None,
                _ => {}
            }
            at += 1;
        }
        let empty = bytes.get(at.saturating_sub(1)) == Some(&b'/');
        self.at = (at + 1).min(self.html.len());
        if closing {
            return Event::Close { name };
        }
        self.raw = RAW
            .into_iter()
            .find(|raw| name.eq_ignore_ascii_case(raw) && !empty);
        Event::Open { name, start, empty }
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        if let Some(name) = self.raw.take()
            && let Some(text) = self.raw_text(name)
        {
            return Some(text);
        }
        if self.at >= self.html.len() {
            return None;
        }
        let start = self.at;
        let markup = self.markup();
        if markup > start {
            self.at = markup;
            return Some(Event::Text(start, markup));
        }
        if self.rest().starts_with("<!--") {
            return Some(Event::Comment(start, self.skip_to("-->")));
        }
        if self.rest().starts_with("<!") || self.rest().starts_with("<?") {
            return Some(Event::Comment(start, self.skip_to(">")));
        }
        Some(self.tag())
    }
}

/// The elements that are open at a place.
#[derive(Debug, Default)]
pub(super) struct Stack<'a>(Vec<&'a str>);

impl<'a> Stack<'a> {
    /// Takes an event in; end tags that HTML leaves out are understood for the usual elements.
    pub(super) fn take(&mut self, event: Event<'a>) {
        match event {
            Event::Open { name, empty, .. } => {
                while self.0.last().is_some_and(|open| closes(name, open)) {
                    self.0.pop();
                }
                if !empty && !VOID.iter().any(|void| name.eq_ignore_ascii_case(void)) {
                    self.0.push(name);
                }
            }
            Event::Close { name } => {
                if let Some(at) = self
                    .0
                    .iter()
                    .rposition(|open| open.eq_ignore_ascii_case(name))
                {
                    self.0.truncate(at);
                }
            }
            Event::Text(..) | Event::Comment(..) => {}
        }
    }

    pub(super) const fn depth(&self) -> usize {
        self.0.len()
    }

    /// What may stand here.
    pub(super) fn surroundings(&self) -> Surroundings {
        let innermost = self.0.last().copied().unwrap_or_default();
        let is = |names: &[&str]| {
            names
                .iter()
                .any(|name| innermost.eq_ignore_ascii_case(name))
        };
        if is(&["table", "tbody", "thead", "tfoot", "colgroup"]) {
            Surroundings::Table
        } else if is(&["tr"]) {
            Surroundings::Row
        } else if is(&RAW) {
            Surroundings::Raw
        } else {
            Surroundings::Flow
        }
    }
}

/// What may stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surroundings {
    /// Text.
    Flow,
    /// Only rows.
    Table,
    /// Only cells.
    Row,
    /// Something that is not HTML, such as CSS.
    Raw,
}

fn closes(name: &str, open: &str) -> bool {
    let is = |word: &str, names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    let cells = &["td", "th"];
    if is(name, cells) {
        is(open, cells)
    } else if is(name, &["tr"]) {
        is(open, &["td", "th", "tr"])
    } else if is(name, &["tbody", "thead", "tfoot"]) {
        is(open, &["td", "th", "tr", "tbody", "thead", "tfoot"])
    } else if is(
        name,
        &[
            "p", "div", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6",
        ],
    ) {
        is(open, &["p"])
    } else {
        is(name, &["li", "option"]) && name.eq_ignore_ascii_case(open)
    }
}

/// Where nesting exceeds the limit, if it does. It looks no further than that.
pub(super) fn too_deep(html: &str, limit: usize) -> Option<usize> {
    let mut stack = Stack::default();
    for event in Reader::new(html) {
        stack.take(event);
        if let Event::Open { start, .. } = event
            && stack.depth() > limit
        {
            return Some(start);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_comments_and_styles_hide_tags() {
        let html = "<a title='>'>x</a><!-- <b> --><style>p>b{}</style><br><i/>";
        let names: Vec<&str> = Reader::new(html)
            .filter_map(|event| {
                if let Event::Open { name, .. } = event {
                    Some(name)
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(names, ["a", "style", "br", "i"]);
    }

    #[test]
    fn depth_is_found_where_it_is_too_much() {
        let html = "<div>".repeat(50_000);
        assert_eq!(too_deep(&html, 100), Some(500));
        assert_eq!(too_deep(&"<p>".repeat(50_000), 100), None);
        assert_eq!(too_deep(&"<br>".repeat(50_000), 100), None);
        assert_eq!(too_deep(&"<tr><td>x".repeat(50_000), 100), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(html in any::<String>(), more in "[<>/!a-z\"'= -]{0,80}") {
            for html in [&html, &more] {
                too_deep(html, 8);
                let texts: usize = Reader::new(html)
                    .map(|event| if let Event::Text(from, to) = event { html[from..to].len() } else { 0 })
                    .sum();
                prop_assert!(texts <= html.len());
            }
        }
    }
}
