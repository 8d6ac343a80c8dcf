//! The use cases of segments.

use mauntic_core::{Actor, testing::Reach};
use mauntic_crm::{
    CrmError,
    segment::{RuleInput, SegmentFilter, UpdateSegment},
};

use super::{allowed, seen};
use crate::fixture::{Fixture, OWN, segment};

impl Fixture {
    pub(crate) async fn segments(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        let (segments, fans, all) = (&self.segments, self.fans, self.all);
        match use_case {
            "create" => {
                let made = segments.create(actor, segment("New", None)).await?;
                let ours = segments.find(&Actor::system(OWN), made.id).await;
                Ok(seen(ours.is_ok()))
            }
            "update" => {
                let command = UpdateSegment {
                    name: Some("Friends".parse().unwrap()),
                    ..UpdateSegment::default()
                };
                allowed(segments.update(actor, fans, command).await)
            }
            "delete" => allowed(segments.delete(actor, fans).await),
            "find" => allowed(segments.find(actor, fans).await),
            "find_by_name" => {
                let found = segments.find_by_name(actor, "Fans").await?;
                Ok(seen(found.is_some()))
            }
            "list" => {
                let page = segments
                    .list(actor, &SegmentFilter::default(), None, all)
                    .await?;
                Ok(seen(page.items.iter().any(|segment| segment.id == fans)))
            }
            "growth" => allowed(segments.growth(actor, fans, 30).await),
            "used_by" => allowed(segments.used_by(actor, fans).await),
            "queue_rebuild" => allowed(segments.queue_rebuild(actor, self.readers).await),
            "members" => allowed(segments.members(actor, fans, None, all).await),
            "of_contact" => allowed(segments.of_contact(actor, self.ann).await),
            "add" => allowed(segments.add(actor, fans, &[self.ann]).await),
            "remove" => allowed(segments.remove(actor, fans, &[self.ann]).await),
            "preview" => {
                let rule = RuleInput::Text("email is set".to_owned());
                let preview = segments.preview(actor, rule).await?;
                Ok(self.shows(&preview.sample))
            }
            "explain" => allowed(segments.explain(actor, self.readers, self.ann).await),
            "rule_text" => {
                let ours = segments.find(&Actor::system(OWN), self.readers).await?;
                // The rule comes with the call; what it names is looked up in the caller's organisation.
                let text = segments.rule_text(actor, &ours).await?;
                assert_eq!(text.as_deref(), Some("tag in (\"vip\")"));
                Ok(seen(actor.organization_id() == OWN))
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }
}
