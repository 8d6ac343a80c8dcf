use std::collections::{BTreeMap, BTreeSet};

/// What every template can use beside the fields of contact and organisation.
const ALWAYS: [&str; 11] = [
    "subject",
    "preheader",
    "unsubscribe_url",
    "unsubscribe_text",
    "dnc_url",
    "webview_url",
    "webview_text",
    "tracking_pixel",
    "now",
    "today",
    "locale",
];

/// The names that templates of an organisation may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables {
    /// Fields by the name before the dot: `contact`, `organization`, and others that the sender fills in.
    records: BTreeMap<String, BTreeSet<String>>,
    names: BTreeSet<String>,
    unsubscribe_required: bool,
    language: String,
}

impl Variables {
    /// The names for an organisation whose contacts have these fields; `email` and `id` are always among them.
    #[must_use]
    pub fn new<'a>(contact_fields: impl IntoIterator<Item = &'a str>) -> Self {
        let fields = contact_fields.into_iter().chain(["email", "id"]);
        let mut variables = Self {
            records: BTreeMap::new(),
            names: ALWAYS.iter().map(|name| (*name).to_owned()).collect(),
            unsubscribe_required: true,
            language: "en".to_owned(),
        };
        variables.add_record("contact", fields);
        variables.add_record("organization", ["name", "address"]);
        variables
    }

    /// Adds a record, such as `owner`, that the sender fills in.
    #[must_use]
    pub fn with_record<'a>(
        mut self,
        name: &str,
        fields: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.add_record(name, fields);
        self
    }

    /// Says that the email may go without an unsubscribe link, since the recipient asked for it (a receipt).
    #[must_use]
    pub const fn without_unsubscribe(mut self) -> Self {
        self.unsubscribe_required = false;
        self
    }

    /// The language that the HTML names if the author named none.
    #[must_use]
    pub fn with_language(mut self, language: &str) -> Self {
        language.clone_into(&mut self.language);
        self
    }

    fn add_record<'a>(&mut self, name: &str, fields: impl IntoIterator<Item = &'a str>) {
        let known = self.records.entry(name.to_owned()).or_default();
        known.extend(fields.into_iter().map(str::to_owned));
    }

    pub(super) const fn unsubscribe_required(&self) -> bool {
        self.unsubscribe_required
    }

    pub(super) fn language(&self) -> &str {
        &self.language
    }

    /// Whether the name, perhaps with a dot, can be used; only the first two segments count.
    pub(super) fn knows(&self, name: &str) -> bool {
        let mut segments = name.split('.');
        let first = segments.next().unwrap_or_default();
        match (self.records.get(first), segments.next()) {
            (Some(fields), Some(field)) => fields.contains(field),
            (Some(_), None) => true,
            (None, _) => self.names.contains(first),
        }
    }

    /// The known name that is most like an unknown one, if one is like it at all.
    pub(super) fn most_like(&self, unknown: &str) -> Option<String> {
        let records = self.records.iter();
        let dotted = records
            .flat_map(|(name, fields)| fields.iter().map(move |field| format!("{name}.{field}")));
        let short = unknown.rsplit('.').next().unwrap_or(unknown);
        dotted
            .chain(self.names.iter().cloned())
            .map(|known| {
                let field = known.rsplit('.').next().unwrap_or_default();
                // `{{ firstname }}` and `{{ lead.firstname }}` mean `contact.firstname`.
                let distance = if field == short {
                    1
                } else {
                    distance(unknown, &known)
                };
                (distance, known)
            })
            .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
            .min()
            .map(|(_, known)| known)
    }
}

/// How many letters must be changed, added or taken away to turn one word into the other (Levenshtein).
pub(super) fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(80).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().take(80).enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (at, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        let variables = Variables::new(["firstname", "lastname"]);
        for (unknown, known) in [
            ("contact.frstname", "contact.firstname"),
            ("contct.firstname", "contact.firstname"),
            ("lead.lastname", "contact.lastname"),
            ("unsubscribe_ulr", "unsubscribe_url"),
        ] {
            assert!(!variables.knows(unknown));
            assert_eq!(variables.most_like(unknown).as_deref(), Some(known));
        }
        assert_eq!(variables.most_like("contact.shoe_size"), None);
    }
}
