use std::cmp::Ordering;

use super::{ChangeSet, Contact};

impl Contact {
    /// Takes over what is known of another record of the same person (parity: crm.md, section 3.3).
    ///
    /// Of two values of a field, that of the record changed last counts; a blank never replaces one. The address,
    /// owner and stage stay if there are any. Tags are united, points added, the later activity and the earlier
    /// identification kept. Every ban on a channel stays, a person's own opt-out above others.
    pub fn absorb(&mut self, other: &Contact, changes: &mut ChangeSet) {
        let (ours, theirs) = (self.parts.updated_at, other.parts.updated_at);
        let is_newer = theirs.cmp(&ours) == Ordering::Greater;
        for (alias, value) in &other.parts.fields {
            if is_newer || self.value(alias.as_str()).is_none() {
                self.set_value(alias, Some(value.clone()), changes);
            }
        }
        if self.parts.email.is_none() {
            self.set_email(other.parts.email.clone(), changes);
        }
        if self.parts.owner.is_none() {
            self.set_owner(other.parts.owner, changes);
        }
        if self.parts.stage.is_none() {
            self.set_stage(other.parts.stage.clone(), changes);
        }
        let tags = self.parts.tags.union(&other.parts.tags).cloned().collect();
        self.set_tags(tags, changes);
        self.set_points(
            self.parts.points.saturating_add(other.parts.points),
            changes,
        );
        let active = self.parts.last_active_at.max(other.parts.last_active_at);
        self.set_last_active(active, changes);
        for mark in other.parts.do_not_contact.values() {
            self.forbid(mark.clone(), changes);
        }
        let known = [self.parts.identified_at, other.parts.identified_at];
        self.parts.identified_at = known.into_iter().flatten().min();
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use mauntic_core::ContactId;
    use uuid::Uuid;

    use crate::{ChangeSet, Channel, Contact, DoNotContact, FieldAlias, Reason, Value};

    fn contact(id: u128, changed: i64, city: Option<&str>) -> Contact {
        let at = DateTime::from_timestamp(changed, 0).unwrap();
        let mut contact = Contact::new(ContactId::from_uuid(Uuid::from_u128(id)), "manual", at);
        let alias: FieldAlias = "city".parse().unwrap();
        let city = city.and_then(Value::text);
        contact.set_value(&alias, city, &mut ChangeSet::default());
        contact
    }

    #[test]
    fn the_record_changed_last_counts_and_a_blank_replaces_nothing() {
        for (ours, theirs, merged) in [
            ((1, Some("Bonn")), (2, Some("Köln")), "Köln"),
            ((2, Some("Bonn")), (1, Some("Köln")), "Bonn"),
            ((1, Some("Bonn")), (2, None), "Bonn"),
            ((2, None), (1, Some("Köln")), "Köln"),
        ] {
            let mut kept = contact(1, ours.0, ours.1);
            kept.absorb(&contact(2, theirs.0, theirs.1), &mut ChangeSet::default());
            assert_eq!(kept.value("city").unwrap().as_text(), Some(merged));
        }
    }

    #[test]
    fn what_adds_up_is_added_up_and_no_opt_out_is_lost() {
        let (mut kept, mut other) = (contact(1, 1, None), contact(2, 2, None));
        let mut changes = ChangeSet::default();
        let mark = |reason| DoNotContact {
            channel: Channel::Email,
            reason,
            source: "test".to_owned(),
            comment: String::new(),
            at: DateTime::UNIX_EPOCH,
        };
        kept.forbid(mark(Reason::Bounced), &mut changes);
        other.forbid(mark(Reason::Unsubscribed), &mut changes);
        kept.set_points(3, &mut changes);
        other.set_points(4, &mut changes);
        kept.set_tags(["a".parse().unwrap()].into(), &mut changes);
        other.set_tags(["b".parse().unwrap()].into(), &mut changes);
        other.set_email(Some("ann@example.com".parse().unwrap()), &mut changes);
        other.identify(DateTime::UNIX_EPOCH);
        kept.absorb(&other, &mut changes);
        let parts = kept.parts();
        assert_eq!(
            parts.do_not_contact[&Channel::Email].reason,
            Reason::Unsubscribed
        );
        assert_eq!((parts.points, parts.tags.len()), (7, 2));
        assert_eq!(kept.email(), other.email());
        assert_eq!(parts.identified_at, Some(DateTime::UNIX_EPOCH));
        let email = kept.email().cloned();
        other.set_email(Some("else@example.com".parse().unwrap()), &mut changes);
        kept.absorb(&other, &mut changes);
        assert_eq!(kept.email().cloned(), email, "the address stays");
    }
}
