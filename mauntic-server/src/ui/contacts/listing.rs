//! Which part of the list a page shows, as its address says it.

use mauntic_core::{SegmentId, UserId};
use mauntic_crm::{Channel, ContactCursor, ContactFilter, ContactSort, FieldSet, Tag};

use super::{PLACE, channel_name};

/// What the list can be sorted by, with the names in addresses.
const SORTS: [(&str, ContactSort); 5] = [
    ("created_at", ContactSort::CreatedAt),
    ("updated_at", ContactSort::UpdatedAt),
    ("name", ContactSort::Name),
    ("email", ContactSort::Email),
    ("last_active", ContactSort::LastActive),
];
/// Columns that are no fields, with what they are called.
pub(in crate::ui) const OTHERS: [(&str, &str); 6] = [
    ("tags", "Tags"),
    ("do_not_contact", "Do not contact"),
    ("owner", "Owner"),
    ("stage", "Stage"),
    ("created_at", "Added"),
    ("updated_at", "Changed"),
];
/// What is shown beside the name unless somebody chooses.
const USUAL: [&str; 5] = ["email", "country", "tags", "last_active", "created_at"];
/// Most columns that can be chosen.
const MOST: usize = 24;

/// What a list says of who may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Consent {
    /// Only those who may not be contacted by a channel.
    Not(Channel),
    /// Only those of whom nothing says so.
    May(Channel),
}

impl Consent {
    fn read(text: &str) -> Option<Self> {
        let (verb, channel) = text.split_once('-')?;
        let channel = channel.parse().ok()?;
        match verb {
            "not" => Some(Self::Not(channel)),
            "may" => Some(Self::May(channel)),
            _ => None,
        }
    }

    /// As addresses say it.
    pub(in crate::ui) fn text(self) -> String {
        match self {
            Self::Not(channel) => format!("not-{channel}"),
            Self::May(channel) => format!("may-{channel}"),
        }
    }

    /// In words.
    pub(in crate::ui) fn words(self) -> String {
        match self {
            Self::Not(channel) => format!("{}: do not contact", channel_name(channel)),
            Self::May(channel) => format!("{}: may be contacted", channel_name(channel)),
        }
    }

    /// All that there is to choose from.
    pub(in crate::ui) fn all() -> impl Iterator<Item = Self> {
        let channels = Channel::ALL.iter();
        channels.flat_map(|channel| [Self::Not(*channel), Self::May(*channel)])
    }
}

/// What of an address says which contacts are wanted.
pub(in crate::ui) const FILTERS: [&str; 6] =
    ["search", "tag", "segment", "owner", "stage", "consent"];

/// A part of the list, in an order, with columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ui) struct Listing {
    /// What to look for.
    pub(in crate::ui) search: Option<String>,
    /// Only those with this tag.
    pub(in crate::ui) tag: Option<Tag>,
    /// Only the members of this segment.
    pub(in crate::ui) segment: Option<SegmentId>,
    /// Only those whom this member is in charge of.
    pub(in crate::ui) owner: Option<UserId>,
    /// Only those in this stage.
    pub(in crate::ui) stage: Option<String>,
    /// Only those who may, or may not, be written to.
    pub(in crate::ui) consent: Option<Consent>,
    /// What to sort by.
    pub(in crate::ui) sort: ContactSort,
    /// The other way round.
    pub(in crate::ui) descending: bool,
    /// The chosen columns; none for the usual ones.
    pub(in crate::ui) columns: Vec<String>,
    /// Where the page starts.
    pub(in crate::ui) after: Option<ContactCursor>,
}

impl Default for Listing {
    /// Who was added last comes first.
    fn default() -> Self {
        Self {
            search: None,
            tag: None,
            segment: None,
            owner: None,
            stage: None,
            consent: None,
            sort: ContactSort::CreatedAt,
            descending: true,
            columns: Vec::new(),
            after: None,
        }
    }
}

impl Listing {
    /// Reads the query of an address. What cannot be read there is as good as not said.
    pub(in crate::ui) fn read(query: &str) -> Self {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        Self::of(
            pairs
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )
    }

    /// Reads the fields of a form, or of a query.
    pub(in crate::ui) fn of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut listing = Self::default();
        for (name, value) in pairs {
            let value = value.trim();
            match name {
                "search" => listing.search = (!value.is_empty()).then(|| value.to_owned()),
                "tag" => listing.tag = value.parse().ok(),
                "segment" => listing.segment = value.parse().ok(),
                "owner" => listing.owner = value.parse().ok(),
                "stage" => listing.stage = (!value.is_empty()).then(|| value.to_owned()),
                "consent" => listing.consent = Consent::read(value),
                "sort" => listing.sort_by(value),
                "column" if listing.columns.len() < MOST => listing.columns.push(value.to_owned()),
                "after" => listing.after = value.parse().ok(),
                _ => {}
            }
        }
        listing
    }

    fn sort_by(&mut self, text: &str) {
        let name = text.strip_prefix('-').unwrap_or(text);
        if let Some((_, sort)) = SORTS.iter().find(|(known, _)| *known == name) {
            (self.sort, self.descending) = (*sort, name.len() < text.len());
        }
    }

    fn sort_text(&self) -> String {
        let known = SORTS.iter().find(|(_, sort)| *sort == self.sort);
        let name = known.map_or("created_at", |(name, _)| name);
        format!("{}{name}", if self.descending { "-" } else { "" })
    }

    /// What the address says beside where the page starts; nothing of what goes without saying.
    pub(in crate::ui) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        pairs.extend(self.search.clone().map(|text| ("search", text)));
        pairs.extend(self.tag.as_ref().map(|tag| ("tag", tag.to_string())));
        pairs.extend(self.segment.map(|id| ("segment", id.to_string())));
        pairs.extend(self.owner.map(|id| ("owner", id.to_string())));
        pairs.extend(self.stage.clone().map(|stage| ("stage", stage)));
        pairs.extend(self.consent.map(|consent| ("consent", consent.text())));
        let usual = Self::default();
        if (self.sort, self.descending) != (usual.sort, usual.descending) {
            pairs.push(("sort", self.sort_text()));
        }
        pairs.extend(self.columns.iter().map(|name| ("column", name.clone())));
        pairs
    }

    /// The query of the address, without where the page starts.
    pub(in crate::ui) fn query(&self) -> String {
        serde_urlencoded::to_string(self.pairs()).unwrap_or_default()
    }

    /// The address.
    pub(in crate::ui) fn href(&self) -> String {
        let mut pairs = self.pairs();
        pairs.extend(
            self.after
                .as_ref()
                .map(|after| ("after", after.to_string())),
        );
        address(PLACE, &pairs)
    }

    /// Another address with the same filter.
    pub(in crate::ui) fn filtered(&self, place: &str) -> String {
        let pairs = Self {
            columns: Vec::new(),
            ..self.first()
        };
        address(place, &pairs.pairs())
    }

    /// The same from the start.
    pub(in crate::ui) fn first(&self) -> Self {
        Self {
            after: None,
            ..self.clone()
        }
    }

    /// Where the same list is sorted by something, or the other way round if it already is.
    pub(in crate::ui) fn sorted_by(&self, sort: ContactSort) -> String {
        // Who came last is what people look for first; names and addresses are read from A to Z.
        let descending = if self.sort == sort {
            !self.descending
        } else {
            !matches!(sort, ContactSort::Name | ContactSort::Email)
        };
        let other = Self {
            sort,
            descending,
            ..self.first()
        };
        other.href()
    }

    /// Whether not all contacts are wanted.
    pub(in crate::ui) fn is_filtered(&self) -> bool {
        self.filter().is_narrow()
    }

    /// Whom it lets through.
    pub(in crate::ui) fn filter(&self) -> ContactFilter {
        ContactFilter {
            search: self.search.clone(),
            tag: self.tag.clone(),
            segment: self.segment,
            owner: self.owner,
            stage: self.stage.clone(),
            do_not_contact: match self.consent {
                Some(Consent::Not(channel)) => Some(channel),
                _ => None,
            },
            may_contact: match self.consent {
                Some(Consent::May(channel)) => Some(channel),
                _ => None,
            },
        }
    }

    /// The columns beside the name that there are.
    pub(in crate::ui) fn columns(&self, fields: &FieldSet) -> Vec<&str> {
        let chosen: Vec<_> = self.columns.iter().map(String::as_str).collect();
        let wanted = if chosen.is_empty() {
            &USUAL[..]
        } else {
            &chosen
        };
        let mut columns = Vec::new();
        for name in wanted {
            let known = fields.get(name).is_some() || OTHERS.iter().any(|(other, _)| other == name);
            if known && !columns.contains(name) {
                columns.push(*name);
            }
        }
        columns
    }

    /// What a column sorts by, if it can.
    pub(in crate::ui) fn sort_of(column: &str) -> Option<ContactSort> {
        let known = SORTS.iter().find(|(name, _)| *name == column);
        known.map(|(_, sort)| *sort)
    }
}

fn address(place: &str, pairs: &[(&'static str, String)]) -> String {
    match serde_urlencoded::to_string(pairs).unwrap_or_default() {
        query if query.is_empty() => place.to_owned(),
        query => format!("{place}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_shown_and_is_read_back() {
        let query = "search=Ann+%26+Bo&tag=a%2Bb&segment=00000000-0000-0000-0000-000000000001&owner=00000000-0000-0000-0000-000000000002&stage=lead&consent=not-email&sort=email&column=city&column=tags";
        let listing = Listing::read(query);
        assert_eq!(listing.sort, ContactSort::Email);
        assert_eq!(listing.href(), format!("{PLACE}?{query}"));
    }

    #[test]
    fn what_cannot_be_read_is_as_good_as_not_said() {
        for query in [
            "",
            "search=++",
            "tag=a%7Cb",
            "segment=x",
            "owner=x",
            "stage=+",
            "consent=not-pigeon",
            "sort=shoes",
            "after=zz",
            "%ff=%",
        ] {
            assert_eq!(Listing::read(query), Listing::default(), "{query}");
        }
        assert_eq!(Listing::default().href(), PLACE);
    }

    #[test]
    fn sorting_again_turns_the_order_round() {
        let by_address = Listing::read("sort=email");
        assert!(
            by_address
                .sorted_by(ContactSort::Email)
                .ends_with("sort=-email")
        );
        assert!(
            by_address
                .sorted_by(ContactSort::LastActive)
                .ends_with("sort=-last_active")
        );
        assert_eq!(by_address.sorted_by(ContactSort::CreatedAt), PLACE);
    }

    #[test]
    fn columns_that_are_none_are_left_out() {
        let listing = Listing::read("column=city&column=shoes&column=city&column=tags");
        assert_eq!(listing.columns(&FieldSet::core()), ["city", "tags"]);
        let usual = Listing::default();
        assert_eq!(usual.columns(&FieldSet::core()), USUAL);
    }
}
