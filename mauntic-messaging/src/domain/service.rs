use std::{net::IpAddr, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use mauntic_core::{
    Access, Actor, Clock, IdSource, IpNetworks, Permission, SecretKey, SendingDomainId, StoreError,
    UseCase, is_public,
};
use serde_json::json;

use super::{
    DkimKey, DnsLookup, DomainName, KeyState, RecordCheck, SendingDomain, Signers, check::look_up,
};
use crate::{
    MessagingError, MessagingStore, audit,
    dkim::{PrivateKey, Selector},
    dns::{DnsRecord, DomainSetup, records},
    transport::TransportKind,
};

/// A domain to send from.
#[derive(Debug, Clone)]
pub struct AddSendingDomain {
    /// The domain of the `From` addresses.
    pub domain: DomainName,
    /// The domain of the return path; `bounce.` in front of the domain unless told.
    pub return_path: Option<DomainName>,
}

/// What is known of the hosts that send for the installation; part of the DNS records to publish.
#[derive(Debug, Clone, Default)]
pub struct SendingHosts {
    /// The host that takes bounces.
    pub bounce_host: Option<DomainName>,
    /// The addresses that mail leaves from.
    pub sending_ips: IpNetworks,
    /// The public name of the mail server that is the installation's own, if it has one.
    pub relay: Option<String>,
}

impl SendingHosts {
    /// What is known for an organisation that hands its mail to that server: from one that is not the installation's
    /// own, mail leaves from addresses that nobody named.
    fn behind(&self, relay: Option<&str>) -> Self {
        let mut hosts = self.clone();
        if relay.is_some_and(|host| !self.is_ours(host)) {
            hosts.sending_ips = IpNetworks::default();
        }
        hosts
    }

    /// Whether the installation sends through a server: it is named, or nobody reaches it from elsewhere.
    fn is_ours(&self, host: &str) -> bool {
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            let mut own = self.sending_ips.iter();
            return !is_public(address) || own.any(|network| network.contains(address));
        }
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let named = self.relay.as_deref();
        let is_private = [".localhost", ".local", ".internal"]
            .into_iter()
            .any(|end| host.ends_with(end));
        !host.contains('.')
            || is_private
            || named.is_some_and(|name| name.eq_ignore_ascii_case(&host))
    }
}

/// The use cases of sending domains.
#[derive(Clone)]
pub struct SendingDomainService {
    store: Arc<dyn MessagingStore>,
    signers: Signers,
    secret: SecretKey,
    hosts: SendingHosts,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl SendingDomainService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("activate", Access::Needs(Permission::SendingManage)),
        ("add", Access::Needs(Permission::SendingManage)),
        ("check", Access::Needs(Permission::SendingRead)),
        ("delete", Access::Needs(Permission::SendingManage)),
        ("dns_records", Access::Needs(Permission::SendingRead)),
        ("get", Access::Needs(Permission::SendingRead)),
        ("get_named", Access::Needs(Permission::SendingRead)),
        ("list", Access::Needs(Permission::SendingRead)),
        ("rotate", Access::Needs(Permission::SendingManage)),
    ];

    /// The use cases over a store; `signers` forgets a domain when it is changed here.
    #[must_use]
    pub fn new(
        store: Arc<dyn MessagingStore>,
        signers: Signers,
        secret: SecretKey,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self {
            store,
            signers,
            secret,
            hosts: SendingHosts::default(),
            clock,
            ids,
        }
    }

    /// The same with what is known of the installation's hosts.
    #[must_use]
    pub fn with_hosts(mut self, hosts: SendingHosts) -> Self {
        self.hosts = hosts;
        self
    }

    /// Adds a domain with an RSA and an Ed25519 key, which sign from the start.
    ///
    /// # Errors
    /// [`MessagingError::Taken`] if the organisation has the domain; [`MessagingError::Invalid`] if the return
    /// path is not within it.
    pub async fn add(
        &self,
        actor: &Actor,
        command: AddSendingDomain,
    ) -> Result<SendingDomain, MessagingError> {
        let organization = actor.require(Permission::SendingManage)?;
        let now = self.clock.now();
        let mut domain = SendingDomain {
            id: SendingDomainId::generate(&*self.ids),
            return_path: return_path(&command)?,
            domain: command.domain,
            keys: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        domain.keys = self.make_keys(&domain, KeyState::Active, now).await?;
        let mut uow = self.store.begin().await?;
        match uow.sending_domains().insert(organization, &domain).await {
            Err(StoreError::Conflict { .. }) => {
                return Err(MessagingError::Taken {
                    what: "sending domain",
                    field: "domain",
                });
            }
            other => other?,
        }
        let change = told("sending_domain.added", domain.id).to(audit::domain(&domain));
        audit::tell(uow.outbox(), actor, change, now, &*self.ids).await?;
        uow.commit().await?;
        self.signers.forget(organization).await;
        Ok(domain)
    }

    /// The organisation's domains, by name.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<SendingDomain>, MessagingError> {
        let organization = actor.require(Permission::SendingRead)?;
        Ok(self.store.sending_domains().list(organization).await?)
    }

    /// One domain.
    pub async fn get(
        &self,
        actor: &Actor,
        id: SendingDomainId,
    ) -> Result<SendingDomain, MessagingError> {
        let organization = actor.require(Permission::SendingRead)?;
        let domain = self.store.sending_domains().find(organization, id).await?;
        domain.ok_or(NOT_FOUND)
    }

    /// One domain, by its name.
    pub async fn get_named(
        &self,
        actor: &Actor,
        name: &DomainName,
    ) -> Result<SendingDomain, MessagingError> {
        let organization = actor.require(Permission::SendingRead)?;
        let names = [name.as_str()];
        let found = self
            .store
            .sending_domains()
            .find_named(organization, &names);
        found.await?.pop().ok_or(NOT_FOUND)
    }

    /// Makes new keys to be published. Mail is signed with the old ones until [`activate`](Self::activate).
    pub async fn rotate(
        &self,
        actor: &Actor,
        id: SendingDomainId,
    ) -> Result<SendingDomain, MessagingError> {
        let organization = actor.require(Permission::SendingManage)?;
        let now = self.clock.now();
        // Making keys takes long; the transaction must not wait for it.
        let before = self.store.sending_domains().find(organization, id).await?;
        let keys = self
            .make_keys(&before.ok_or(NOT_FOUND)?, KeyState::Pending, now)
            .await?;
        self.change(actor, id, "sending_domain.keys_rotated", |domain| {
            domain.rotate(keys, now);
            Ok(())
        })
        .await
    }

    /// Signs with the new keys from now on. The old ones must stay published for some days.
    ///
    /// # Errors
    /// [`MessagingError::WrongState`] if the domain was not rotated before.
    pub async fn activate(
        &self,
        actor: &Actor,
        id: SendingDomainId,
    ) -> Result<SendingDomain, MessagingError> {
        actor.require(Permission::SendingManage)?;
        let now = self.clock.now();
        self.change(actor, id, "sending_domain.keys_activated", |domain| {
            domain
                .activate(now)
                .then_some(())
                .ok_or(MessagingError::WrongState {
                    what: "sending domain",
                    problem: "has no new keys; rotate them first",
                })
        })
        .await
    }

    /// Removes a domain and its keys; mail from it is no longer signed.
    pub async fn delete(&self, actor: &Actor, id: SendingDomainId) -> Result<(), MessagingError> {
        let organization = actor.require(Permission::SendingManage)?;
        let mut uow = self.store.begin().await?;
        let domains = uow.sending_domains();
        let found = domains.find_for_update(organization, id).await?;
        let domain = found.ok_or(NOT_FOUND)?;
        domains.delete(organization, id).await?;
        let change = told("sending_domain.deleted", id).from(audit::domain(&domain));
        audit::tell(uow.outbox(), actor, change, self.clock.now(), &*self.ids).await?;
        uow.commit().await?;
        self.signers.forget(organization).await;
        Ok(())
    }

    /// The DNS records to publish for a domain, as far as it is known where its mail leaves from and where bounces go.
    pub async fn dns_records(
        &self,
        actor: &Actor,
        id: SendingDomainId,
    ) -> Result<Vec<DnsRecord>, MessagingError> {
        let (records, _) = self.records_and_hosts(actor, id).await?;
        Ok(records)
    }

    async fn records_and_hosts(
        &self,
        actor: &Actor,
        id: SendingDomainId,
    ) -> Result<(Vec<DnsRecord>, SendingHosts), MessagingError> {
        let domain = self.get(actor, id).await?;
        let keys = domain
            .keys
            .iter()
            .map(|key| Ok((key.selector.clone(), open(&self.secret, &domain, key)?)))
            .collect::<Result<Vec<_>, MessagingError>>()?;
        let organization = actor.organization_id();
        let transport = self.store.transports().find_transport(organization).await?;
        let relay = transport.as_ref().and_then(|way| match &way.kind {
            TransportKind::Smtp(server) => Some(server.host.as_str()),
            TransportKind::Capture => None,
        });
        let hosts = self.hosts.behind(relay);
        let records = records(&DomainSetup {
            domain: domain.domain.as_str(),
            keys: &keys,
            return_path: domain.return_path.as_str(),
            bounce_host: hosts.bounce_host.as_ref().map(DomainName::as_str),
            sending_ips: &hosts.sending_ips,
            relay,
        });
        Ok((records, hosts))
    }

    /// Compares the records of [`dns_records`](Self::dns_records) with what the DNS has. A DMARC policy may also be
    /// published by a domain above (RFC 9989 §4.10).
    ///
    /// # Errors
    /// Needs [`Permission::SendingRead`]; [`MessagingError::NotFound`]. A DNS that does not answer is a result.
    pub async fn check(
        &self,
        actor: &Actor,
        id: SendingDomainId,
        dns: &dyn DnsLookup,
    ) -> Result<Vec<RecordCheck>, MessagingError> {
        let (records, hosts) = self.records_and_hosts(actor, id).await?;
        let records = records.into_iter();
        let checks = records.map(|record| look_up(record, &hosts, dns));
        Ok(join_all(checks).await)
    }

    async fn change(
        &self,
        actor: &Actor,
        id: SendingDomainId,
        action: &str,
        change: impl FnOnce(&mut SendingDomain) -> Result<(), MessagingError> + Send,
    ) -> Result<SendingDomain, MessagingError> {
        let organization = actor.organization_id();
        let mut uow = self.store.begin().await?;
        let found = uow
            .sending_domains()
            .find_for_update(organization, id)
            .await?;
        let mut domain = found.ok_or(NOT_FOUND)?;
        let before = audit::domain(&domain);
        change(&mut domain)?;
        uow.sending_domains().update(organization, &domain).await?;
        let change = told(action, id).between(before, audit::domain(&domain));
        let change = change.and(json!({"domain": domain.domain.as_str()}));
        audit::tell(uow.outbox(), actor, change, self.clock.now(), &*self.ids).await?;
        uow.commit().await?;
        self.signers.forget(organization).await;
        Ok(domain)
    }

    async fn make_keys(
        &self,
        domain: &SendingDomain,
        state: KeyState,
        now: DateTime<Utc>,
    ) -> Result<Vec<DkimKey>, MessagingError> {
        let made = tokio::task::spawn_blocking(|| {
            Ok([PrivateKey::generate_rsa()?, PrivateKey::generate_ed25519()?])
        });
        let made: Result<_, crate::dkim::DkimError> = made.await.map_err(StoreError::backend)?;
        made.map_err(StoreError::backend)?
            .into_iter()
            .map(|key| self.seal(domain, &key, state, now))
            .collect()
    }

    fn seal(
        &self,
        domain: &SendingDomain,
        key: &PrivateKey,
        state: KeyState,
        now: DateTime<Utc>,
    ) -> Result<DkimKey, MessagingError> {
        let selector: Selector = domain
            .free_selector(key.algorithm(), now)
            .parse()
            .map_err(StoreError::backend)?;
        let place = domain.place(&selector);
        Ok(DkimKey {
            algorithm: key.algorithm(),
            state,
            dns_value: key.dns_value(),
            created_at: now,
            sealed: self.secret.encrypt(&place, key.to_pkcs8())?,
            selector,
        })
    }
}

fn told(action: &str, id: SendingDomainId) -> audit::Change {
    audit::Change::new(action, audit::Subject::new("sending_domain", id))
}

const NOT_FOUND: MessagingError = MessagingError::NotFound {
    what: "sending domain",
};

fn return_path(command: &AddSendingDomain) -> Result<DomainName, MessagingError> {
    let problem = |message| MessagingError::invalid("return_path", "not_within_domain", message);
    match &command.return_path {
        Some(name) if name.is_within(&command.domain) => Ok(name.clone()),
        Some(_) => Err(problem(
            "must be the domain itself or below it, or SPF does not align",
        )),
        None => format!("bounce.{}", command.domain)
            .parse()
            .map_err(|_| problem("the domain is too long; give a return path")),
    }
}

/// The private key.
pub(super) fn open(
    secret: &SecretKey,
    domain: &SendingDomain,
    key: &DkimKey,
) -> Result<PrivateKey, MessagingError> {
    let der = secret.decrypt(&domain.place(&key.selector), &key.sealed)?;
    PrivateKey::from_pkcs8(&der).map_err(|error| StoreError::corrupt("DKIM key", error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_those_of_the_installations_own_server() {
        let hosts = SendingHosts {
            bounce_host: None,
            sending_ips: "9.9.9.9".parse().unwrap(),
            relay: Some("mx.example.net".to_owned()),
        };
        for (relay, ours) in [
            (None, true),
            (Some("127.0.0.1"), true),
            (Some("10.0.0.5"), true),
            (Some("[::1]"), true),
            (Some("9.9.9.9"), true),
            (Some("localhost"), true),
            (Some("postfix"), true),
            (Some("mail.internal"), true),
            (Some("MX.example.net."), true),
            (Some("9.9.9.10"), false),
            (Some("smtp.example.com"), false),
        ] {
            let known = hosts.behind(relay);
            assert_eq!(!known.sending_ips.is_empty(), ours, "{relay:?}");
        }
    }
}
