//! What permissions let somebody do, in words.

use mauntic_core::Permission;

/// What a permission lets an app do, as it stands behind "it may".
pub(crate) fn words(permission: Permission) -> &'static str {
    match permission {
        Permission::ContactsRead => "see contacts, their fields, tags and history",
        Permission::ContactsWrite => "add and change contacts",
        Permission::ContactsDelete => "delete contacts",
        Permission::ContactsImport => "import contacts",
        Permission::ContactsExport => "export contacts",
        Permission::FieldsManage => "make, change and delete fields",
        Permission::SegmentsRead => "see segments and who is in them",
        Permission::SegmentsWrite => "make, change and delete segments",
        Permission::EmailsRead => "see emails, sends and their results",
        Permission::EmailsWrite => "write, change and delete emails, and send tests",
        Permission::EmailsSend => "send emails to segments",
        Permission::SuppressionsRead => "see which addresses get no mail",
        Permission::SuppressionsWrite => "change which addresses get no mail",
        Permission::InboxRead => "read captured mail",
        Permission::InboxDelete => "delete captured mail",
        Permission::SendingRead => "see the mail server and the sending domains",
        Permission::SendingManage => "change the mail server and the sending domains",
        Permission::MembersRead => "see the organisation and its members",
        Permission::MembersManage => "invite, change and remove members",
        Permission::TokensManage => "see and revoke API tokens, and change API apps",
        Permission::AuditRead => "read the audit log",
        Permission::OrganizationManage => "change the organisation and its settings",
        Permission::OrganizationDelete => "have the organisation deleted",
    }
}
