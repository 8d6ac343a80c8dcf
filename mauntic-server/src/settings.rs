use std::{net::SocketAddr, path::PathBuf};

use mauntic_core::{
    EmailAddress, InvalidSecret, IpNetworks, SecretKey,
    identity::Founders,
    storage::{DbOptions, DbTarget, InvalidDatabase},
};
use mauntic_messaging::{
    domain::{DomainName, SendingHosts},
    transport::{InvalidTransportUrl, SendingHost, SmtpServer},
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{LoginProvider, TrustedProxies};

/// How an installation runs. Every value has a default, so that nothing needs to be configured to start.
///
/// Values come from `mauntic.toml`, then from the environment (`MAUNTIC_LISTEN`, …; `DATABASE_URL` is
/// known too), then from flags; later ones win.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub struct Settings {
    /// `postgres://user:password@host/name`, or `sqlite:FOLDER`. Without it: SQLite files in [`data`](Self::data).
    pub database: Option<String>,
    /// The folder for SQLite files and the secret.
    pub data: PathBuf,
    /// The organisation that the command line acts in, by slug, name or id, unless `--org` names another; needed when there
    /// are several.
    pub org: Option<String>,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// The address under which recipients and API clients reach the server; part of every tracked link.
    /// Without it: `http://` and [`listen`](Self::listen).
    pub base_url: Option<Url>,
    /// At least 32 characters that every process on the same database shares. Without it, one is made
    /// and kept in the data folder.
    pub secret: Option<String>,
    /// Most database connections per context.
    pub max_connections: u32,
    /// SQLite only: survive a power cut at every commit, not only a crash of the program.
    pub sqlite_full_sync: bool,
    /// Largest JSON request body, in bytes.
    pub max_body_bytes: u64,
    /// Largest file for an import, in bytes.
    pub max_upload_bytes: u64,
    /// The sender of emails without a sender of their own. Without it: `no-reply` at the host of
    /// [`base_url`](Self::base_url).
    pub mail_from: Option<EmailAddress>,
    /// The server for mail to users, such as password resets: `smtp://user:password@host`. Without it such mail is kept,
    /// and `mauntic inbox --installation` shows it.
    pub system_mail: Option<String>,
    /// How long single opens and clicks are kept, in days; what they add up to is kept for good. 0 keeps them for ever.
    pub keep_hits_days: u32,
    /// How long captured mail is kept, in days. 0 keeps it for ever.
    pub keep_captured_days: u32,
    /// How long an organisation that an owner has deleted can still be brought back, in days. Then it is erased.
    pub deletion_grace_days: u32,
    /// Who may make organisations in the browser and over the API: `anyone` with an account, `owners` of one, or the
    /// `operator` alone, at the command line.
    pub organizations: Founders,
    /// The bucket of S3-compatible storage that images of emails are kept in. Without it: a folder in
    /// [`data`](Self::data).
    pub images_bucket: Option<String>,
    /// The region of the bucket, such as `eu-central-1`.
    pub images_region: Option<String>,
    /// The address of the storage, if it is not Amazon's: `https://minio.example.com`.
    pub images_endpoint: Option<Url>,
    /// The key to the bucket. Without it: what `AWS_ACCESS_KEY_ID` or the machine's role gives.
    pub images_access_key: Option<String>,
    /// The secret of the key.
    pub images_secret_key: Option<String>,
    /// The DNS server to ask about sending domains, such as `192.0.2.53:53`. Without it: those of the system.
    pub dns_server: Option<SocketAddr>,
    /// The addresses and networks that mail leaves from: those of the mail server, as receivers see them. They are part of
    /// the SPF records to publish.
    pub sending_ips: IpNetworks,
    /// The host that takes mail for the return paths of sending domains, such as `mx.example.com`: the MX to publish.
    pub bounce_host: Option<DomainName>,
    /// Whether organisations may send through mail servers at private addresses, this machine's included. Switch it
    /// off where organisations do not trust each other.
    pub private_mail_servers: bool,
    /// The proxies in front of the server, whose `X-Forwarded-For` says who calls: addresses and networks. Without them,
    /// whoever connects is the caller.
    pub trusted_proxies: TrustedProxies,
    /// Whether the audit log keeps no addresses of those who change something. Of sessions and failed logins, the network
    /// alone is kept, whatever is set here.
    pub anonymize_ip: bool,
    /// Whether emails may be sent from domains without DKIM keys. Switch it off, and such sends are refused before
    /// anything leaves.
    pub unsigned_mail: bool,
    /// Requests a client address may make per second to the API, beyond a burst of ten times as many.
    pub requests_per_second: u32,
    /// The providers that people can log in with. In the environment: a list in JSON.
    #[serde(deserialize_with = "crate::logins::list")]
    pub login_providers: Vec<LoginProvider>,
    /// Opens, clicks and pages of mails that a public client address may ask for per second, beyond a burst of ten times
    /// as many; what is beyond is served and not counted, or asked to come again. 0 sets no limit. Addresses that are not
    /// public, such as a proxy's, have none.
    pub public_requests_per_second: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            database: None,
            data: PathBuf::from("mauntic-data"),
            org: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            base_url: None,
            secret: None,
            max_connections: 10,
            sqlite_full_sync: true,
            max_body_bytes: 10 << 20,
            max_upload_bytes: 512 << 20,
            mail_from: None,
            system_mail: None,
            keep_hits_days: 400,
            keep_captured_days: 90,
            deletion_grace_days: 30,
            organizations: Founders::default(),
            images_bucket: None,
            images_region: None,
            images_endpoint: None,
            images_access_key: None,
            images_secret_key: None,
            dns_server: None,
            sending_ips: IpNetworks::default(),
            bounce_host: None,
            private_mail_servers: true,
            trusted_proxies: TrustedProxies::default(),
            anonymize_ip: false,
            unsigned_mail: true,
            requests_per_second: 500,
            login_providers: Vec::new(),
            public_requests_per_second: 500,
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSettings {
    /// A file or a variable has a wrong value.
    #[error("the configuration cannot be read")]
    Unreadable(#[from] config::ConfigError),
    /// The database is not one that Mauntic knows.
    #[error("the setting `database` is wrong")]
    Database(#[from] InvalidDatabase),
    /// The server for mail to users is none.
    #[error("the setting `system_mail` is wrong")]
    SystemMail(#[from] InvalidTransportUrl),
    /// A login provider cannot be used.
    #[error("the login provider `{id}` of the setting `login_providers` is wrong: {problem}")]
    LoginProvider {
        /// What the settings call it.
        id: mauntic_core::identity::Slug,
        /// What is wrong.
        problem: String,
    },
    /// The bucket for images cannot be used as it is described.
    #[error("the settings `images_…` are wrong")]
    Images(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The secret is too short.
    #[error("the setting `secret` is wrong")]
    Secret(#[from] InvalidSecret),
    /// The secret cannot be kept.
    #[error("the secret file {path} cannot be used")]
    SecretFile {
        /// Where it should be.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
}

impl Settings {
    /// Reads the settings from a file and the environment. Without a file named, `mauntic.toml` in the
    /// current folder is read if it is there.
    ///
    /// # Errors
    /// [`InvalidSettings::Unreadable`] if a named file is missing or a value does not fit.
    pub fn load(file: Option<&std::path::Path>) -> Result<Self, InvalidSettings> {
        let source = match file {
            Some(path) => config::File::from(path)
                .format(config::FileFormat::Toml)
                .required(true),
            None => config::File::new("mauntic.toml", config::FileFormat::Toml).required(false),
        };
        let environment = config::Environment::with_prefix("MAUNTIC")
            .prefix_separator("_")
            .separator("__")
            .try_parsing(true);
        let known = Known::from_environment();
        let settings: Self = config::Config::builder()
            .add_source(source)
            .set_override_option("database", known.database_url)?
            .add_source(environment.source(Some(known.variables)))
            .build()?
            .try_deserialize()?;
        Ok(settings)
    }

    /// Where the data is kept.
    ///
    /// # Errors
    /// [`InvalidSettings::Database`].
    pub fn target(&self) -> Result<DbTarget, InvalidSettings> {
        match &self.database {
            Some(text) => Ok(DbTarget::parse(text)?),
            None => Ok(DbTarget::Sqlite(self.data.clone())),
        }
    }

    /// How each context's connections behave.
    #[must_use]
    pub fn db_options(&self) -> DbOptions {
        DbOptions {
            max_connections: self.max_connections,
            sqlite_full_sync: self.sqlite_full_sync,
        }
    }

    /// The address that goes into links, without a slash at the end.
    #[must_use]
    pub fn public_url(&self) -> String {
        match &self.base_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.listen),
        }
    }

    /// Why the links in mails are of no use to whoever gets them, if they are not, and what to do about it. It matters once
    /// mail leaves the machine.
    #[must_use]
    pub fn link_problem(&self) -> Option<String> {
        let public = self.public_url();
        let Some(url) = &self.base_url else {
            return Some(format!(
                "links in mails lead to {public}, which recipients cannot reach: set base_url to an https:// address that they can"
            ));
        };
        let is_here = match url.host() {
            Some(url::Host::Domain(name)) => {
                name == "localhost" || name.to_ascii_lowercase().ends_with(".localhost")
            }
            Some(url::Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
            Some(url::Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
            None => true,
        };
        if is_here {
            return Some(format!(
                "links in mails lead to {public}, which is this machine to whoever follows them: set base_url to an https:// address that recipients can reach"
            ));
        }
        (url.scheme() != "https").then(|| {
            format!(
                "links in mails lead to {public}, and one-click unsubscribe needs HTTPS (RFC 8058 §3.1): set base_url to an https:// address"
            )
        })
    }

    /// The sender of emails without a sender of their own.
    #[must_use]
    pub fn sender(&self) -> EmailAddress {
        let host = self.base_url.as_ref().and_then(Url::domain);
        let at_host = host.and_then(|host| format!("no-reply@{host}").parse().ok());
        let chosen = self.mail_from.clone().or(at_host);
        chosen.unwrap_or_else(|| "no-reply@mauntic.example".parse().expect("a valid address"))
    }

    /// Whether the server is reached over HTTPS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url().starts_with("https://")
    }

    /// The host that mail leaves from: named as in [`base_url`](Self::base_url).
    #[must_use]
    pub fn sending_host(&self) -> SendingHost {
        let domain = self.base_url.as_ref().and_then(Url::domain);
        SendingHost {
            name: domain.filter(|name| name.contains('.')).map(str::to_owned),
            private_servers: self.private_mail_servers,
        }
    }

    /// What is known of the hosts that mail leaves from and bounces come to.
    #[must_use]
    pub fn sending_hosts(&self) -> SendingHosts {
        // One that is wrong is refused where it is used.
        let relay = self.system_mail.as_deref();
        let relay = relay.and_then(|url| SmtpServer::parse(url).ok());
        SendingHosts {
            bounce_host: self.bounce_host.clone(),
            sending_ips: self.sending_ips.clone(),
            relay: relay.map(|(server, _)| server.host),
        }
    }

    /// The installation's secret: the configured one, or the one in the data folder, made if there is none.
    ///
    /// # Errors
    /// [`InvalidSettings::Secret`] or [`InvalidSettings::SecretFile`].
    pub fn secret_key(&self) -> Result<SecretKey, InvalidSettings> {
        if let Some(text) = &self.secret {
            return Ok(SecretKey::from_text(text)?);
        }
        let path = self.data.join("secret");
        let read = || std::fs::read_to_string(&path);
        let text = match read() {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self
                .create_secret(&path, &SecretKey::random_text()?)
                .and_then(|()| read())
                .map_err(|source| InvalidSettings::SecretFile {
                    path: path.clone(),
                    source,
                })?,
            Err(source) => return Err(InvalidSettings::SecretFile { path, source }),
        };
        Ok(SecretKey::from_text(&text)?)
    }

    /// Another process may create it at the same instant: whoever links first wins, whole.
    fn create_secret(&self, path: &std::path::Path, text: &str) -> std::io::Result<()> {
        use std::io::Write as _;

        std::fs::create_dir_all(&self.data)?;
        let draft = self.data.join(format!("secret.{}", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        let linked = std::fs::hard_link(&draft, path);
        std::fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }
}

/// The variables that name settings. Others that start with `MAUNTIC_` are somebody else's, such as the tests'.
struct Known {
    database_url: Option<String>,
    variables: std::collections::HashMap<String, String>,
}

impl Known {
    fn from_environment() -> Self {
        let settings = serde_json::to_value(Settings::default()).unwrap_or_default();
        let names = settings.as_object().into_iter().flat_map(|map| map.keys());
        let variables: std::collections::HashMap<_, _> = names
            .map(|name| format!("MAUNTIC_{}", name.to_ascii_uppercase()))
            .filter_map(|name| std::env::var(&name).ok().map(|value| (name, value)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let database_url = std::env::var("DATABASE_URL").ok().filter(|url| {
            url.starts_with("postgres") && !variables.contains_key("MAUNTIC_DATABASE")
        });
        Self {
            database_url,
            variables,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            data: folder.path().join("data"),
            ..Settings::default()
        };
        let first = settings.secret_key().unwrap().fingerprint();
        assert_eq!(settings.secret_key().unwrap().fingerprint(), first);
    }

    #[test]
    fn a_file_is_read_and_an_unknown_setting_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mauntic.toml");
        std::fs::write(&file, "listen = \"127.0.0.1:9000\"\nmax_connections = 3\n").unwrap();
        let settings = Settings::load(Some(&file)).unwrap();
        assert_eq!(
            (settings.public_url().as_str(), settings.max_connections),
            ("http://127.0.0.1:9000", 3)
        );
        std::fs::write(&file, "lisen = \"127.0.0.1:9000\"\n").unwrap();
        assert!(Settings::load(Some(&file)).is_err());
        for (text, founders) in [
            ("anyone", Founders::Anyone),
            ("owners", Founders::Owners),
            ("operator", Founders::Operator),
        ] {
            std::fs::write(&file, format!("organizations = \"{text}\"\n")).unwrap();
            let settings = Settings::load(Some(&file)).unwrap();
            assert_eq!(settings.organizations, founders);
        }
        std::fs::write(&file, "organizations = \"everybody\"\n").unwrap();
        assert!(Settings::load(Some(&file)).is_err());
    }

    #[test]
    fn sending_hosts_are_read_and_nonsense_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mauntic.toml");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Settings::load(Some(&file)).map(|settings| settings.sending_hosts())
        };
        let nothing = read("").unwrap();
        assert!(nothing.sending_ips.is_empty() && nothing.bounce_host.is_none());
        for ips in [
            "[\"192.0.2.1\", \"2001:db8::/32\"]",
            "\"192.0.2.1, 2001:db8::/32\"",
        ] {
            let text = format!(
                "sending_ips = {ips}\nbounce_host = \"MX.example.com.\"\n\
                 system_mail = \"smtp://me:secret@smtp.example.com\"\n"
            );
            let hosts = read(&text).unwrap();
            assert_eq!(hosts.relay.as_deref(), Some("smtp.example.com"));
            let host = hosts.bounce_host.unwrap();
            assert_eq!(
                (hosts.sending_ips.len(), host.as_str()),
                (2, "mx.example.com")
            );
        }
        for (text, words) in [
            ("sending_ips = [\"mail.example.com\"]", "neither an address"),
            ("sending_ips = \"192.0.2.0/33\"", "192.0.2.0/33"),
            ("bounce_host = \"192.0.2.1\"", "not a domain name"),
        ] {
            let error = crate::http::problem::describe(&read(text).unwrap_err());
            let name = text.split_once(' ').unwrap().0;
            assert!(error.contains(words) && error.contains(name), "{error}");
        }
    }

    #[test]
    fn links_have_to_lead_recipients_somewhere() {
        let with = |url: Option<&str>| {
            let settings = Settings {
                base_url: url.map(|url| url.parse().unwrap()),
                ..Settings::default()
            };
            settings.link_problem()
        };
        for (url, problem) in [
            (None, "http://127.0.0.1:8080"),
            (Some("https://127.0.0.1:8443"), "this machine"),
            (Some("https://localhost"), "this machine"),
            (Some("https://[::1]/"), "this machine"),
            (Some("http://mail.example.com"), "needs HTTPS"),
        ] {
            let found = with(url).unwrap();
            assert!(found.contains(problem), "{found}");
        }
        assert_eq!(with(Some("https://mail.example.com")), None);
        assert_eq!(with(Some("https://192.0.2.1/here/")), None);
    }

    #[test]
    fn login_providers_are_tables_in_a_file_and_json_in_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mauntic.toml");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Settings::load(Some(&file)).map(|settings| settings.login_providers)
        };
        let table = "[[login_providers]]\nid = \"google\"\nkind = \"google\"\nclient_id = \"a\"\nclient_secret = \"b\"\n";
        let google = read(table).unwrap().remove(0);
        assert_eq!(
            (google.id.as_str(), google.client_secret.as_str()),
            ("google", "b")
        );
        // A variable is a text.
        let json = serde_json::to_string(&[google]).unwrap();
        assert_eq!(
            read(&format!("login_providers = '{json}'")).unwrap().len(),
            1
        );
        let wrong = read("login_providers = '[{\"client_secret\": \"hush\"}]'").unwrap_err();
        let text = crate::http::problem::describe(&wrong);
        assert!(
            text.contains("`client_id`") && !text.contains("hush"),
            "{text}"
        );
        assert!(read(&format!("{table}issuerr = \"x\"\n")).is_err());
    }
}
