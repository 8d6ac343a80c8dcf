//! From hits to counters, flags and events: a pure function over one batch.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry};

use chrono::{DateTime, Utc};
use mauntic_core::{DeliveryId, EmailId, EmailVersionId, OrganizationId, hour_of};

use super::{
    EarlierClick, EmailCount, Engaged, FollowedLink, Hit, HitKind, LinkCount, Metric, Reason,
    Settled, VerdictRules,
    verdict::{bursts, is_early},
};
use crate::{
    event::Engagement,
    sending::{DomainRef, DomainTally},
};

/// What a batch of hits changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Projection {
    /// The hits with their final verdicts.
    pub settled: Vec<Settled>,
    /// Deliveries to which something happened for the first time.
    pub engaged: Vec<Engaged>,
    /// What to add to counters of emails, in the order in which they are to be locked.
    pub counts: Vec<EmailCount>,
    /// What to add to counters of links, in the order in which they are to be locked.
    pub links: Vec<LinkCount>,
    /// Links that were followed in a delivery for the first time.
    pub followed: Vec<FollowedLink>,
    /// What to add to counters of domains.
    pub domains: BTreeMap<DomainRef, DomainTally>,
    /// Opens, by email.
    pub opened: BTreeMap<(OrganizationId, EmailId), Vec<Engagement>>,
    /// Clicks, by email.
    pub clicked: BTreeMap<(OrganizationId, EmailId), Vec<Engagement>>,
}

/// Counts a batch of hits.
#[must_use]
pub fn project(
    hits: Vec<Hit>,
    engaged: Vec<Engaged>,
    earlier: &[EarlierClick],
    rules: &VerdictRules,
) -> Projection {
    let mut before: HashMap<_, Vec<EarlierClick>> = HashMap::new();
    for click in earlier {
        let key = (click.organization_id, click.delivery_id);
        before.entry(key).or_default().push(*click);
    }
    let mut known: HashMap<_, Engaged> = engaged
        .into_iter()
        .map(|one| ((one.organization_id, one.delivery_id), one))
        .collect();
    let mut by_delivery: BTreeMap<(OrganizationId, DeliveryId), Vec<Hit>> = BTreeMap::new();
    for hit in hits {
        let key = (hit.organization_id, hit.delivery_id);
        by_delivery.entry(key).or_default().push(hit);
    }
    let mut tally = Tally::default();
    for (key, mut hits) in by_delivery {
        hits.sort_by_key(|hit| (hit.at, hit.id));
        let earlier = before.remove(&key).unwrap_or_default();
        let settled = settle(hits, known.get(&key), &earlier, rules);
        if let Some(engaged) = known.remove(&key) {
            tally.delivery(engaged, &settled, &earlier);
        }
        tally.projection.settled.extend(settled);
    }
    tally.finish()
}

/// Adds what shows only beside the delivery and its other hits.
fn settle(
    hits: Vec<Hit>,
    engaged: Option<&Engaged>,
    earlier: &[EarlierClick],
    rules: &VerdictRules,
) -> Vec<Settled> {
    let clicks: Vec<_> = hits
        .iter()
        .filter_map(|hit| Some((hit.link?, hit.at)))
        .chain(earlier.iter().map(|click| (click.link, click.last_at)))
        .collect();
    let mut in_burst = bursts(&clicks, rules).into_iter();
    hits.into_iter()
        .map(|hit| {
            let mut reasons: BTreeSet<_> = hit.reasons.iter().copied().collect();
            if hit.link.is_some() && in_burst.next().unwrap_or_default() {
                reasons.insert(Reason::Burst);
            }
            if engaged.is_some_and(|engaged| is_early(hit.at, engaged.accepted_at, rules)) {
                reasons.insert(Reason::TooEarly);
            }
            Settled {
                reasons: reasons.into_iter().collect(),
                hit,
            }
        })
        .collect()
}

#[derive(Default)]
struct Tally {
    projection: Projection,
    counts: BTreeMap<(OrganizationId, EmailId, Metric, bool, i64), i64>,
    links: BTreeMap<LinkKey, (i64, i64)>,
}

/// Organisation, email, version, link, machine.
type LinkKey = (OrganizationId, EmailId, EmailVersionId, u16, bool);

impl Tally {
    fn delivery(&mut self, mut engaged: Engaged, hits: &[Settled], earlier: &[EarlierClick]) {
        let before = engaged.firsts;
        let mut followed: BTreeSet<(u16, bool)> = earlier
            .iter()
            .map(|click| (click.link, click.machine))
            .collect();
        // At most one entry for each verdict; `false` sorts first.
        let mut opened = BTreeMap::new();
        let mut clicked = BTreeMap::new();
        for settled in hits {
            let hit = &settled.hit;
            let machine = !settled.reasons.is_empty();
            match hit.kind {
                HitKind::Open | HitKind::WebView => {
                    self.count(&engaged, Metric::Opens, machine, hit.at);
                    let first = set_first(open_slot(&mut engaged, machine), hit.at);
                    self.note(
                        &engaged,
                        &mut opened,
                        Metric::Opened,
                        machine,
                        hit.at,
                        first,
                    );
                }
                HitKind::Click => {
                    self.count(&engaged, Metric::Clicks, machine, hit.at);
                    self.count_link(&engaged, hit, machine, &mut followed);
                    let first = set_first(click_slot(&mut engaged, machine), hit.at);
                    self.note(
                        &engaged,
                        &mut clicked,
                        Metric::Clicked,
                        machine,
                        hit.at,
                        first,
                    );
                    // Whoever clicks has seen the message, though the pixel was blocked.
                    if !machine && set_first(open_slot(&mut engaged, false), hit.at) {
                        self.note(&engaged, &mut opened, Metric::Opened, false, hit.at, true);
                    }
                }
                // Counted where it acts.
                HitKind::Unsubscribe => {}
            }
        }
        let key = (engaged.organization_id, engaged.email_id);
        let projection = &mut self.projection;
        if !opened.is_empty() {
            projection
                .opened
                .entry(key)
                .or_default()
                .extend(opened.into_values());
        }
        if !clicked.is_empty() {
            projection
                .clicked
                .entry(key)
                .or_default()
                .extend(clicked.into_values());
        }
        if engaged.firsts != before {
            projection.engaged.push(engaged);
        }
    }

    fn count(&mut self, engaged: &Engaged, metric: Metric, machine: bool, at: DateTime<Utc>) {
        let key = (
            engaged.organization_id,
            engaged.email_id,
            metric,
            machine,
            hour_of(at),
        );
        *self.counts.entry(key).or_default() += 1;
    }

    fn count_at_domain(&mut self, engaged: &Engaged, metric: Metric) {
        let at = DomainRef {
            organization_id: engaged.organization_id,
            email_id: engaged.email_id,
            domain: engaged.domain.clone(),
        };
        let counts = self.projection.domains.entry(at).or_default();
        match metric {
            Metric::Opened => counts.opened += 1,
            Metric::Clicked => counts.clicked += 1,
            Metric::Opens | Metric::Clicks | Metric::Unsubscribed => {}
        }
    }

    fn count_link(
        &mut self,
        engaged: &Engaged,
        hit: &Hit,
        machine: bool,
        followed: &mut BTreeSet<(u16, bool)>,
    ) {
        let Some(link) = hit.link else { return };
        let key = (
            engaged.organization_id,
            engaged.email_id,
            hit.version_id,
            link,
            machine,
        );
        let (clicks, clicked) = self.links.entry(key).or_default();
        *clicks += 1;
        if followed.insert((link, machine)) {
            *clicked += 1;
            self.projection.followed.push(FollowedLink {
                organization_id: engaged.organization_id,
                delivery_id: engaged.delivery_id,
                version_id: hit.version_id,
                link,
                machine,
                at: hit.at,
            });
        }
    }

    fn note(
        &mut self,
        engaged: &Engaged,
        entries: &mut BTreeMap<bool, Engagement>,
        metric: Metric,
        machine: bool,
        at: DateTime<Utc>,
        first: bool,
    ) {
        if first {
            self.count(engaged, metric, machine, at);
            if !machine {
                self.count_at_domain(engaged, metric);
            }
        }
        match entries.entry(machine) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().count += 1;
                entry.get_mut().first |= first;
            }
            Entry::Vacant(entry) => {
                entry.insert(Engagement {
                    contact_id: engaged.contact_id,
                    delivery_id: engaged.delivery_id,
                    machine,
                    at,
                    count: 1,
                    first,
                });
            }
        }
    }

    fn finish(mut self) -> Projection {
        let counts = self.counts.into_iter();
        self.projection.counts = counts
            .map(
                |((organization_id, email_id, metric, machine, hour), n)| EmailCount {
                    organization_id,
                    email_id,
                    metric,
                    machine,
                    hour,
                    n,
                },
            )
            .collect();
        let links = self.links.into_iter();
        self.projection.links = links
            .map(
                |((organization_id, email_id, version_id, link, machine), (clicks, clicked))| {
                    LinkCount {
                        organization_id,
                        email_id,
                        version_id,
                        link,
                        machine,
                        clicks,
                        clicked,
                    }
                },
            )
            .collect();
        self.projection
    }
}

fn open_slot(engaged: &mut Engaged, machine: bool) -> &mut Option<DateTime<Utc>> {
    if machine {
        &mut engaged.firsts.machine_open
    } else {
        &mut engaged.firsts.human_open
    }
}

fn click_slot(engaged: &mut Engaged, machine: bool) -> &mut Option<DateTime<Utc>> {
    if machine {
        &mut engaged.firsts.machine_click
    } else {
        &mut engaged.firsts.human_click
    }
}

fn set_first(slot: &mut Option<DateTime<Utc>>, at: DateTime<Utc>) -> bool {
    let first = slot.is_none();
    slot.get_or_insert(at);
    first
}

#[cfg(test)]
#[path = "projection_tests.rs"]
mod tests;
