//! What the buttons of the rows do.

use std::str::FromStr;

use super::{Group, Item, Join, Row};

/// A change of the rows: what to do, and to which of them, counted from the outermost group, 0, as they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui::segments) struct Step {
    verb: Verb,
    place: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    /// A new condition at the end of a group.
    Row,
    /// A new group, with a condition to fill in, at the end of a group.
    Group,
    Remove,
    Up,
    Down,
    /// Into the group above, or else a group of its own.
    In,
    /// Out of its group, behind it.
    Out,
}

impl FromStr for Step {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (verb, place) = text.split_once(':').ok_or(())?;
        let verb = match verb {
            "row" => Verb::Row,
            "group" => Verb::Group,
            "remove" => Verb::Remove,
            "up" => Verb::Up,
            "down" => Verb::Down,
            "in" => Verb::In,
            "out" => Verb::Out,
            _ => return Err(()),
        };
        Ok(Self {
            verb,
            place: place.parse().map_err(|_| ())?,
        })
    }
}

impl Step {
    /// The id of what the keyboard goes on at, once the change is made: the same button, or what is to be chosen.
    pub(in crate::ui::segments) fn focus(self, place: usize, rows: &mut Group) -> String {
        match self.verb {
            Verb::Up => format!("n{place}-up"),
            Verb::Down => format!("n{place}-down"),
            Verb::In => format!("n{place}-in"),
            Verb::Out => format!("n{place}-out"),
            Verb::Group => format!("n{}-subject", place + 1),
            Verb::Row | Verb::Remove => {
                let path = path_of(rows, place);
                let is_group = path.is_some_and(|path| at(rows, &path).is_some());
                format!("n{place}-{}", if is_group { "join" } else { "subject" })
            }
        }
    }

    /// Makes the change, and returns which row or group it was about, as they stand then. What cannot be done is not.
    pub(in crate::ui::segments) fn on(self, rows: &mut Group) -> Option<usize> {
        let path = path_of(rows, self.place)?;
        let after = match self.verb {
            Verb::Row => add(rows, &path, Item::Row(Row::default()))?,
            Verb::Group => {
                let group = at(rows, &path)?;
                let join = other(group.join);
                let items = vec![Item::Row(Row::default())];
                add(
                    rows,
                    &path,
                    Item::Group(Group {
                        not: false,
                        join,
                        items,
                    }),
                )?
            }
            verb => change(rows, verb, &path)?,
        };
        Some(place_of(rows, &after))
    }
}

fn add(rows: &mut Group, path: &[usize], item: Item) -> Option<Vec<usize>> {
    let group = at(rows, path)?;
    group.items.push(item);
    let last = group.items.len() - 1;
    Some(path.iter().copied().chain([last]).collect())
}

/// Changes an item of a group; returns where it is then, or what is near it.
fn change(rows: &mut Group, verb: Verb, path: &[usize]) -> Option<Vec<usize>> {
    let (index, outer) = path.split_last()?;
    let index = *index;
    let group = at(rows, outer)?;
    let place = |index: usize| -> Vec<usize> { outer.iter().copied().chain([index]).collect() };
    match verb {
        Verb::Remove => {
            group.items.remove(index);
            let near = index.min(group.items.len().saturating_sub(1));
            Some(if group.items.is_empty() {
                outer.to_vec()
            } else {
                place(near)
            })
        }
        Verb::Up if index > 0 => {
            group.items.swap(index, index - 1);
            Some(place(index - 1))
        }
        Verb::Down if index + 1 < group.items.len() => {
            group.items.swap(index, index + 1);
            Some(place(index + 1))
        }
        Verb::In => {
            let item = group.items.remove(index);
            if let Some(Item::Group(above)) = index
                .checked_sub(1)
                .and_then(|above| group.items.get_mut(above))
            {
                above.items.push(item);
                let last = above.items.len() - 1;
                return Some(place(index - 1).into_iter().chain([last]).collect());
            }
            let own = Group {
                not: false,
                join: other(group.join),
                items: vec![item],
            };
            group.items.insert(index, Item::Group(own));
            Some(place(index).into_iter().chain([0]).collect())
        }
        Verb::Out => {
            let (behind, further) = outer.split_last()?;
            let item = group.items.remove(index);
            let emptied = group.items.is_empty();
            let around = at(rows, further)?;
            let mut to = behind + 1;
            if emptied {
                around.items.remove(*behind);
                to = *behind;
            }
            around.items.insert(to, item);
            Some(further.iter().copied().chain([to]).collect())
        }
        _ => Some(path.to_vec()),
    }
}

fn other(join: Join) -> Join {
    match join {
        Join::All => Join::Any,
        Join::Any => Join::All,
    }
}

/// The group on a path.
fn at<'a>(rows: &'a mut Group, path: &[usize]) -> Option<&'a mut Group> {
    path.iter()
        .try_fold(rows, |group, index| match group.items.get_mut(*index)? {
            Item::Group(inner) => Some(inner),
            Item::Row(_) => None,
        })
}

/// The path to the row or group of that number.
fn path_of(rows: &Group, place: usize) -> Option<Vec<usize>> {
    fn walk(group: &Group, left: &mut usize, path: &mut Vec<usize>) -> bool {
        if *left == 0 {
            return true;
        }
        for (index, item) in group.items.iter().enumerate() {
            *left -= 1;
            path.push(index);
            let found = match item {
                Item::Group(inner) => walk(inner, left, path),
                Item::Row(_) => *left == 0,
            };
            if found {
                return true;
            }
            path.pop();
        }
        false
    }
    let mut path = Vec::new();
    let mut left = place;
    walk(rows, &mut left, &mut path).then_some(path)
}

/// The number of the row or group on a path.
fn place_of(rows: &Group, path: &[usize]) -> usize {
    let mut group = rows;
    let mut place = 0;
    for index in path {
        place += 1 + group.items[..*index].iter().map(size).sum::<usize>();
        match group.items.get(*index) {
            Some(Item::Group(inner)) => group = inner,
            _ => return place,
        }
    }
    place
}

fn size(item: &Item) -> usize {
    match item {
        Item::Row(_) => 1,
        Item::Group(group) => 1 + group.items.iter().map(size).sum::<usize>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Item {
        Item::Row(Row {
            subject: name.to_owned(),
            ..Row::default()
        })
    }

    fn shown(group: &Group) -> String {
        let items: Vec<_> = group
            .items
            .iter()
            .map(|item| match item {
                Item::Row(row) => row.subject.clone(),
                Item::Group(inner) => shown(inner),
            })
            .collect();
        format!("({})", items.join(" "))
    }

    fn rows() -> Group {
        let inner = Group {
            items: vec![row("b"), row("c")],
            ..Group::empty()
        };
        Group {
            items: vec![row("a"), Item::Group(inner), row("d")],
            ..Group::empty()
        }
    }

    #[test]
    fn every_button_does_what_it_says_and_stays_with_its_row() {
        for (step, result, at) in [
            ("up:1", "(a (b c) d)", 1),
            ("down:1", "((b c) a d)", 4),
            ("up:5", "(a d (b c))", 2),
            ("up:4", "(a (c b) d)", 3),
            ("in:1", "((a) (b c) d)", 2),
            ("in:5", "(a (b c d))", 5),
            ("in:3", "(a ((b) c) d)", 4),
            ("out:3", "(a (c) b d)", 4),
            ("out:1", "(a (b c) d)", 1),
            ("remove:2", "(a d)", 2),
            ("remove:5", "(a (b c))", 2),
            ("remove:4", "(a (b) d)", 3),
            ("row:2", "(a (b c ) d)", 5),
            ("row:0", "(a (b c) d )", 6),
            ("group:0", "(a (b c) d ())", 6),
        ] {
            let mut rows = rows();
            let place = step.parse::<Step>().unwrap().on(&mut rows);
            let expected = if step == "out:1" { None } else { Some(at) };
            assert_eq!((shown(&rows).as_str(), place), (result, expected), "{step}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_changed() {
        for step in ["up:9", "remove:0", "row:1", "in:0", "down:5"] {
            let mut changed = rows();
            step.parse::<Step>().unwrap().on(&mut changed);
            assert_eq!(changed, rows(), "{step}");
        }
        for text in ["", "up", "up:x", "drop:1", "update"] {
            assert_eq!(text.parse::<Step>(), Err(()), "{text}");
        }
    }

    #[test]
    fn the_last_of_a_group_takes_the_group_with_it_when_it_goes_out() {
        let mut rows = rows();
        for step in ["out:3", "out:3"] {
            step.parse::<Step>().unwrap().on(&mut rows);
        }
        assert_eq!(shown(&rows), "(a c b d)");
    }
}
