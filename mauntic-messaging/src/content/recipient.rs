//! What a template sees of one recipient.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use chrono::{DateTime, SecondsFormat, Utc};
use mauntic_core::{
    ContactId, DeliveryId, EmailAddress, EmailVersionId, OrganizationId, TimeZoneName,
};
use minijinja::{
    Error, ErrorKind, State,
    value::{Object, Value},
};
use serde_json::Map;

use super::{links::Link, template::url_value};
use crate::token::{MAX_TARGET, Purpose, TokenSigner, TrackingToken};

/// The organisation, as its mails name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationDetails {
    /// Its name.
    pub name: String,
    /// Its postal address, which the law of many countries wants in every mailing.
    pub address: String,
    /// The zone that dates are told in if the contact's is unknown.
    pub timezone: TimeZoneName,
}

/// Everything that one recipient's mail is rendered from.
#[derive(Clone)]
pub struct RecipientContext<'a> {
    /// The contact, if the mail goes to one.
    pub contact_id: Option<ContactId>,
    /// Where the mail goes.
    pub address: Option<&'a EmailAddress>,
    /// The contact's fields by alias.
    pub fields: &'a Map<String, serde_json::Value>,
    /// More records by name, such as `owner`.
    pub records: &'a [(&'a str, serde_json::Value)],
    /// Who sends.
    pub organization: &'a OrganizationDetails,
    /// The contact's zone, if it is known.
    pub timezone: Option<&'a TimeZoneName>,
    /// The contact's language, if it is known.
    pub locale: Option<&'a str>,
    /// The present moment.
    pub now: DateTime<Utc>,
}

/// How links are written.
#[derive(Debug, Clone)]
pub struct RenderOptions<'a> {
    /// The public address of the installation, such as `https://mail.example.com`.
    pub base_url: &'a str,
    /// Which delivery it is, for tracking and unsubscribing; `None` for a preview, whose links lead to their targets
    /// and whose unsubscribe link does nothing.
    pub tracking: Option<Tracking>,
}

/// The delivery that a mail is rendered for.
#[derive(Debug, Clone)]
pub struct Tracking {
    /// Makes the tokens.
    pub signer: Arc<TokenSigner>,
    /// Whose mail it is.
    pub organization_id: OrganizationId,
    /// The row of the send ledger.
    pub delivery_id: DeliveryId,
    /// The saved version.
    pub version_id: EmailVersionId,
    /// Whether the mail has a pixel.
    pub opens: bool,
    /// Whether links lead through the installation.
    pub clicks: bool,
}

impl Tracking {
    fn url(&self, base: &str, purpose: Purpose) -> String {
        let token = TrackingToken {
            organization_id: self.organization_id,
            delivery_id: self.delivery_id,
            version_id: self.version_id,
            purpose,
        };
        self.signer.url(base, &token)
    }
}

/// The root of the names that a template can use.
pub(super) struct Names {
    contact: Value,
    organization: Value,
    records: Vec<(String, Value)>,
    timezone: String,
    locale: Option<String>,
    now: String,
    today: String,
    own: Arc<OwnLinks>,
    /// Known once they are rendered.
    pub(super) subject: OnceLock<String>,
    pub(super) preheader: OnceLock<String>,
}

impl Names {
    pub(super) fn new(
        recipient: &RecipientContext<'_>,
        options: &RenderOptions<'_>,
        links: Arc<[Link]>,
    ) -> Self {
        let zone = recipient
            .timezone
            .unwrap_or(&recipient.organization.timezone);
        Self {
            contact: contact(recipient),
            organization: Value::from_pairs([
                ("name", Value::from(recipient.organization.name.as_str())),
                (
                    "address",
                    Value::from(recipient.organization.address.as_str()),
                ),
            ]),
            records: recipient
                .records
                .iter()
                .map(|(name, fields)| ((*name).to_owned(), template_value(fields)))
                .collect(),
            timezone: zone.as_str().to_owned(),
            locale: recipient.locale.map(str::to_owned),
            now: recipient.now.to_rfc3339_opts(SecondsFormat::Micros, true),
            today: zone.date_at(recipient.now).to_string(),
            own: Arc::new(OwnLinks::new(options, links)),
            subject: OnceLock::new(),
            preheader: OnceLock::new(),
        }
    }

    pub(super) fn unsubscribe_url(&self) -> &str {
        self.own.unsubscribe()
    }

    pub(super) fn web_view_url(&self) -> String {
        self.own.web_view()
    }
}

fn template_value(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::from(whole),
            // 7.0 is written 7, as people type it.
            (None, Some(number)) if number.fract() == 0.0 && number.abs() < 1e15 =>
            {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "checked to be whole and small"
                )]
                Value::from(number as i64)
            }
            (None, number) => Value::from(number.unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => items.iter().map(template_value).collect(),
        serde_json::Value::Object(fields) => Value::from_pairs(
            fields
                .iter()
                .map(|(name, value)| (name.as_str(), template_value(value))),
        ),
    }
}

fn contact(recipient: &RecipientContext<'_>) -> Value {
    let fields = recipient
        .fields
        .iter()
        .map(|(alias, value)| (alias.as_str(), template_value(value)));
    let id = recipient
        .contact_id
        .map(|id| ("id", Value::from(id.to_string())));
    let address = recipient
        .address
        .map(|address| ("email", Value::from(address.as_str())));
    Value::from_pairs(fields.chain(id).chain(address))
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "contact" => self.contact.clone(),
            "organization" => self.organization.clone(),
            "mauntic" => Value::from_dyn_object(Arc::clone(&self.own)),
            "subject" => Value::from(self.subject.get()?.as_str()),
            "preheader" => Value::from(self.preheader.get()?.as_str()),
            "unsubscribe_url" => Value::from_safe_string(self.own.unsubscribe().to_owned()),
            "dnc_url" => Value::from_safe_string(self.own.unsubscribe_from_all()),
            "webview_url" => Value::from_safe_string(self.own.web_view()),
            "tracking_pixel" => Value::from_safe_string(self.own.pixel()?),
            "unsubscribe_text" => Value::from("Unsubscribe"),
            "webview_text" => Value::from("View in browser"),
            "now" => Value::from(self.now.as_str()),
            "today" => Value::from(self.today.as_str()),
            "timezone" => Value::from(self.timezone.as_str()),
            "locale" => Value::from(self.locale.as_deref()?),
            other => self
                .records
                .iter()
                .find(|(name, _)| name == other)?
                .1
                .clone(),
        })
    }
}

/// The addresses that lead through the installation, each made when it is first used.
struct OwnLinks {
    base: String,
    tracking: Option<Tracking>,
    links: Arc<[Link]>,
    unsubscribe: OnceLock<String>,
}

impl fmt::Debug for OwnLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnLinks").finish_non_exhaustive()
    }
}

impl OwnLinks {
    fn new(options: &RenderOptions<'_>, links: Arc<[Link]>) -> Self {
        Self {
            base: options.base_url.trim_end_matches('/').to_owned(),
            tracking: options.tracking.clone(),
            links,
            unsubscribe: OnceLock::new(),
        }
    }

    fn unsubscribe(&self) -> &str {
        self.unsubscribe.get_or_init(|| match &self.tracking {
            Some(tracking) => tracking.url(&self.base, Purpose::Unsubscribe),
            None => format!("{}/u/preview", self.base),
        })
    }

    fn unsubscribe_from_all(&self) -> String {
        match &self.tracking {
            Some(tracking) => tracking.url(&self.base, Purpose::UnsubscribeAll),
            None => format!("{}/u/preview", self.base),
        }
    }

    fn web_view(&self) -> String {
        match &self.tracking {
            Some(tracking) => tracking.url(&self.base, Purpose::WebView),
            None => format!("{}/v/preview", self.base),
        }
    }

    fn pixel(&self) -> Option<String> {
        let tracking = self.tracking.as_ref().filter(|tracking| tracking.opens)?;
        Some(tracking.url(&self.base, Purpose::Open))
    }

    /// The address of link number `index`, or of the target that was rendered for it.
    fn link(&self, index: u16, target: Option<&str>) -> Option<String> {
        let link = self.links.get(usize::from(index))?;
        let Some(target) = target.map(str::trim) else {
            return Some(
                self.tracked(index, None)
                    .unwrap_or_else(|| link.url.clone()),
            );
        };
        let scheme = target
            .split_once(':')
            .map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("http" | "https") if target.len() <= MAX_TARGET => Some(
                self.tracked(index, Some(target))
                    .unwrap_or_else(|| target.to_owned()),
            ),
            Some("http" | "https" | "mailto" | "tel" | "sms") | None => Some(target.to_owned()),
            // A contact's field must not become a script in the web view.
            Some(_) => Some("#".to_owned()),
        }
    }

    fn tracked(&self, link: u16, target: Option<&str>) -> Option<String> {
        let tracking = self.tracking.as_ref().filter(|tracking| tracking.clicks)?;
        Some(tracking.url(
            &self.base,
            Purpose::Click {
                link,
                target: target.map(str::to_owned),
            },
        ))
    }
}

impl Object for OwnLinks {
    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        match (method, arguments) {
            ("link", [index, target @ ..]) => {
                let index = u16::try_from(index.clone()).unwrap_or(u16::MAX);
                let target = target.first().map(ToString::to_string);
                Ok(self.link(index, target.as_deref()).map_or(Value::UNDEFINED, |url| url_value(state, &url)))
            }
            ("pixel", []) => Ok(self.pixel().map_or(Value::UNDEFINED, |url| {
                Value::from_safe_string(format!("<img src=\"{url}\" width=\"1\" height=\"1\" alt=\"\" style=\"display:block;border:0\">"))
            })),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}
