use std::sync::Arc;

use mauntic_core::{
    Access, Actor, AlwaysActive, Envelope, OrganizationId, Page, PageSize, Permission, Principal,
    Standing, UseCase, UserId, WorkerId,
};
use serde_json::{Map, Value as Json};

use super::{
    Change, ContactPatch, ContactService, batch::at_most_a_batch, bulk_run::BulkRunner,
    consent::plain_text, patch::check_stage,
};
use crate::{
    ContactFilter, CrmError, FieldProblem, InvalidValue, MAX_BATCH, audit,
    bulk::{BulkAction, BulkChange, BulkChangeId, BulkEntry, BulkPlan, BulkState, Whom},
    segment::SegmentService,
};

/// Begins a change of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateBulkChange {
    /// Whom to change.
    pub whom: Whom,
    /// What becomes of each of them.
    pub action: BulkAction,
    /// How many a person agreed to: if there are more by now, nothing begins.
    pub at_most: Option<u64>,
}

/// Changes many contacts at once, as long work that any worker can go on with.
#[derive(Clone)]
pub struct BulkService {
    pub(super) contacts: ContactService,
    pub(super) segments: SegmentService,
    pub(super) standing: Arc<dyn Standing>,
    pub(super) batch: usize,
}

impl BulkAction {
    /// What the actor needs beside [`Permission::ContactsWrite`].
    #[must_use]
    pub fn needs(&self) -> Option<Permission> {
        match self {
            Self::AddToSegment { .. } | Self::RemoveFromSegment { .. } => {
                Some(Permission::SegmentsWrite)
            }
            Self::Delete => Some(Permission::ContactsDelete),
            Self::Tags { .. }
            | Self::SetField { .. }
            | Self::SetOwner { .. }
            | Self::SetStage { .. }
            | Self::DoNotContact { .. } => None,
        }
    }
}

impl BulkService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("apply_owner_gone", Access::Itself),
        (
            "cancel",
            Access::NeedsAll(&[Permission::ContactsWrite, Permission::ContactsRead]),
        ),
        ("create", Access::Needs(Permission::ContactsWrite)),
        ("find", Access::Needs(Permission::ContactsRead)),
        ("list", Access::Needs(Permission::ContactsRead)),
        (
            "pause",
            Access::NeedsAll(&[Permission::ContactsWrite, Permission::ContactsRead]),
        ),
        (
            "resume",
            Access::NeedsAll(&[Permission::ContactsWrite, Permission::ContactsRead]),
        ),
        ("run_once", Access::Itself),
        ("unfinished", Access::Needs(Permission::ContactsRead)),
    ];

    /// The use cases, which write through those of contacts and segments.
    #[must_use]
    pub fn new(contacts: ContactService, segments: SegmentService) -> Self {
        Self {
            contacts,
            segments,
            standing: Arc::new(AlwaysActive),
            batch: MAX_BATCH,
        }
    }

    /// The same, but the changes of organisations that are not at work are paused.
    #[must_use]
    pub fn with_standing(self, standing: Arc<dyn Standing>) -> Self {
        Self { standing, ..self }
    }

    /// The same with so many contacts in a transaction.
    #[must_use]
    pub fn with_batch(self, contacts: usize) -> Self {
        Self {
            batch: contacts.clamp(1, MAX_BATCH),
            ..self
        }
    }

    /// Begins a change, to be worked on by [`run_once`](Self::run_once). Some actions need
    /// [more](BulkAction::needs) than the permission to change contacts.
    ///
    /// # Errors
    /// If nobody is chosen, or the action is not possible; [`CrmError::MoreThanAgreed`]. Then nothing is written.
    pub async fn create(
        &self,
        actor: &Actor,
        command: CreateBulkChange,
    ) -> Result<BulkChange, CrmError> {
        let CreateBulkChange {
            whom,
            action,
            at_most,
        } = command;
        let organization = actor.require(Permission::ContactsWrite)?;
        if let Some(permission) = action.needs() {
            actor.require(permission)?;
        }
        self.check(actor, &action).await?;
        let total = self.count(organization, &whom).await?;
        if let Some(agreed) = at_most.filter(|agreed| total > *agreed) {
            return Err(CrmError::MoreThanAgreed { agreed, total });
        }
        let plan = BulkPlan {
            whom,
            action,
            actor: actor.principal(),
        };
        let change = self.planned(organization, plan, total);
        let ids = &self.contacts.ids;
        let mut uow = self.contacts.store.begin().await?;
        uow.bulk().insert(&change).await?;
        let told = audit::Change::new("bulk_change.created", subject(change.id))
            .to(audit::bulk(&change.plan, total));
        audit::tell(uow.outbox(), actor, told, change.created_at, &**ids).await?;
        uow.commit().await?;
        Ok(change)
    }

    /// Does what follows when a user leaves an organisation, once: a change of many, of the system's own, takes the user
    /// off the contacts.
    pub async fn apply_owner_gone(
        &self,
        handler: &'static str,
        envelope: &Envelope,
        owner: UserId,
    ) -> Result<(), CrmError> {
        let organization = envelope.organization_id;
        let whom = Whom::All(ContactFilter {
            owner: Some(owner),
            ..ContactFilter::default()
        });
        let total = self.count(organization, &whom).await?;
        let plan = BulkPlan {
            whom,
            action: BulkAction::SetOwner { owner: None },
            actor: Principal::System,
        };
        let change = self.planned(organization, plan, total);
        let mut uow = self.contacts.store.begin().await?;
        let event = envelope.id;
        if !uow
            .inbox()
            .first_time(handler, event, change.created_at)
            .await?
        {
            return Ok(());
        }
        // Most members look after nobody, and then there is nothing to show.
        if total > 0 {
            uow.bulk().insert(&change).await?;
        }
        uow.commit().await?;
        Ok(())
    }

    /// One change.
    ///
    /// # Errors
    /// [`CrmError::BulkChangeNotFound`].
    pub async fn find(&self, actor: &Actor, id: BulkChangeId) -> Result<BulkChange, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        let found = self.contacts.store.bulk().find(organization, id).await?;
        found.ok_or(CrmError::BulkChangeNotFound(id))
    }

    /// One page of the changes, the latest first, without whom they are about.
    pub async fn list(
        &self,
        actor: &Actor,
        after: Option<BulkChangeId>,
        size: PageSize,
    ) -> Result<Page<BulkEntry, BulkChangeId>, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        let bulk = self.contacts.store.bulk();
        Ok(bulk.list(organization, after, size).await?)
    }

    /// Up to a page of the changes that have not ended, the latest first, without whom they are about.
    pub async fn unfinished(
        &self,
        actor: &Actor,
        size: PageSize,
    ) -> Result<Vec<BulkEntry>, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        let bulk = self.contacts.store.bulk();
        Ok(bulk.unfinished(organization, size).await?)
    }

    /// Stops a change until it is resumed. What is changed stays so.
    ///
    /// # Errors
    /// [`CrmError::BulkChangeNotFound`]; [`CrmError::WrongState`] if it neither waits nor runs.
    pub async fn pause(&self, actor: &Actor, id: BulkChangeId) -> Result<BulkChange, CrmError> {
        let from = [BulkState::Pending, BulkState::Running];
        self.change(actor, id, &from, BulkState::Paused).await
    }

    /// Lets a paused change go on where it was.
    ///
    /// # Errors
    /// [`CrmError::BulkChangeNotFound`]; [`CrmError::WrongState`] if it is not paused.
    pub async fn resume(&self, actor: &Actor, id: BulkChangeId) -> Result<BulkChange, CrmError> {
        self.change(actor, id, &[BulkState::Paused], BulkState::Pending)
            .await
    }

    /// Stops a change for good. What is changed stays so.
    ///
    /// # Errors
    /// [`CrmError::BulkChangeNotFound`]; [`CrmError::WrongState`] if it has ended.
    pub async fn cancel(&self, actor: &Actor, id: BulkChangeId) -> Result<BulkChange, CrmError> {
        let from = [BulkState::Pending, BulkState::Running, BulkState::Paused];
        self.change(actor, id, &from, BulkState::Cancelled).await
    }

    /// Works on one change that waits, of any organisation, until it ends or `stop` says so; `false` if
    /// none does.
    pub async fn run_once(
        &self,
        worker: WorkerId,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<bool, CrmError> {
        BulkRunner {
            service: self,
            worker,
        }
        .run(stop)
        .await
    }

    async fn change(
        &self,
        actor: &Actor,
        id: BulkChangeId,
        from: &[BulkState],
        to: BulkState,
    ) -> Result<BulkChange, CrmError> {
        let organization = actor.require(Permission::ContactsWrite)?;
        let now = self.contacts.clock.now();
        let mut uow = self.contacts.store.begin().await?;
        let changed = uow
            .bulk()
            .change_state(organization, id, from, to, now)
            .await?;
        if changed {
            let action = match to {
                BulkState::Paused => "bulk_change.paused",
                BulkState::Pending => "bulk_change.resumed",
                _ => "bulk_change.cancelled",
            };
            let told = audit::Change::new(action, subject(id));
            audit::tell(uow.outbox(), actor, told, now, &*self.contacts.ids).await?;
        }
        uow.commit().await?;
        let change = self.find(actor, id).await?;
        if changed {
            Ok(change)
        } else {
            Err(CrmError::WrongState(change.state))
        }
    }

    /// A change that begins now.
    fn planned(&self, organization: OrganizationId, plan: BulkPlan, total: u64) -> BulkChange {
        BulkChange {
            id: BulkChangeId::generate(&*self.contacts.ids),
            organization_id: organization,
            plan,
            state: BulkState::Pending,
            total,
            done: 0,
            refused: 0,
            problem: None,
            cursor: None,
            lease: None,
            created_at: self.contacts.clock.now(),
            finished_at: None,
        }
    }

    async fn count(&self, organization: OrganizationId, whom: &Whom) -> Result<u64, CrmError> {
        match whom {
            Whom::Chosen(ids) if ids.is_empty() => {
                Err(CrmError::Invalid("nobody is chosen".to_owned()))
            }
            Whom::Chosen(ids) => {
                at_most_a_batch(ids.len())?;
                Ok(ids.len() as u64)
            }
            Whom::All(filter) => {
                let contacts = self.contacts.store.contacts();
                Ok(contacts.count(organization, filter).await?)
            }
        }
    }

    async fn check(&self, actor: &Actor, action: &BulkAction) -> Result<(), CrmError> {
        match action {
            BulkAction::Tags { add, remove } if add.is_empty() && remove.is_empty() => Err(
                CrmError::Invalid("name a tag to put on or to take off".to_owned()),
            ),
            BulkAction::Tags { .. } | BulkAction::Delete => Ok(()),
            BulkAction::AddToSegment { segment } | BulkAction::RemoveFromSegment { segment } => {
                self.segments.find(actor, *segment).await.map(|_| ())
            }
            BulkAction::DoNotContact { comment, .. } => plain_text(comment, 1_000),
            BulkAction::SetOwner { owner } => {
                let patch = ContactPatch {
                    owner: Change::to(*owner),
                    ..ContactPatch::default()
                };
                let organization = actor.organization_id();
                let strangers = self.contacts.strangers(organization, &[&patch]).await?;
                if strangers.is_empty() {
                    Ok(())
                } else {
                    let problem = FieldProblem::new("owner", InvalidValue::NotAMember);
                    Err(CrmError::InvalidFields(vec![problem]))
                }
            }
            BulkAction::SetStage { stage } => {
                let checked = stage.as_deref().map_or(Ok(()), check_stage);
                checked.map_err(|problem| CrmError::InvalidFields(vec![problem]))
            }
            BulkAction::SetField { field, value } => {
                let name = field.as_str();
                let fields = self.contacts.fields(actor.organization_id()).await?;
                let refused =
                    |reason| CrmError::InvalidFields(vec![FieldProblem::new(name, reason)]);
                let known = fields.get(name);
                let known = known.ok_or_else(|| refused(InvalidValue::UnknownField))?;
                if known.unique {
                    return Err(CrmError::Invalid(format!(
                        "no two contacts have the same {}, so that it cannot be set for many",
                        known.label
                    )));
                }
                if known.required && value.trim().is_empty() {
                    return Err(refused(InvalidValue::Required));
                }
                let values = Map::from_iter([(name.to_owned(), Json::String(value.clone()))]);
                self.contacts.parse(actor, &values).await.map(|_| ())
            }
        }
    }
}

fn subject(id: BulkChangeId) -> audit::Subject {
    audit::Subject::new("bulk_change", id)
}
