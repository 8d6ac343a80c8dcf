//! What the audit log can be asked for, and what is in it: what that is called, and where it is.

use mauntic_core::Subject;

/// What can be asked for: beginnings of actions, and what they are about.
pub(super) const GROUPS: &[(&str, &str)] = &[
    ("", "anything"),
    ("contact.", "contacts"),
    ("contact.exported", "exports of contacts"),
    ("bulk_change.", "changes of many contacts"),
    ("import.", "imports"),
    ("tag.", "tags"),
    ("field.", "fields"),
    ("view.", "saved views"),
    ("segment.", "segments"),
    ("email.", "emails"),
    ("image.", "images"),
    ("send.", "sends"),
    ("captured_mail.", "captured mail"),
    ("suppression.", "addresses that get no mail"),
    ("list_exit.", "who left a list"),
    ("transport.", "the mail server"),
    ("sending_domain.", "sending domains"),
    ("member.", "members"),
    ("invitation.", "invitations"),
    ("token.", "API tokens"),
    ("oauth_client.", "API apps"),
    ("oauth_grant.", "apps that act for members"),
    ("user.", "accounts"),
    ("organization.", "the organisation"),
    ("event.", "events that failed"),
    ("audit.", "exports of this log"),
];

/// What a value is called: `list_name` is a list name.
pub(super) fn value(key: &str) -> String {
    key.replace(['_', '.'], " ")
}

/// What something of a kind is called that has no name.
pub(super) fn nameless(kind: &str) -> Option<&'static str> {
    match kind {
        "contact" => Some("a contact"),
        "bulk_change" => Some("the change"),
        "send" => Some("an email"),
        "segment" | "email" | "import" | "field" | "tag" | "view" => Some("without a name"),
        "user" => Some("somebody"),
        _ => None,
    }
}

/// Where something is, if it can still be there.
pub(super) fn place(action: &str, subject: &Subject) -> Option<String> {
    if action.ends_with(".deleted") || action.ends_with(".revoked") {
        return None;
    }
    let of = |place: &str| subject.id.map(|id| format!("{place}/{id}"));
    match subject.kind.as_str() {
        "contact" => of("/app/contacts"),
        "bulk_change" => of("/app/bulk"),
        "import" => of("/app/imports"),
        "segment" => of("/app/segments"),
        "email" => of("/app/emails"),
        "send" => of("/app/sends"),
        "sending_domain" => of("/app/sending/domains"),
        "field" => Some("/app/fields".to_owned()),
        "tag" => Some("/app/tags".to_owned()),
        "image" => Some("/app/emails/images".to_owned()),
        "transport" => Some("/app/sending".to_owned()),
        "suppression" => Some("/app/sending/suppressions".to_owned()),
        "api_token" => Some("/app/organization/tokens".to_owned()),
        "oauth_client" => of("/app/organization/apps"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_can_be_asked_for() {
        for (action, _) in crate::audit::DONE {
            let mut groups = GROUPS.iter().filter(|(group, _)| !group.is_empty());
            let of_setup = *action == "installation.set_up";
            let found = groups.any(|(group, _)| action.starts_with(group));
            assert!(of_setup || found, "{action}");
        }
    }
}
