//! How the API shows segments and takes what is to become of them.

use chrono::{DateTime, Utc};
use mauntic_crm::segment::{
    Build, Explanation, Member, Origin, Preview, Proof, ProofKind, Rule, RuleInput, Segment,
};
use poem_openapi::{Enum, Object, types::MaybeUndefined};
use uuid::Uuid;

use super::contact_body::ContactBody;
use crate::{api::stored::Doc, http::problem::ApiError};

/// How a contact came into a segment, or out of it for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "MembershipOrigin", rename_all = "snake_case")]
pub(super) enum OriginName {
    /// The rule fits.
    Rule,
    /// Put in by hand or by an import; stays whatever the rule says.
    Added,
    /// Taken out by hand; stays out whatever the rule says.
    Removed,
}

impl From<Origin> for OriginName {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Rule => Self::Rule,
            Origin::Added => Self::Added,
            Origin::Removed => Self::Removed,
        }
    }
}

/// How far a rebuild is.
#[derive(Debug, Object)]
#[oai(rename = "SegmentBuild")]
pub(super) struct BuildBody {
    started_at: DateTime<Utc>,
    /// How many came in so far.
    added: i64,
    /// How many went out so far.
    removed: i64,
}

impl From<Build> for BuildBody {
    fn from(build: Build) -> Self {
        Self {
            started_at: build.started_at,
            added: build.added,
            removed: build.removed,
        }
    }
}

/// A set of contacts: those put in by hand or by import and, if it has a rule, those whom it fits.
#[derive(Debug, Object)]
#[oai(rename = "Segment", skip_serializing_if_is_none)]
pub(super) struct SegmentBody {
    id: Uuid,
    name: String,
    description: String,
    /// What recipients know it as. A segment with it is a mailing list: recipients can leave and join it by themselves,
    /// and unsubscribing from mail to it leaves it alone.
    list_name: Option<String>,
    /// The rule as text; absent for a static segment.
    #[oai(rename = "where")]
    text: Option<String>,
    /// The same rule as a tree.
    rule: Option<Doc<Rule>>,
    version: i64,
    /// How many are in.
    members: i64,
    /// Whether everybody's membership is as the rule says.
    built: bool,
    /// When the rule was last applied to everybody.
    built_at: Option<DateTime<Utc>>,
    /// When the rule is to be applied to everybody again.
    next_rebuild_at: Option<DateTime<Utc>>,
    /// The rebuild that is going on.
    build: Option<BuildBody>,
    /// How many came in with the last rebuild.
    last_added: i64,
    /// How many went out with the last rebuild.
    last_removed: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl SegmentBody {
    /// Shows a segment, with its rule as text.
    pub(super) fn new(segment: Segment, text: Option<String>) -> Self {
        Self {
            id: segment.id.as_uuid(),
            name: segment.name.to_string(),
            built: segment.is_built(),
            description: segment.description,
            list_name: segment.list_name.map(String::from),
            text,
            rule: segment.rule.map(Doc::of),
            version: segment.version,
            members: segment.member_count,
            built_at: segment.built_at,
            next_rebuild_at: segment.next_rebuild_at,
            build: segment.build.map(BuildBody::from),
            last_added: segment.last_added,
            last_removed: segment.last_removed,
            created_at: segment.created_at,
            updated_at: segment.updated_at,
        }
    }
}

/// A segment to make. Without a rule it is static: contacts are put in by hand and by imports.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct NewSegment {
    pub(super) name: String,
    #[oai(default)]
    pub(super) description: String,
    /// The rule as text, such as `country = "DE" and clicked(any, last 30 days)`.
    #[oai(rename = "where")]
    pub(super) text: MaybeUndefined<String>,
    /// The rule as a tree; either this or `where`.
    pub(super) rule: MaybeUndefined<Doc<Rule>>,
}

/// What is to become of a segment; what is absent stays.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct SegmentPatch {
    pub(super) name: MaybeUndefined<String>,
    pub(super) description: MaybeUndefined<String>,
    /// What recipients know it as, which makes it a mailing list; `null` ends that.
    pub(super) list_name: MaybeUndefined<String>,
    /// The rule as text; `null` makes the segment static.
    #[oai(rename = "where")]
    pub(super) text: MaybeUndefined<String>,
    /// The rule as a tree; either this or `where`.
    pub(super) rule: MaybeUndefined<Doc<Rule>>,
}

/// A rule to try.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct PreviewRule {
    /// The rule as text.
    #[oai(rename = "where")]
    pub(super) text: MaybeUndefined<String>,
    /// The rule as a tree; either this or `where`.
    pub(super) rule: MaybeUndefined<Doc<Rule>>,
}

/// Reads a rule that is given as text or as a tree. `None` if nothing is said of it, `Some(None)` for
/// none at all.
#[expect(clippy::option_option, reason = "as the command has it")]
pub(super) fn read_rule(
    text: MaybeUndefined<String>,
    rule: MaybeUndefined<Doc<Rule>>,
) -> Result<Option<Option<RuleInput>>, ApiError> {
    match (text, rule) {
        (MaybeUndefined::Value(_), MaybeUndefined::Value(_)) => Err(ApiError::invalid(
            "/rule",
            &"give the rule either as text (where) or as a tree (rule), not both",
        )),
        (MaybeUndefined::Value(text), _) => Ok(Some(Some(RuleInput::Text(text)))),
        (_, MaybeUndefined::Value(rule)) => Ok(Some(Some(RuleInput::Tree(rule.read("/rule")?)))),
        (MaybeUndefined::Null, _) | (_, MaybeUndefined::Null) => Ok(Some(None)),
        (MaybeUndefined::Undefined, MaybeUndefined::Undefined) => Ok(None),
    }
}

/// Something in a rule that is perhaps not meant.
#[derive(Debug, Object)]
#[oai(rename = "RuleWarning", skip_serializing_if_is_none)]
struct RuleWarning {
    /// Where: a JSON pointer into the tree.
    pointer: String,
    message: String,
    /// What would be right.
    help: Option<String>,
}

/// Whom a rule fits.
#[derive(Debug, Object)]
#[oai(rename = "RulePreview")]
pub(super) struct RulePreviewBody {
    /// The rule as text.
    #[oai(rename = "where")]
    text: String,
    /// The rule as a tree.
    rule: Doc<Rule>,
    /// How many contacts it fits.
    count: u64,
    /// Some of them.
    sample: Vec<ContactBody>,
    warnings: Vec<RuleWarning>,
}

impl From<Preview> for RulePreviewBody {
    fn from(preview: Preview) -> Self {
        let warnings = preview.warnings.into_iter().map(|warning| RuleWarning {
            pointer: warning.pointer,
            message: warning.message,
            help: warning.help,
        });
        Self {
            text: preview.text,
            rule: Doc::of(preview.rule),
            count: preview.count,
            sample: preview.sample.into_iter().map(ContactBody::from).collect(),
            warnings: warnings.collect(),
        }
    }
}

/// What a part of a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ProofKind", rename_all = "lowercase")]
enum ProofKindName {
    /// All parts must hold.
    All,
    /// One part must hold.
    Any,
    /// The part must not hold.
    Not,
    /// A question about the contact.
    Test,
}

impl From<ProofKind> for ProofKindName {
    fn from(kind: ProofKind) -> Self {
        match kind {
            ProofKind::All => Self::All,
            ProofKind::Any => Self::Any,
            ProofKind::Not => Self::Not,
            ProofKind::Test => Self::Test,
        }
    }
}

/// A part of a rule, whether it holds for a contact, and what was found.
#[derive(Debug, Object)]
#[oai(rename = "Proof", skip_serializing_if_is_none)]
struct ProofBody {
    /// The part as text.
    rule: String,
    kind: ProofKindName,
    /// Whether it holds.
    holds: bool,
    /// What the contact has, for a test; absent if it has nothing.
    observed: Option<String>,
    /// The parts within.
    parts: Vec<ProofBody>,
}

impl From<Proof> for ProofBody {
    fn from(proof: Proof) -> Self {
        Self {
            rule: proof.rule,
            kind: proof.kind.into(),
            holds: proof.holds,
            observed: proof.observed,
            parts: proof.parts.into_iter().map(Self::from).collect(),
        }
    }
}

/// Why a contact is in a segment, or is not.
#[derive(Debug, Object)]
#[oai(rename = "Explanation", skip_serializing_if_is_none)]
pub(super) struct ExplanationBody {
    /// Whether the contact is in.
    is_member: bool,
    /// How it came in, or was taken out; absent if it never was in.
    origin: Option<OriginName>,
    /// What the rule says of the contact now; absent without a rule.
    proof: Option<ProofBody>,
}

impl From<Explanation> for ExplanationBody {
    fn from(explanation: Explanation) -> Self {
        Self {
            is_member: explanation.is_member,
            origin: explanation.origin.map(Into::into),
            proof: explanation.proof.map(Into::into),
        }
    }
}

/// That a contact is in a segment.
#[derive(Debug, Object)]
#[oai(rename = "SegmentMember")]
pub(super) struct SegmentMemberBody {
    contact_id: Uuid,
    origin: OriginName,
    since: DateTime<Utc>,
}

impl From<Member> for SegmentMemberBody {
    fn from(member: Member) -> Self {
        Self {
            contact_id: member.contact_id.as_uuid(),
            origin: member.origin.into(),
            since: member.added_at,
        }
    }
}

/// A segment that a contact is in, or was taken out of by hand.
#[derive(Debug, Object)]
#[oai(rename = "SegmentMembership")]
pub(super) struct SegmentMembershipBody {
    pub(super) segment_id: Uuid,
    pub(super) name: String,
    pub(super) origin: OriginName,
    pub(super) since: DateTime<Utc>,
}

/// A segment by id and name.
#[derive(Debug, Object)]
pub(super) struct SegmentRef {
    id: Uuid,
    name: String,
}

impl From<Segment> for SegmentRef {
    fn from(segment: Segment) -> Self {
        Self {
            id: segment.id.as_uuid(),
            name: segment.name.to_string(),
        }
    }
}
