//! The actions of the audit log in words, for pages, files, the API and the command line.

/// What somebody did, by action.
pub(crate) const DONE: &[(&str, &str)] = &[
    ("audit.exported", "exported the audit log"),
    ("bulk_change.cancelled", "stopped a change of many contacts"),
    ("bulk_change.created", "changed many contacts"),
    ("bulk_change.paused", "paused a change of many contacts"),
    ("bulk_change.resumed", "resumed a change of many contacts"),
    ("captured_mail.all_deleted", "deleted all captured mail"),
    ("captured_mail.deleted", "deleted a captured mail"),
    ("contact.created", "added"),
    ("contact.deleted", "deleted"),
    ("contact.do_not_contact_lifted", "allowed mail again to"),
    ("contact.do_not_contact_set", "forbade mail to"),
    ("contact.exported", "exported contacts"),
    ("contact.merged", "merged two records into"),
    ("contact.updated", "changed"),
    ("email.copied", "copied an email, which became"),
    ("email.created", "made the email"),
    ("email.deleted", "deleted the email"),
    (
        "email.people_exported",
        "exported the recipients of the email",
    ),
    ("email.test_sent", "sent a test of the email"),
    ("email.updated", "changed the email"),
    ("event.redriven", "had failed events tried again"),
    ("field.created", "made the field"),
    ("field.deleted", "deleted the field and its values"),
    ("field.updated", "changed the field"),
    ("image.added", "uploaded an image"),
    ("image.deleted", "deleted an image"),
    ("import.cancelled", "stopped the import"),
    ("import.created", "began the import"),
    ("import.paused", "paused the import"),
    (
        "import.report_exported",
        "exported the bad rows of the import",
    ),
    ("import.resumed", "resumed the import"),
    ("installation.set_up", "set up the installation"),
    ("invitation.created", "invited somebody"),
    ("invitation.resent", "invited somebody again"),
    ("invitation.revoked", "took an invitation back"),
    (
        "list_exit.removed",
        "allowed mail of a list to an address again",
    ),
    ("member.added", "added the member"),
    ("member.blocked", "blocked the member"),
    ("member.changed", "changed the role of"),
    ("member.left", "left, which ended the membership of"),
    ("member.removed", "removed the member"),
    ("member.unblocked", "unblocked the member"),
    ("member.written_to", "wrote a mail to"),
    ("oauth_client.created", "registered the app"),
    (
        "oauth_client.deleted",
        "deleted the app, which ended all that it may do",
    ),
    (
        "oauth_client.secret_rotated",
        "made another secret for the app",
    ),
    ("oauth_client.updated", "changed the app"),
    ("oauth_grant.given", "gave access to the app"),
    ("oauth_grant.revoked", "took access from the app"),
    ("organization.blocked", "blocked the organisation"),
    ("organization.created", "made the organisation"),
    (
        "organization.deletion_requested",
        "had the organisation deleted, after a time to think again",
    ),
    (
        "organization.ownership_transferred",
        "gave the organisation away",
    ),
    ("organization.restored", "kept the organisation after all"),
    ("organization.unblocked", "unblocked the organisation"),
    ("organization.updated", "changed the organisation"),
    ("segment.created", "made the segment"),
    ("segment.deleted", "deleted the segment"),
    ("segment.members_added", "put contacts into the segment"),
    (
        "segment.members_removed",
        "took contacts out of the segment",
    ),
    ("segment.rebuild_queued", "had rebuilt the segment"),
    ("segment.updated", "changed the segment"),
    ("send.cancelled", "stopped for good the send of"),
    ("send.created", "began the send of"),
    ("send.paused", "paused the send of"),
    ("send.resumed", "resumed the send of"),
    (
        "send.unknown_retried",
        "sent again what may not have arrived of",
    ),
    ("sending_domain.added", "added the sending domain"),
    ("sending_domain.deleted", "deleted the sending domain"),
    (
        "sending_domain.keys_activated",
        "put new keys to use for the sending domain",
    ),
    (
        "sending_domain.keys_rotated",
        "made new keys for the sending domain",
    ),
    (
        "suppression.added",
        "put addresses on the list of those that get no mail",
    ),
    ("suppression.erased", "erased an address that gets no mail"),
    ("suppression.removed", "allowed mail to an address again"),
    ("tag.deleted", "deleted the tag"),
    ("tag.renamed", "renamed the tag"),
    ("token.created", "made the API token"),
    ("token.revoked", "revoked the API token"),
    ("transport.configured", "changed the mail server"),
    ("transport.limits_changed", "changed how fast mail goes"),
    ("user.blocked", "blocked the account of"),
    ("user.codes_locked_out", "gave wrong codes too often for"),
    ("user.email_change_cancelled", "kept the address of"),
    (
        "user.email_change_requested",
        "asked for another address for",
    ),
    ("user.email_changed", "changed the address of"),
    ("user.logged_in", "logged in as"),
    ("user.logged_out", "logged out as"),
    ("user.login_linked", "linked a login with"),
    ("user.login_locked_out", "failed too often to log in as"),
    ("user.login_unlinked", "unlinked a login from"),
    ("user.other_sessions_ended", "logged out everywhere else as"),
    ("user.password_reset", "set a forgotten password anew for"),
    ("user.password_set", "set the password of"),
    ("user.profile_changed", "changed the profile of"),
    ("user.recovery_code_used", "used a recovery code of"),
    ("user.recovery_codes_renewed", "made new recovery codes for"),
    (
        "user.second_factor_off",
        "switched the second factor off for",
    ),
    ("user.second_factor_on", "switched the second factor on for"),
    (
        "user.second_factor_reset",
        "took the second factor away from",
    ),
    ("user.session_ended", "ended a session of"),
    ("user.unblocked", "unblocked the account of"),
    ("view.deleted", "deleted the view"),
    ("view.saved", "saved the view"),
];

/// What somebody did, as it stands behind their name: `segment.deleted` is "deleted the segment". An action of a newer
/// version, which has no words here, is told by its own.
#[must_use]
pub fn audit_words(action: &str) -> String {
    let known = DONE.iter().find(|(known, _)| *known == action);
    known.map_or_else(
        || action.replace(['.', '_'], " "),
        |(_, words)| (*words).to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_words() {
        let contexts = [
            mauntic_crm::audit::AUDITED,
            mauntic_messaging::audit::AUDITED,
            mauntic_core::identity::IdentityService::AUDITED,
        ];
        for (use_case, action) in contexts.concat() {
            let known = DONE.iter().any(|(known, _)| *known == action);
            assert!(known, "{use_case} leaves {action}");
        }
        assert!(
            DONE.is_sorted(),
            "so that it is found by those who add to it"
        );
        assert_eq!(audit_words("new.thing_done"), "new thing done");
    }
}
