//! Reading rows from the form: its fields come in the order of the page, so that moving a part of the page moves what
//! it says. A group begins with `group` and ends with `end`; a condition begins with `row`.

use mauntic_crm::segment::Rule;

use super::{
    Group, Item, Join,
    row::{Cell, Row},
};

/// The names of the ways to join, as they are sent, with their words.
pub(super) const JOINS: &[(&str, &str)] = &[
    ("all", "all of these hold"),
    ("any", "at least one of these holds"),
    ("not all", "not all of these hold"),
    ("not any", "none of these holds"),
];

/// The name of a way to join.
pub(super) fn join_name(group: &Group) -> &'static str {
    match (group.not, group.join) {
        (false, Join::All) => "all",
        (false, Join::Any) => "any",
        (true, Join::All) => "not all",
        (true, Join::Any) => "not any",
    }
}

/// What was sent has no rows, or more than a rule can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui::segments) enum Unreadable {
    /// There are none.
    None,
    /// There are too many, or too deep.
    TooMany,
}

/// The rows of a form, and of each row what it was about before.
pub(in crate::ui::segments) fn read<'a>(
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Group, Unreadable> {
    let mut open: Vec<Group> = Vec::new();
    let mut nodes = 0;
    for (name, value) in fields {
        match name {
            "group" | "row" => {
                nodes += 1;
                if nodes > Rule::MAX_NODES || open.len() >= Rule::MAX_DEPTH {
                    return Err(Unreadable::TooMany);
                }
                if name == "group" {
                    open.push(group(value));
                } else {
                    let row = Row {
                        before: value.to_owned(),
                        ..Row::default()
                    };
                    open.last_mut()
                        .ok_or(Unreadable::None)?
                        .items
                        .push(Item::Row(row));
                }
            }
            "end" => {
                let group = open.pop().ok_or(Unreadable::None)?;
                match open.last_mut() {
                    Some(outer) => outer.items.push(Item::Group(group)),
                    None => return Ok(group),
                }
            }
            _ => {
                if let Some(Item::Row(row)) =
                    open.last_mut().and_then(|group| group.items.last_mut())
                {
                    fill(row, name, value);
                }
            }
        }
    }
    Err(Unreadable::None)
}

fn group(name: &str) -> Group {
    let (not, join) = match name.strip_prefix("not ") {
        Some(join) => (true, join),
        None => (false, name),
    };
    let join = if join == "any" { Join::Any } else { Join::All };
    Group {
        not,
        join,
        items: Vec::new(),
    }
}

fn fill(row: &mut Row, name: &str, value: &str) {
    match name {
        "not" => row.not = value == "not",
        "subject" => value.clone_into(&mut row.subject),
        "op" => value.clone_into(&mut row.op),
        "way" => row.cells.push(Cell {
            way: value.to_owned(),
            ..Cell::default()
        }),
        "unit" => {
            if let Some(cell) = row.cells.last_mut() {
                value.clone_into(&mut cell.unit);
            }
        }
        "value" => match row.cells.last_mut() {
            // A date has its way before its value.
            Some(cell) if !cell.way.is_empty() && cell.text.is_empty() => {
                value.clone_into(&mut cell.text);
            }
            _ => row.cells.push(Cell::text(value)),
        },
        _ => {}
    }
}

#[cfg(test)]
pub(super) mod testing {
    /// What a browser sends of a form, read from its page: hidden and text inputs, and what is selected.
    pub(in crate::ui::segments) fn sent(page: &str) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        let mut select: Option<(String, Option<String>)> = None;
        for tag in page
            .split('<')
            .skip(1)
            .filter_map(|rest| rest.split_once('>'))
            .map(|(tag, _)| tag)
        {
            let attribute = |name: &str| {
                let rest = tag.split_once(&format!(" {name}=\""))?.1;
                Some(plain(rest.split_once('"')?.0))
            };
            let word = tag.split([' ', '/']).next().unwrap_or_default();
            match word {
                "input" => fields.extend(
                    attribute("name").map(|name| (name, attribute("value").unwrap_or_default())),
                ),
                "select" => select = attribute("name").map(|name| (name, None)),
                "option" => {
                    if let Some((_, chosen)) = &mut select
                        && (chosen.is_none() || tag.ends_with(" selected"))
                    {
                        *chosen = attribute("value");
                    }
                }
                _ => {}
            }
            if tag == "/select" {
                fields.extend(
                    select
                        .take()
                        .map(|(name, chosen)| (name, chosen.unwrap_or_default())),
                );
            }
        }
        fields
    }

    fn plain(text: &str) -> String {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&amp;", "&")
    }

    /// The fields, to be read.
    pub(in crate::ui::segments) fn lent(
        fields: &[(String, String)],
    ) -> impl Iterator<Item = (&str, &str)> {
        fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    #[test]
    fn what_is_no_group_is_no_rule() {
        use super::{Unreadable, read};
        let pair = |name: &'static str| (name, "");
        assert_eq!(read([pair("name")]), Err(Unreadable::None));
        assert_eq!(read([pair("row"), pair("end")]), Err(Unreadable::None));
        assert_eq!(read([pair("group")]), Err(Unreadable::None));
        assert_eq!(read([pair("group"); 100]), Err(Unreadable::TooMany));
        let mut many = vec![pair("row"); 3_000];
        many.insert(0, pair("group"));
        assert_eq!(read(many), Err(Unreadable::TooMany));
    }
}
