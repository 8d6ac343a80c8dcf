//! What the use cases of messaging leave in the audit log.
//!
//! One use case that somebody calls leaves one entry. It holds no passwords and no keys, and of addresses that get no
//! mail no more than what the list itself keeps of those that it forgot.

use mauntic_core::Audited;
pub(crate) use mauntic_core::{Change, Subject, audit as tell};
use serde_json::{Value, json};

use crate::{
    domain::SendingDomain,
    email::{Email, EmailVersion},
    sending::SendJob,
    transport::TransportView,
};

/// Every use case that changes something for somebody, and the action that it leaves.
pub const AUDITED: &[Audited] = &[
    ("domains.activate", "sending_domain.keys_activated"),
    ("domains.add", "sending_domain.added"),
    ("domains.delete", "sending_domain.deleted"),
    ("domains.rotate", "sending_domain.keys_rotated"),
    ("emails.copy", "email.copied"),
    ("emails.create", "email.created"),
    ("emails.delete", "email.deleted"),
    ("emails.update", "email.updated"),
    ("inbox.delete", "captured_mail.deleted"),
    ("inbox.delete_all", "captured_mail.all_deleted"),
    ("sends.cancel", "send.cancelled"),
    ("sends.create", "send.created"),
    ("sends.pause", "send.paused"),
    ("sends.resume", "send.resumed"),
    ("sends.retry_unknown", "send.unknown_retried"),
    ("sends.send_test", "email.test_sent"),
    ("suppressions.add", "suppression.added"),
    ("suppressions.erase", "suppression.erased"),
    ("suppressions.import", "suppression.added"),
    ("suppressions.remove", "suppression.removed"),
    ("suppressions.remove_exit", "list_exit.removed"),
    ("transports.configure", "transport.configured"),
    ("transports.set_limits", "transport.limits_changed"),
];

/// What people see of an email without its content, which its versions keep.
pub(crate) fn email(email: &Email, current: &EmailVersion) -> Value {
    let source = &current.source;
    json!({
        "name": email.name,
        "version": current.number,
        "subject": source.subject,
        "from_name": source.from_name,
        "from_address": source.from_address,
        "reply_to": source.reply_to,
    })
}

/// What is to be sent, to whom and when.
pub(crate) fn send(job: &SendJob) -> Value {
    json!({
        "email": job.email_id,
        "segment": job.segment_id,
        "scheduled_at": job.scheduled_at,
    })
}

/// How mail leaves, without the password.
pub(crate) fn transport(view: &TransportView) -> Value {
    json!({
        "url": view.url,
        "has_password": view.has_password,
        "limits": view.limits,
    })
}

/// A domain and its keys by their public names.
pub(crate) fn domain(domain: &SendingDomain) -> Value {
    let keys = domain.keys.iter().map(|key| {
        let (selector, state) = (key.selector.as_str(), key.state);
        json!({"selector": selector, "state": state})
    });
    json!({
        "domain": domain.domain.as_str(),
        "return_path": domain.return_path.as_str(),
        "keys": keys.collect::<Vec<_>>(),
    })
}
