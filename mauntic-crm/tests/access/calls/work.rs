//! The use cases of long work: imports, exports and bulk changes.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use mauntic_core::{Actor, testing::Reach};
use mauntic_crm::{
    ContactFilter, CreateBulkChange, CrmError,
    bulk::{BulkAction, Whom},
    import::{FormatHints, ImportError, ImportState, ProblemKind, Watch},
};

use super::{allowed, seen};
use crate::fixture::{Fixture, OWN, WORKER};

impl Fixture {
    pub(crate) async fn imports(
        &self,
        use_case: &str,
        actor: &Actor,
    ) -> Result<Reach, ImportError> {
        let (imports, import, all) = (&self.imports, self.import, self.all);
        let mine = seen(actor.organization_id() == OWN);
        match use_case {
            "upload" => {
                let mut text: &[u8] = b"email\n";
                imports.upload(actor, &mut text, 1_000).await?;
                Ok(mine)
            }
            "forget_upload" => {
                imports.forget_upload(actor, self.upload().await).await?;
                Ok(Reach::Allowed)
            }
            "preview" => {
                let command = Self::create_import(self.upload().await);
                imports.preview(actor, command).await?;
                Ok(Reach::Allowed)
            }
            "create" => {
                let command = Self::create_import(self.upload().await);
                imports.create(actor, command).await?;
                Ok(Reach::Allowed)
            }
            "glance" => {
                let upload = self.upload().await;
                imports
                    .glance(actor, upload, FormatHints::default())
                    .await?;
                Ok(Reach::Allowed)
            }
            "find" => imports.find(actor, import).await.map(|_| Reach::Allowed),
            "list" => {
                let page = imports.list(actor, None, all).await?;
                Ok(seen(page.items.iter().any(|found| found.id == import)))
            }
            "unfinished" => {
                let found = imports.unfinished(actor, all).await?;
                Ok(seen(found.iter().any(|found| found.id == import)))
            }
            "problems" => {
                let kind = ProblemKind::Duplicate;
                imports.problems(actor, import, kind, None, all).await?;
                Ok(Reach::Allowed)
            }
            "report" => {
                let pieces = imports.report(actor, import).await?;
                let pieces: Vec<Vec<u8>> = pieces.try_collect().await?;
                assert!(pieces.concat().len() < 1_000);
                Ok(Reach::Allowed)
            }
            "pause" => imports.pause(actor, import).await.map(|_| Reach::Allowed),
            "cancel" => imports.cancel(actor, import).await.map(|_| Reach::Allowed),
            "resume" => {
                let paused = imports.pause(&Actor::system(OWN), import).await?;
                assert_eq!(paused.state, ImportState::Paused);
                imports.resume(actor, import).await.map(|_| Reach::Allowed)
            }
            "run_to_end" => {
                let watch = Watch {
                    progress: &mut |_, _| {},
                    stop: &|| false,
                };
                let ended = imports.run_to_end(actor, import, WORKER, watch).await?;
                assert_eq!(ended.state, ImportState::Completed);
                Ok(Reach::Allowed)
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    pub(crate) async fn exports(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        assert_eq!(use_case, "contacts", "no call is written for it");
        let pieces: Vec<Vec<u8>> = self
            .exports
            .contacts(actor, ContactFilter::default())
            .await?
            .try_collect()
            .await?;
        let text = String::from_utf8(pieces.concat()).unwrap();
        Ok(seen(text.contains("ann@example.com")))
    }

    pub(crate) async fn bulk(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        let bulk = &self.bulk;
        let tagging = || CreateBulkChange {
            whom: Whom::Chosen(BTreeSet::from([self.ann])),
            action: BulkAction::Tags {
                add: BTreeSet::from([self.tag.clone()]),
                remove: BTreeSet::new(),
            },
            at_most: None,
        };
        let ours = Actor::system(OWN);
        match use_case {
            "create" => {
                let made = bulk.create(actor, tagging()).await?;
                Ok(seen(bulk.find(&ours, made.id).await.is_ok()))
            }
            "find" => {
                let made = bulk.create(&ours, tagging()).await?;
                allowed(bulk.find(actor, made.id).await)
            }
            "cancel" => {
                let made = bulk.create(&ours, tagging()).await?;
                allowed(bulk.cancel(actor, made.id).await)
            }
            "pause" => {
                let made = bulk.create(&ours, tagging()).await?;
                allowed(bulk.pause(actor, made.id).await)
            }
            "resume" => {
                let made = bulk.create(&ours, tagging()).await?;
                bulk.pause(&ours, made.id).await?;
                allowed(bulk.resume(actor, made.id).await)
            }
            "list" => {
                bulk.create(&ours, tagging()).await?;
                let page = bulk.list(actor, None, self.all).await?;
                Ok(seen(!page.items.is_empty()))
            }
            "unfinished" => {
                bulk.create(&ours, tagging()).await?;
                Ok(seen(!bulk.unfinished(actor, self.all).await?.is_empty()))
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }
}
