//! Asking the DNS.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::RData,
};

/// Answers what is published at a name. A name without such records has an empty list.
#[async_trait]
pub trait DnsLookup: Send + Sync {
    /// The TXT records, the strings of each joined.
    async fn txt(&self, name: &str) -> Result<Vec<String>, DnsUnanswered>;

    /// The MX records, each as preference and host: `10 mx.example.com`.
    async fn mx(&self, name: &str) -> Result<Vec<String>, DnsUnanswered>;

    /// The addresses, of both kinds.
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, DnsUnanswered>;
}

/// The DNS gave no answer, which says nothing about the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DnsUnanswered(pub String);

/// The DNS as this machine, or a certain server, sees it.
#[derive(Clone)]
pub struct SystemDns(Result<TokioResolver, DnsUnanswered>);

/// How long one answer may take; it is asked for twice.
const TIMEOUT: Duration = Duration::from_secs(2);

impl SystemDns {
    /// Asks the servers that the system is configured with, or that one.
    #[must_use]
    pub fn new(server: Option<SocketAddr>) -> Self {
        let builder = match server {
            None => TokioResolver::builder_tokio(),
            Some(server) => {
                let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
                for connection in &mut name_server.connections {
                    connection.port = server.port();
                }
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
                let runtime = TokioRuntimeProvider::default();
                Ok(Resolver::builder_with_config(config, runtime))
            }
        };
        let resolver = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            options.timeout = TIMEOUT;
            options.attempts = 1;
            // Somebody who presses "check again" has just changed something.
            options.cache_size = 0;
            builder.build()
        });
        Self(resolver.map_err(|error| DnsUnanswered(error.to_string())))
    }

    fn resolver(&self) -> Result<&TokioResolver, DnsUnanswered> {
        self.0.as_ref().map_err(Clone::clone)
    }
}

/// A name without records is an answer too.
fn none_or_error<T>(error: &NetError) -> Result<Vec<T>, DnsUnanswered> {
    if error.is_no_records_found() || error.is_nx_domain() {
        Ok(Vec::new())
    } else {
        Err(DnsUnanswered(error.to_string()))
    }
}

/// A name that is not to be looked for in the system's search domains.
fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

#[async_trait]
impl DnsLookup for SystemDns {
    async fn txt(&self, name: &str) -> Result<Vec<String>, DnsUnanswered> {
        let found = match self.resolver()?.txt_lookup(absolute(name)).await {
            Ok(found) => found,
            Err(error) => return none_or_error(&error),
        };
        let texts = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => {
                    Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned())
                }
                _ => None,
            });
        Ok(texts.collect())
    }

    async fn mx(&self, name: &str) -> Result<Vec<String>, DnsUnanswered> {
        let found = match self.resolver()?.mx_lookup(absolute(name)).await {
            Ok(found) => found,
            Err(error) => return none_or_error(&error),
        };
        let hosts = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::MX(mx) => {
                    let host = mx.exchange.to_string();
                    Some(format!("{} {}", mx.preference, host.trim_end_matches('.')))
                }
                _ => None,
            });
        Ok(hosts.collect())
    }
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, DnsUnanswered> {
        let resolver = self.resolver()?;
        let (four, six) = tokio::join!(
            resolver.ipv4_lookup(absolute(name)),
            resolver.ipv6_lookup(absolute(name))
        );
        let mut addresses = Vec::new();
        for found in [four, six] {
            match found {
                Ok(found) => {
                    let records = found.answers().iter();
                    addresses.extend(records.filter_map(|record| match &record.data {
                        RData::A(address) => Some(IpAddr::V4(address.0)),
                        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                        _ => None,
                    }));
                }
                Err(error) => addresses.extend(none_or_error::<IpAddr>(&error)?),
            }
        }
        Ok(addresses)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashMap;

    use super::*;

    /// What a test publishes. Names below `silent.example` are not answered.
    #[derive(Debug, Default)]
    pub(in crate::domain) struct Zone {
        txt: HashMap<String, Vec<String>>,
        mx: HashMap<String, Vec<String>>,
        addresses: HashMap<String, Vec<IpAddr>>,
    }

    impl Zone {
        pub(in crate::domain) fn txt(mut self, name: &str, text: &str) -> Self {
            let texts = self.txt.entry(name.to_owned()).or_default();
            texts.push(text.to_owned());
            self
        }

        pub(in crate::domain) fn mx(mut self, name: &str, mx: &str) -> Self {
            let hosts = self.mx.entry(name.to_owned()).or_default();
            hosts.push(mx.to_owned());
            self
        }

        pub(in crate::domain) fn address(mut self, name: &str, address: &str) -> Self {
            let addresses = self.addresses.entry(name.to_owned()).or_default();
            addresses.push(address.parse().unwrap());
            self
        }
    }

    fn of<T: Clone>(map: &HashMap<String, Vec<T>>, name: &str) -> Result<Vec<T>, DnsUnanswered> {
        if name.ends_with("silent.example") {
            return Err(DnsUnanswered("no answer".to_owned()));
        }
        Ok(map.get(name).cloned().unwrap_or_default())
    }

    #[async_trait]
    impl DnsLookup for Zone {
        async fn txt(&self, name: &str) -> Result<Vec<String>, DnsUnanswered> {
            of(&self.txt, name)
        }

        async fn mx(&self, name: &str) -> Result<Vec<String>, DnsUnanswered> {
            of(&self.mx, name)
        }

        async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, DnsUnanswered> {
            of(&self.addresses, name)
        }
    }
}
