use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use mauntic_core::{OrganizationId, TransportId};
use serde::{Deserialize, Serialize};
use url::Url;

/// When a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsPolicy {
    /// Never. For servers on the same machine or network.
    None,
    /// By STARTTLS if the server offers it, whatever its certificate.
    Opportunistic,
    /// By STARTTLS, with a valid certificate.
    Required,
    /// From the first byte, with a valid certificate.
    Implicit,
}

impl TlsPolicy {
    /// The name, as it stands in URLs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Opportunistic => "opportunistic",
            Self::Required => "required",
            Self::Implicit => "implicit",
        }
    }
}

/// An SMTP server that takes mail, without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmtpServer {
    /// The host's name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// When the connection is encrypted.
    pub tls: TlsPolicy,
    /// Whom to log in as; `None` for servers that ask nobody.
    #[serde(default)]
    pub username: Option<String>,
    /// What to call this host in `EHLO`; without it, what [`SendingHost`] says.
    #[serde(default)]
    pub ehlo_name: Option<String>,
}

/// What the installation says about the host that mail leaves from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendingHost {
    /// Its name in `EHLO`, where a server's URL gives none. RFC 5321 section 4.1.1.1 asks for a name that leads to this
    /// host; without one, the machine's own name is used, or an address literal if that has no domain.
    pub name: Option<String>,
    /// Whether mail servers may be at private addresses, this machine's included. Where organisations do not trust
    /// each other, they must not: the test of a transport tells open ports from closed ones.
    pub private_servers: bool,
}

impl Default for SendingHost {
    /// No name, and private servers are allowed.
    fn default() -> Self {
        Self {
            name: None,
            private_servers: true,
        }
    }
}

/// The text is not the URL of a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a mail server: expected smtp://user:password@host:587?tls=required (or none, opportunistic), or smtps://…"
)]
pub struct InvalidTransportUrl;

impl SmtpServer {
    /// Reads `smtp://user:password@host:port?tls=…&ehlo=…` or `smtps://…`; also returns the password.
    ///
    /// Without a port it is 587 for `smtp` with a user, 25 without, and 465 for `smtps`. Without `tls`,
    /// a server that gets a password must be encrypted, another one is if it can.
    ///
    /// # Errors
    /// [`InvalidTransportUrl`].
    pub fn parse(text: &str) -> Result<(Self, Option<String>), InvalidTransportUrl> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidTransportUrl)?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(InvalidTransportUrl)?;
        let username = (!url.username().is_empty()).then(|| decode(url.username()));
        let parameter = |name: &str| {
            let mut pairs = url.query_pairs();
            pairs
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let tls = match (url.scheme(), parameter("tls").as_deref()) {
            ("smtps", None) => TlsPolicy::Implicit,
            ("smtp", Some("none")) => TlsPolicy::None,
            ("smtp", Some("required")) => TlsPolicy::Required,
            ("smtp", None) if username.is_some() => TlsPolicy::Required,
            ("smtp", None | Some("opportunistic")) => TlsPolicy::Opportunistic,
            _ => return Err(InvalidTransportUrl),
        };
        let usual_port = match (tls, &username) {
            (TlsPolicy::Implicit, _) => 465,
            (_, Some(_)) => 587,
            (_, None) => 25,
        };
        let ehlo_name = parameter("ehlo");
        if ehlo_name.as_deref().is_some_and(|name| !is_plain(name)) {
            return Err(InvalidTransportUrl);
        }
        let server = Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(usual_port),
            tls,
            username,
            ehlo_name,
        };
        let password = url.password().map(decode);
        let names = server.username.iter().chain(&password);
        if names.flat_map(|text| text.chars()).any(char::is_control) {
            return Err(InvalidTransportUrl);
        }
        Ok((server, password))
    }
}

impl fmt::Display for SmtpServer {
    /// The URL without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.tls {
            TlsPolicy::Implicit => "smtps",
            _ => "smtp",
        };
        write!(f, "{scheme}://")?;
        if let Some(username) = &self.username {
            let username: String =
                url::form_urlencoded::byte_serialize(username.as_bytes()).collect();
            write!(f, "{username}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)?;
        } else {
            write!(f, "{}:{}", self.host, self.port)?;
        }
        let tls = (self.tls != TlsPolicy::Implicit).then(|| ("tls", self.tls.as_str()));
        let ehlo = self.ehlo_name.as_deref().map(|name| ("ehlo", name));
        let parameters = tls.into_iter().chain(ehlo);
        for ((name, value), sign) in parameters.zip(['?', '&']) {
            write!(f, "{sign}{name}={value}")?;
        }
        Ok(())
    }
}

/// Undoes percent-encoding; a plus sign stays one.
fn decode(text: &str) -> String {
    let pair = format!("v={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-[]:".contains(&byte))
}

/// Where an organisation's mail goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TransportKind {
    /// Into the database.
    Capture,
    /// To a mail server.
    Smtp(SmtpServer),
}

/// How fast mail may go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SendingLimits {
    /// Most connections at once, for each process.
    pub connections: u16,
    /// Messages after which a connection is closed.
    pub messages_per_connection: u32,
    /// Seconds after which a connection is closed.
    pub connection_seconds: u32,
    /// Most messages each second, over all processes.
    pub per_second: Option<f64>,
    /// Most messages each second to one recipient domain, over all processes.
    pub domain_per_second: Option<f64>,
    /// The same for single domains, in lower case.
    pub domains: BTreeMap<String, f64>,
}

impl Default for SendingLimits {
    fn default() -> Self {
        Self {
            connections: 16,
            messages_per_connection: 100,
            connection_seconds: 300,
            per_second: None,
            domain_per_second: None,
            domains: BTreeMap::new(),
        }
    }
}

impl SendingLimits {
    /// The limit for a recipient domain, if there is one.
    #[must_use]
    pub fn of_domain(&self, domain: &str) -> Option<f64> {
        self.domains.get(domain).copied().or(self.domain_per_second)
    }

    /// The same with the domains as addresses have them: in lower case, without spaces around them or a last dot. Of
    /// two limits for one domain the lower one holds.
    #[must_use]
    pub fn normalized(self) -> Self {
        let mut domains = BTreeMap::new();
        for (domain, limit) in self.domains {
            let domain = domain.trim().trim_end_matches('.').to_ascii_lowercase();
            let known = domains.entry(domain).or_insert(limit);
            *known = limit.min(*known);
        }
        Self { domains, ..self }
    }

    /// Whether all limits are numbers that can be kept.
    #[must_use]
    pub fn are_usable(&self) -> bool {
        let rates = self.domains.values().copied();
        let mut rates = rates.chain(self.per_second).chain(self.domain_per_second);
        rates.all(|rate| rate.is_finite() && rate > 0.0)
            && (1..=256).contains(&self.connections)
            && self.messages_per_connection > 0
            && self.connection_seconds > 0
    }
}

/// An organisation's transport.
#[derive(Clone, PartialEq)]
pub struct Transport {
    /// Names it.
    pub id: TransportId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Where mail goes.
    pub kind: TransportKind,
    /// The encrypted password, if there is one.
    pub sealed_password: Option<Vec<u8>>,
    /// How fast mail may go.
    pub limits: SendingLimits,
    /// Counts the changes.
    pub version: i64,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("limits", &self.limits)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Transport {
    /// The place that the password of an organisation's transport is sealed for.
    #[must_use]
    pub fn secret_place(organization: OrganizationId) -> String {
        format!("messaging.transport/{organization}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_everything() {
        let url = "smtp://ann%40example.com:p%2Bss+w@mail.example.com?ehlo=out.example.com";
        let (server, password) = SmtpServer::parse(url).unwrap();
        assert_eq!(server.username.as_deref(), Some("ann@example.com"));
        assert_eq!(password.as_deref(), Some("p+ss+w"));
        assert_eq!((server.port, server.tls), (587, TlsPolicy::Required));
        assert_eq!(server.ehlo_name.as_deref(), Some("out.example.com"));
        assert_eq!(
            server.to_string(),
            "smtp://ann%40example.com@mail.example.com:587?tls=required&ehlo=out.example.com"
        );
        let (server, _) = SmtpServer::parse("smtps://mail.example.com?ehlo=[192.0.2.1]").unwrap();
        let shown = server.to_string();
        assert_eq!(shown, "smtps://mail.example.com:465?ehlo=[192.0.2.1]");
        assert_eq!(SmtpServer::parse(&shown).unwrap().0, server);
    }

    #[test]
    fn the_scheme_and_the_user_decide_what_is_not_said() {
        for (url, port, tls) in [
            ("smtp://127.0.0.1:2525?tls=none", 2525, TlsPolicy::None),
            ("smtp://relay.local", 25, TlsPolicy::Opportunistic),
            ("smtps://u:p@relay.local", 465, TlsPolicy::Implicit),
        ] {
            let (server, _) = SmtpServer::parse(url).unwrap();
            assert_eq!((server.port, server.tls), (port, tls), "{url}");
        }
    }

    #[test]
    fn limits_of_domains_hold_however_they_are_written() {
        let domains = [
            (" Example.COM. ", 2.0),
            ("example.com", 1.0),
            ("b.org", 3.0),
        ];
        let limits = SendingLimits {
            domains: domains
                .map(|(domain, limit)| (domain.to_owned(), limit))
                .into(),
            ..SendingLimits::default()
        };
        let limits = limits.normalized();
        assert_eq!(limits.of_domain("example.com"), Some(1.0));
        assert_eq!(limits.of_domain("b.org"), Some(3.0));
        assert_eq!(limits.domains.len(), 2);
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for url in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://mail.example.com?tls=maybe",
            "smtp://mail.example.com?ehlo=a%0d%0aMAIL",
            "smtp://ann%00:secret@mail.example.com",
        ] {
            assert_eq!(SmtpServer::parse(url), Err(InvalidTransportUrl), "{url}");
        }
    }
}
