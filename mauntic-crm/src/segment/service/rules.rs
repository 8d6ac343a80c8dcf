use std::collections::HashMap;

use mauntic_core::{Actor, ContactId, EmailId, OrganizationId, Permission, SegmentId};

use super::SegmentService;
use crate::{
    Contact, CrmError, FieldSet, OwnerName,
    segment::{
        InvalidRule, MentionedNames, NameTable, Origin, Proof, Rule, RuleProblem, Segment, Today,
    },
};

/// A rule as people and programs give it.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleInput {
    /// The text form.
    Text(String),
    /// The tree.
    Tree(Rule),
}

/// What a rule would pick.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The rule.
    pub rule: Rule,
    /// Its text form.
    pub text: String,
    /// How many contacts it fits now.
    pub count: u64,
    /// Some of them.
    pub sample: Vec<Contact>,
    /// What is perhaps not meant.
    pub warnings: Vec<RuleProblem>,
}

/// Why a contact is in a segment or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Whether it is in now.
    pub is_member: bool,
    /// How it came in, or that it was taken out by hand.
    pub origin: Option<Origin>,
    /// What the rule says, if there is one.
    pub proof: Option<Proof>,
}

/// How many contacts a preview shows.
const SAMPLE: u64 = 10;

impl SegmentService {
    /// Counts whom a rule fits, without saving anything.
    #[tracing::instrument(skip_all)]
    pub async fn preview(&self, actor: &Actor, input: RuleInput) -> Result<Preview, CrmError> {
        let organization = actor.require(Permission::SegmentsRead)?;
        actor.require(Permission::ContactsRead)?;
        let (rule, warnings) = self.read_rule(organization, input).await?;
        let condition = rule.compile(
            &self.fields(organization).await?,
            &self.today(organization).await?,
        )?;
        let segments = self.store.segments();
        Ok(Preview {
            count: segments.count_matching(organization, &condition).await?,
            sample: segments
                .sample_matching(organization, &condition, SAMPLE)
                .await?,
            text: rule.to_text(&self.names_in(organization, &rule).await?),
            rule,
            warnings,
        })
    }

    /// Says why a contact is in a segment or not.
    #[tracing::instrument(skip(self, actor))]
    pub async fn explain(
        &self,
        actor: &Actor,
        id: SegmentId,
        contact: ContactId,
    ) -> Result<Explanation, CrmError> {
        let organization = actor.require(Permission::SegmentsRead)?;
        actor.require(Permission::ContactsRead)?;
        let segment = self.known(organization, id).await?;
        let facts = self
            .store
            .segments()
            .facts(organization, &[contact])
            .await?;
        let facts = facts.first().ok_or(CrmError::ContactNotFound(contact))?;
        let memberships = self
            .store
            .segments()
            .of_contact(organization, contact)
            .await?;
        let origin = memberships
            .iter()
            .find(|member| member.segment_id == id)
            .map(|member| member.origin);
        let proof = match &segment.rule {
            Some(rule) => {
                let fields = self.fields(organization).await?;
                let condition = rule.compile(&fields, &self.today(organization).await?)?;
                Some(condition.explain(rule, facts, &self.names_in(organization, rule).await?))
            }
            None => None,
        };
        Ok(Explanation {
            is_member: origin.is_some_and(|origin| origin != Origin::Removed),
            origin,
            proof,
        })
    }

    /// The text form of a segment's rule.
    pub async fn rule_text(
        &self,
        actor: &Actor,
        segment: &Segment,
    ) -> Result<Option<String>, CrmError> {
        let organization = actor.require(Permission::SegmentsRead)?;
        match &segment.rule {
            Some(rule) => Ok(Some(
                rule.to_text(&self.names_in(organization, rule).await?),
            )),
            None => Ok(None),
        }
    }

    /// Reads and checks a rule; returns it with what is perhaps not meant.
    pub(super) async fn read_rule(
        &self,
        organization: OrganizationId,
        input: RuleInput,
    ) -> Result<(Rule, Vec<RuleProblem>), CrmError> {
        let fields = self.fields(organization).await?;
        match input {
            RuleInput::Tree(mut rule) => {
                self.know_owners(organization, &mut rule).await?;
                let warnings = rule.check(&fields)?;
                Ok((rule, warnings))
            }
            RuleInput::Text(text) => {
                let mentioned = MentionedNames::in_text(&text, &fields).map_err(Box::new)?;
                let names = self.mentioned(organization, &mentioned).await?;
                let mut parsed =
                    Rule::parse_with_places(&text, &fields, &names).map_err(Box::new)?;
                self.know_owners(organization, &mut parsed.rule).await?;
                let warnings = parsed
                    .rule
                    .check(&fields)
                    .map_err(|InvalidRule { problems }| {
                        let first = problems.into_iter().next();
                        let (test, message, help) = first
                            .map_or((0, String::new(), None), |problem| {
                                (problem.test, problem.message, problem.help)
                            });
                        Box::new(parsed.error_at(&text, test, message, help))
                    })?;
                Ok((parsed.rule, warnings))
            }
        }
    }

    /// Puts the ids of owners in the place of their addresses; those of nobody stay, and are refused as what they are.
    async fn know_owners(
        &self,
        organization: OrganizationId,
        rule: &mut Rule,
    ) -> Result<(), CrmError> {
        let mut names = Vec::new();
        rule.each_owner(&mut |owner| names.extend(address(owner)));
        if names.is_empty() {
            return Ok(());
        }
        let found = self.owners.find(organization, &names).await?;
        let ids: HashMap<_, _> = names.iter().map(OwnerName::key).zip(found).collect();
        rule.each_owner(&mut |owner| {
            if let Some(Some(id)) = address(owner).and_then(|name| ids.get(&name.key())) {
                *owner = id.to_string();
            }
        });
        Ok(())
    }

    pub(super) async fn fields(&self, organization: OrganizationId) -> Result<FieldSet, CrmError> {
        Ok(FieldSet::with_custom(
            self.store.fields().list_custom(organization).await?,
        ))
    }

    async fn today(&self, organization: OrganizationId) -> Result<Today, CrmError> {
        Ok(Today::at(
            self.clock.now(),
            self.zones.zone_of(organization).await?,
        ))
    }

    async fn mentioned(
        &self,
        organization: OrganizationId,
        mentioned: &MentionedNames,
    ) -> Result<NameTable, CrmError> {
        let mut names = NameTable::default();
        if !mentioned.emails.is_empty() {
            names.emails = self
                .emails
                .by_names(organization, &mentioned.emails)
                .await?;
        }
        if !mentioned.segments.is_empty() {
            names.segments = self.segment_names(organization).await?;
        }
        Ok(names)
    }

    /// The names of what a rule speaks of.
    async fn names_in(
        &self,
        organization: OrganizationId,
        rule: &Rule,
    ) -> Result<NameTable, CrmError> {
        let mut names = NameTable::default();
        let emails: Vec<EmailId> = rule.emails();
        if !emails.is_empty() {
            names.emails = self.emails.by_ids(organization, &emails).await?;
        }
        if !rule.segments().is_empty() {
            names.segments = self.segment_names(organization).await?;
        }
        Ok(names)
    }

    async fn segment_names(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<(SegmentId, String)>, CrmError> {
        let all = self.store.segments().all(organization).await?;
        Ok(all
            .into_iter()
            .map(|segment| (segment.id, segment.name.into()))
            .collect())
    }
}

/// The name of an owner, if it is one that stands for an id.
fn address(owner: &str) -> Option<OwnerName> {
    let name = owner.parse().ok();
    name.filter(|name| matches!(name, OwnerName::Address(_)))
}
