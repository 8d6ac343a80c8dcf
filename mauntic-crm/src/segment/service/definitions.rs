use std::collections::BTreeMap;

use mauntic_core::{Actor, OrganizationId, Page, PageSize, Permission, SegmentId, StoreError};

use super::{RuleInput, SegmentService};
use crate::{
    CrmError, audit,
    segment::{Rule, Segment, SegmentFilter, SegmentName},
};

/// A segment to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateSegment {
    /// Its name.
    pub name: SegmentName,
    /// What it is for.
    pub description: String,
    /// Whom it takes in by itself; none makes a static segment.
    pub rule: Option<RuleInput>,
}

/// What is to change of a segment; the rest stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UpdateSegment {
    /// Its name.
    pub name: Option<SegmentName>,
    /// What it is for.
    pub description: Option<String>,
    /// What recipients know it as; `Some(None)` ends its being a mailing list.
    pub list_name: Option<Option<SegmentName>>,
    /// Whom it takes in by itself; `Some(None)` makes it a static segment.
    pub rule: Option<Option<RuleInput>>,
    /// Only if it is at this version.
    pub version: Option<i64>,
}

/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 5_000;

impl SegmentService {
    /// Makes a segment. One with a rule is built by the next worker.
    #[tracing::instrument(skip_all)]
    pub async fn create(&self, actor: &Actor, command: CreateSegment) -> Result<Segment, CrmError> {
        let organization = actor.require(Permission::SegmentsWrite)?;
        let rule = match command.rule {
            Some(input) => Some(self.read_rule(organization, input).await?.0),
            None => None,
        };
        check_description(&command.description)?;
        let id = SegmentId::generate(&*self.ids);
        let segment = Segment::new(
            id,
            command.name,
            command.description,
            rule,
            self.clock.now(),
        );
        let mut uow = self.store.begin().await?;
        check_references(
            &uow.segments().all_for_update(organization).await?,
            &segment,
        )?;
        uow.segments()
            .insert(organization, &segment)
            .await
            .map_err(name_taken)?;
        let change = told("segment.created", id).to(audit::segment(&segment));
        audit::tell(uow.outbox(), actor, change, segment.created_at, &*self.ids).await?;
        uow.commit().await?;
        Ok(segment)
    }

    /// Changes a segment. A new rule is applied by the next worker.
    #[tracing::instrument(skip(self, actor, command))]
    pub async fn update(
        &self,
        actor: &Actor,
        id: SegmentId,
        command: UpdateSegment,
    ) -> Result<Segment, CrmError> {
        let organization = actor.require(Permission::SegmentsWrite)?;
        let rule = match command.rule {
            Some(Some(input)) => Some(Some(self.read_rule(organization, input).await?.0)),
            Some(None) => Some(None),
            None => None,
        };
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let all = uow.segments().all_for_update(organization).await?;
        let found = uow.segments().find_for_update(organization, id).await?;
        let mut segment = found.ok_or(CrmError::SegmentNotFound(id))?;
        if command
            .version
            .is_some_and(|version| version != segment.version)
        {
            return Err(CrmError::VersionMismatch {
                current: segment.version,
            });
        }
        let before = audit::segment(&segment);
        if let Some(name) = command.name {
            segment.name = name;
        }
        if let Some(description) = command.description {
            check_description(&description)?;
            segment.description = description;
        }
        if let Some(list_name) = command.list_name {
            segment.list_name = list_name;
        }
        if let Some(rule) = rule {
            segment.set_rule(rule, now);
            check_references(&all, &segment)?;
        }
        segment.touch(now);
        uow.segments()
            .update(organization, &segment)
            .await
            .map_err(name_taken)?;
        let change = told("segment.updated", id).between(before, audit::segment(&segment));
        audit::tell(uow.outbox(), actor, change, now, &*self.ids).await?;
        uow.commit().await?;
        Ok(segment)
    }

    /// Deletes a segment, unless another segment's rule asks for it.
    #[tracing::instrument(skip(self, actor))]
    pub async fn delete(&self, actor: &Actor, id: SegmentId) -> Result<(), CrmError> {
        let organization = actor.require(Permission::SegmentsWrite)?;
        let mut uow = self.store.begin().await?;
        let all = uow.segments().all_for_update(organization).await?;
        let segment = all
            .iter()
            .find(|segment| segment.id == id)
            .ok_or(CrmError::SegmentNotFound(id))?;
        let users = users(&all, id);
        if !users.is_empty() {
            let users: Vec<_> = users
                .iter()
                .map(|user| format!("\"{}\"", user.name))
                .collect();
            return Err(CrmError::InUse {
                what: format!("the segment \"{}\"", segment.name),
                users: format!("the rules of {}", users.join(", ")),
            });
        }
        uow.segments().delete(organization, id).await?;
        let change = told("segment.deleted", id).from(audit::segment(segment));
        audit::tell(uow.outbox(), actor, change, self.clock.now(), &*self.ids).await?;
        uow.commit().await?;
        Ok(())
    }

    /// One segment.
    pub async fn find(&self, actor: &Actor, id: SegmentId) -> Result<Segment, CrmError> {
        let organization = actor.require(Permission::SegmentsRead)?;
        self.known(organization, id).await
    }

    /// The segment with that name or id.
    pub async fn find_by_name(
        &self,
        actor: &Actor,
        name: &str,
    ) -> Result<Option<Segment>, CrmError> {
        let organization = actor.require(Permission::SegmentsRead)?;
        if let Ok(id) = name.parse() {
            return Ok(self.store.segments().find(organization, id).await?);
        }
        let key = name.trim().to_lowercase();
        let all = self.store.segments().all(organization).await?;
        Ok(all.into_iter().find(|segment| segment.name.key() == key))
    }

    /// One page of segments, by name; the cursor is the [key](SegmentName::key) of the last.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: &SegmentFilter,
        after: Option<&str>,
        size: PageSize,
    ) -> Result<Page<Segment, String>, CrmError> {
        let organization = actor.require(Permission::SegmentsRead)?;
        let segments = self.store.segments();
        Ok(segments.list(organization, filter, after, size).await?)
    }

    /// The segments whose rules ask for a segment.
    pub async fn used_by(&self, actor: &Actor, id: SegmentId) -> Result<Vec<Segment>, CrmError> {
        let organization = actor.require(Permission::SegmentsRead)?;
        let all = self.store.segments().all(organization).await?;
        if !all.iter().any(|segment| segment.id == id) {
            return Err(CrmError::SegmentNotFound(id));
        }
        Ok(users(&all, id).into_iter().cloned().collect())
    }

    /// Makes a rebuild due at once.
    #[tracing::instrument(skip(self, actor))]
    pub async fn queue_rebuild(&self, actor: &Actor, id: SegmentId) -> Result<Segment, CrmError> {
        let organization = actor.require(Permission::SegmentsWrite)?;
        let mut uow = self.store.begin().await?;
        let found = uow.segments().find_for_update(organization, id).await?;
        found.ok_or(CrmError::SegmentNotFound(id))?;
        uow.segments()
            .queue_rebuilds(organization, &[id], self.clock.now())
            .await?;
        let change = told("segment.rebuild_queued", id);
        audit::tell(uow.outbox(), actor, change, self.clock.now(), &*self.ids).await?;
        uow.commit().await?;
        self.known(organization, id).await
    }

    pub(super) async fn known(
        &self,
        organization: OrganizationId,
        id: SegmentId,
    ) -> Result<Segment, CrmError> {
        let found = self.store.segments().find(organization, id).await?;
        found.ok_or(CrmError::SegmentNotFound(id))
    }
}

pub(super) fn told(action: &str, id: SegmentId) -> audit::Change {
    audit::Change::new(action, audit::Subject::new("segment", id))
}

/// The segments whose rules name a segment.
pub(in crate::segment) fn users(all: &[Segment], id: SegmentId) -> Vec<&Segment> {
    let uses = |segment: &&Segment| {
        segment
            .rule
            .as_ref()
            .is_some_and(|rule| rule.segments().contains(&id))
    };
    all.iter().filter(uses).collect()
}

fn check_description(description: &str) -> Result<(), CrmError> {
    if description.chars().take(MAX_DESCRIPTION + 1).count() > MAX_DESCRIPTION
        || description.contains('\0')
    {
        return Err(CrmError::Invalid(format!(
            "the description is longer than {MAX_DESCRIPTION} characters"
        )));
    }
    Ok(())
}

fn name_taken(error: StoreError) -> CrmError {
    match error {
        StoreError::Conflict {
            field: "segment.name",
        } => CrmError::Taken {
            field: "name".to_owned(),
        },
        other => other.into(),
    }
}

/// The segments that a rule names must be there, and none may lead back to its own.
fn check_references(all: &[Segment], changed: &Segment) -> Result<(), CrmError> {
    let mut rules: BTreeMap<SegmentId, (&SegmentName, Option<&Rule>)> = all
        .iter()
        .map(|segment| (segment.id, (&segment.name, segment.rule.as_ref())))
        .collect();
    rules.insert(changed.id, (&changed.name, changed.rule.as_ref()));
    let mut waiting: Vec<Vec<SegmentId>> = vec![vec![changed.id]];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(path) = waiting.pop() {
        let last = path.last().copied().unwrap_or(changed.id);
        let Some((_, rule)) = rules.get(&last) else {
            return Err(CrmError::SegmentNotFound(last));
        };
        for next in rule.map(Rule::segments).unwrap_or_default() {
            if next == changed.id {
                let names = path.iter().chain([&next]).filter_map(|id| rules.get(id));
                let names: Vec<_> = names.map(|(name, _)| format!("\"{name}\"")).collect();
                return Err(CrmError::Cycle(names.join(" asks for ")));
            }
            if seen.insert(next) {
                waiting.push(path.iter().copied().chain([next]).collect());
            }
        }
    }
    Ok(())
}
