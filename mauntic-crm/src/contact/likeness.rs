//! Whether two records are probably of one person.

use std::{collections::BTreeSet, fmt, str::FromStr};

use mauntic_core::EmailAddress;
use serde::{Deserialize, Serialize};

use super::Contact;
use crate::{Value, field::named};

named! {
    /// Why two records are probably of one person. A person decides; nothing is merged by itself.
    Likeness, UnknownLikeness, "likeness of contacts";
    /// Their addresses lead to one [`mailbox`].
    Mailbox => "mailbox",
    /// They have the same number of a mobile phone.
    Mobile => "mobile",
    /// They have the same first and last name, and work at the same company.
    NameAndCompany => "name_and_company",
    /// They have the same first and last name, and a telephone number in common.
    NameAndPhone => "name_and_phone",
    /// They have the same first and last name, and live at the same postal code.
    NameAndPostcode => "name_and_postcode",
}

/// Which mailbox an address leads to, as far as can be told from it: what stands behind a `+` is a note of its owner's
/// (RFC 5233), and Gmail knows no dots and has a second domain. In lower case.
#[must_use]
pub fn mailbox(address: &EmailAddress) -> String {
    let local = address.local_part().to_lowercase();
    let local = match local.split_once('+') {
        Some((before, _)) if !before.is_empty() => before,
        _ => local.as_str(),
    };
    if is_gmail(address.domain()) {
        format!("{}@gmail.com", local.replace('.', ""))
    } else {
        format!("{local}@{}", address.domain())
    }
}

pub(crate) fn is_gmail(domain: &str) -> bool {
    matches!(domain, "gmail.com" | "googlemail.com")
}

/// What records are compared by: texts without regard to the case of A to Z.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marks {
    /// First and last name, if both are known.
    pub(crate) name: Option<(String, String)>,
    /// The company.
    pub(crate) company: Option<String>,
    /// The postal code.
    pub(crate) postcode: Option<String>,
    /// The number of the mobile phone.
    pub(crate) mobile: Option<String>,
    /// All telephone numbers.
    pub(crate) phones: BTreeSet<String>,
}

impl Contact {
    /// Why the two records are probably of one person; empty if there is no reason to think so.
    #[must_use]
    pub fn likeness(&self, other: &Self) -> BTreeSet<Likeness> {
        let mut found = BTreeSet::new();
        let (ours, theirs) = (self.marks(), other.marks());
        let boxes = [self, other].map(|contact| contact.email().map(mailbox));
        if same(boxes[0].as_ref(), boxes[1].as_ref()) {
            found.insert(Likeness::Mailbox);
        }
        if same(ours.mobile.as_ref(), theirs.mobile.as_ref()) {
            found.insert(Likeness::Mobile);
        }
        if same(ours.name.as_ref(), theirs.name.as_ref()) {
            let more = [
                (
                    Likeness::NameAndCompany,
                    same(ours.company.as_ref(), theirs.company.as_ref()),
                ),
                (
                    Likeness::NameAndPhone,
                    !ours.phones.is_disjoint(&theirs.phones),
                ),
                (
                    Likeness::NameAndPostcode,
                    same(ours.postcode.as_ref(), theirs.postcode.as_ref()),
                ),
            ];
            found.extend(more.into_iter().filter_map(|(why, is)| is.then_some(why)));
        }
        found
    }

    /// What the record is compared by.
    pub(crate) fn marks(&self) -> Marks {
        let text = |alias| {
            let text = self.value(alias).and_then(Value::as_text);
            text.map(str::to_ascii_lowercase)
        };
        Marks {
            name: text("firstname").zip(text("lastname")),
            company: text("company"),
            postcode: text("zipcode"),
            mobile: text("mobile"),
            phones: [text("phone"), text("mobile")]
                .into_iter()
                .flatten()
                .collect(),
        }
    }
}

fn same<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    one.is_some() && one == other
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use mauntic_core::ContactId;
    use uuid::Uuid;

    use super::*;
    use crate::{ChangeSet, FieldAlias};

    fn contact(pairs: &[(&str, &str)]) -> Contact {
        let id = ContactId::from_uuid(Uuid::from_u128(1));
        let mut contact = Contact::new(id, "test", DateTime::UNIX_EPOCH);
        for (name, text) in pairs {
            let mut changes = ChangeSet::default();
            if *name == "email" {
                contact.set_email(Some(text.parse().unwrap()), &mut changes);
            } else {
                let alias: FieldAlias = name.parse().unwrap();
                contact.set_value(&alias, Value::text(*text), &mut changes);
            }
        }
        contact
    }

    #[test]
    fn addresses_that_lead_to_one_mailbox_have_one_name() {
        for (address, name) in [
            ("Ann.Lee@example.com", "ann.lee@example.com"),
            ("ann.lee+news@example.com", "ann.lee@example.com"),
            ("ann.lee+a+b@example.com", "ann.lee@example.com"),
            ("+ann@example.com", "+ann@example.com"),
            ("Ann.Lee+x@googlemail.com", "annlee@gmail.com"),
            ("a.n.n.lee@gmail.com", "annlee@gmail.com"),
        ] {
            assert_eq!(mailbox(&address.parse().unwrap()), name, "{address}");
        }
    }

    #[test]
    fn a_name_alone_says_nothing() {
        let ann = [("firstname", "Ann"), ("lastname", "Lee")];
        let with = |more: &[(&str, &str)]| contact(&[&ann[..], more].concat());
        for (ours, theirs, why) in [
            (with(&[]), with(&[]), vec![]),
            (
                with(&[("company", "Acme")]),
                with(&[("company", "ACME")]),
                vec![Likeness::NameAndCompany],
            ),
            (
                with(&[("phone", "+4930123456")]),
                with(&[("mobile", "+4930123456")]),
                vec![Likeness::NameAndPhone],
            ),
            (
                with(&[("zipcode", "10115")]),
                with(&[("zipcode", "10115"), ("company", "Acme")]),
                vec![Likeness::NameAndPostcode],
            ),
            (
                contact(&[("mobile", "+491701234567")]),
                contact(&[("mobile", "+491701234567"), ("firstname", "Bo")]),
                vec![Likeness::Mobile],
            ),
            (
                contact(&[("phone", "+4930123456")]),
                contact(&[("phone", "+4930123456")]),
                vec![],
            ),
            (
                contact(&[("email", "ann@example.com")]),
                contact(&[("email", "ann+x@example.com")]),
                vec![Likeness::Mailbox],
            ),
        ] {
            let found: Vec<_> = ours.likeness(&theirs).into_iter().collect();
            assert_eq!(found, why, "{ours:?} {theirs:?}");
            assert_eq!(theirs.likeness(&ours), ours.likeness(&theirs));
        }
    }
}
