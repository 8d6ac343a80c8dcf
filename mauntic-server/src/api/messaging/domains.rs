//! `/api/messaging/domains`: domains that mail is sent from.

use chrono::{DateTime, Utc};
use mauntic_core::{Actor, SendingDomainId};
use mauntic_messaging::{
    dkim::KeyAlgorithm,
    dns::{DnsRecord, RecordPurpose, RecordType},
    domain::{AddSendingDomain, DkimKey, KeyState, RecordCheck, RecordState, SendingDomain},
};
use poem_openapi::{Enum, Object, OpenApi, param::Path, payload::Json, types::MaybeUndefined};
use uuid::Uuid;

use crate::{
    App,
    api::{ApiTag, Created, Done, parse},
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct DomainsApi(App);

impl DomainsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self(app.clone())
    }

    async fn present(
        &self,
        actor: &Actor,
        domain: SendingDomain,
    ) -> Result<DomainWithRecords, ApiError> {
        let records = self.0.domains.dns_records(actor, domain.id).await?;
        Ok(DomainWithRecords {
            domain: domain.into(),
            dns_records: records.into_iter().map(RecordBody::from).collect(),
        })
    }
}

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "KeyAlgorithm", rename_all = "lowercase")]
enum AlgorithmName {
    Rsa,
    Ed25519,
}

/// What a key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "KeyState", rename_all = "snake_case")]
enum KeyStateName {
    /// To be published; nothing is signed with it yet.
    Pending,
    /// Published, and mail is signed with it.
    Active,
    /// Still published, for mail that is on its way.
    Retired,
}

/// A DKIM key.
#[derive(Debug, Object)]
#[oai(rename = "DkimKey")]
struct KeyBody {
    /// Its name below `_domainkey`.
    selector: String,
    algorithm: AlgorithmName,
    state: KeyStateName,
    created_at: DateTime<Utc>,
}

impl From<DkimKey> for KeyBody {
    fn from(key: DkimKey) -> Self {
        Self {
            selector: key.selector.as_str().to_owned(),
            algorithm: match key.algorithm {
                KeyAlgorithm::Rsa => AlgorithmName::Rsa,
                KeyAlgorithm::Ed25519 => AlgorithmName::Ed25519,
            },
            state: match key.state {
                KeyState::Pending => KeyStateName::Pending,
                KeyState::Active => KeyStateName::Active,
                KeyState::Retired => KeyStateName::Retired,
            },
            created_at: key.created_at,
        }
    }
}

/// A domain that mail is sent from.
#[derive(Debug, Object)]
#[oai(rename = "SendingDomain")]
struct DomainBody {
    id: Uuid,
    domain: String,
    /// The domain of the return path.
    return_path: String,
    /// Its keys, the oldest first.
    keys: Vec<KeyBody>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<SendingDomain> for DomainBody {
    fn from(domain: SendingDomain) -> Self {
        Self {
            id: domain.id.as_uuid(),
            domain: domain.domain.to_string(),
            return_path: domain.return_path.to_string(),
            keys: domain.keys.into_iter().map(KeyBody::from).collect(),
            created_at: domain.created_at,
            updated_at: domain.updated_at,
        }
    }
}

/// What a DNS record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "DnsRecordPurpose", rename_all = "snake_case")]
enum PurposeName {
    Dkim,
    Spf,
    Dmarc,
    ReturnPath,
}

/// The type of a DNS record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "DnsRecordType", rename_all = "UPPERCASE")]
enum RecordTypeName {
    Txt,
    Mx,
}

/// A DNS record to publish.
#[derive(Debug, Object)]
#[oai(rename = "DnsRecord")]
struct RecordBody {
    name: String,
    kind: RecordTypeName,
    /// Missing if it is not known where mail leaves from, or where bounces go.
    value: Option<String>,
    /// What to publish, in words, if the value is not known.
    hint: Option<String>,
    purpose: PurposeName,
    /// Whether mail suffers without it.
    required: bool,
    /// The record as a line of a zone file, if its value is known.
    line: Option<String>,
}

impl From<DnsRecord> for RecordBody {
    fn from(record: DnsRecord) -> Self {
        Self {
            line: record.line(),
            value: record.value().map(str::to_owned),
            hint: record.hint().map(str::to_owned),
            kind: match record.kind {
                RecordType::Txt => RecordTypeName::Txt,
                RecordType::Mx => RecordTypeName::Mx,
            },
            purpose: match record.purpose {
                RecordPurpose::Dkim => PurposeName::Dkim,
                RecordPurpose::Spf => PurposeName::Spf,
                RecordPurpose::Dmarc => PurposeName::Dmarc,
                RecordPurpose::ReturnPath => PurposeName::ReturnPath,
            },
            name: record.name,
            required: record.required,
        }
    }
}

/// How a DNS record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "DnsRecordState", rename_all = "snake_case")]
enum StateName {
    /// It is published and does what it should.
    Ok,
    /// It is published and works, but something should be better.
    Warning,
    /// It is not published.
    Missing,
    /// Something else is published.
    Wrong,
    /// It cannot be told: the DNS did not answer, or it is not known where mail leaves from.
    Unknown,
}

impl From<RecordState> for StateName {
    fn from(state: RecordState) -> Self {
        match state {
            RecordState::Ok => Self::Ok,
            RecordState::Warning => Self::Warning,
            RecordState::Missing => Self::Missing,
            RecordState::Wrong => Self::Wrong,
            RecordState::Unknown => Self::Unknown,
        }
    }
}

/// A record that should be published, and what is.
#[derive(Debug, Object)]
#[oai(rename = "DnsRecordCheck")]
struct CheckBody {
    record: RecordBody,
    state: StateName,
    /// What the DNS has at that name, of the same kind; for a return path without MX its addresses.
    found: Vec<String>,
    /// What that means, and what to do.
    detail: String,
}

impl From<RecordCheck> for CheckBody {
    fn from(check: RecordCheck) -> Self {
        Self {
            record: check.record.into(),
            state: check.state.into(),
            found: check.found,
            detail: check.detail,
        }
    }
}

/// A domain and what to publish for it.
#[derive(Debug, Object)]
struct DomainWithRecords {
    domain: DomainBody,
    dns_records: Vec<RecordBody>,
}

/// A domain to send from.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewSendingDomain {
    /// The domain of the `From` addresses, such as `example.com`.
    domain: String,
    /// The domain of the return path, which must be within the domain; `bounce.` in front of it without this.
    return_path: MaybeUndefined<String>,
}

#[OpenApi(prefix_path = "/messaging/domains", tag = "ApiTag::Sending")]
impl DomainsApi {
    /// List the sending domains
    #[oai(path = "/", method = "get", operation_id = "listSendingDomains")]
    async fn list(&self, Token(actor): Token) -> Result<Json<Vec<DomainBody>>, ApiError> {
        let domains = self.0.domains.list(&actor).await?;
        Ok(Json(domains.into_iter().map(DomainBody::from).collect()))
    }

    /// Add a sending domain
    ///
    /// With new DKIM keys, which sign from the start. The answer says what to publish in DNS.
    #[oai(path = "/", method = "post", operation_id = "addSendingDomain")]
    async fn add(
        &self,
        Token(actor): Token,
        body: Json<NewSendingDomain>,
    ) -> Result<Created<DomainWithRecords>, ApiError> {
        let return_path = body.0.return_path.take();
        let command = AddSendingDomain {
            domain: parse("/domain", &body.0.domain)?,
            return_path: return_path
                .map(|name| parse("/return_path", &name))
                .transpose()?,
        };
        let domain = self.0.domains.add(&actor, command).await?;
        Ok(Created::Created(Json(self.present(&actor, domain).await?)))
    }

    /// Show a sending domain and what to publish for it
    #[oai(
        path = "/:domain_id",
        method = "get",
        operation_id = "getSendingDomain"
    )]
    async fn get(
        &self,
        Token(actor): Token,
        domain_id: Path<Uuid>,
    ) -> Result<Json<DomainWithRecords>, ApiError> {
        let id = SendingDomainId::from_uuid(domain_id.0);
        let domain = self.0.domains.get(&actor, id).await?;
        Ok(Json(self.present(&actor, domain).await?))
    }

    /// Look up what is published for a sending domain
    ///
    /// Asks the DNS now, and compares it with what should be published.
    #[oai(
        path = "/:domain_id/dns",
        method = "get",
        operation_id = "checkSendingDomain"
    )]
    async fn check(
        &self,
        Token(actor): Token,
        domain_id: Path<Uuid>,
    ) -> Result<Json<Vec<CheckBody>>, ApiError> {
        let id = SendingDomainId::from_uuid(domain_id.0);
        let checks = self.0.domains.check(&actor, id, &*self.0.dns).await?;
        Ok(Json(checks.into_iter().map(CheckBody::from).collect()))
    }

    /// Make new DKIM keys
    ///
    /// Publish them, then activate them; until then mail is signed with the old ones.
    #[oai(
        path = "/:domain_id/rotate",
        method = "post",
        operation_id = "rotateSendingDomain"
    )]
    async fn rotate(
        &self,
        Token(actor): Token,
        domain_id: Path<Uuid>,
    ) -> Result<Json<DomainWithRecords>, ApiError> {
        let id = SendingDomainId::from_uuid(domain_id.0);
        let domain = self.0.domains.rotate(&actor, id).await?;
        Ok(Json(self.present(&actor, domain).await?))
    }

    /// Sign with the new DKIM keys from now on
    ///
    /// The old ones must stay published for some days.
    #[oai(
        path = "/:domain_id/activate",
        method = "post",
        operation_id = "activateSendingDomain"
    )]
    async fn activate(
        &self,
        Token(actor): Token,
        domain_id: Path<Uuid>,
    ) -> Result<Json<DomainWithRecords>, ApiError> {
        let id = SendingDomainId::from_uuid(domain_id.0);
        let domain = self.0.domains.activate(&actor, id).await?;
        Ok(Json(self.present(&actor, domain).await?))
    }

    /// Remove a sending domain
    ///
    /// Its keys go with it; mail from it is no longer signed.
    #[oai(
        path = "/:domain_id",
        method = "delete",
        operation_id = "removeSendingDomain"
    )]
    async fn remove(&self, Token(actor): Token, domain_id: Path<Uuid>) -> Result<Done, ApiError> {
        let id = SendingDomainId::from_uuid(domain_id.0);
        self.0.domains.delete(&actor, id).await?;
        Ok(Done::Done)
    }
}
