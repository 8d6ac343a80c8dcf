//! Contacts in a browser, with the tests in files by subject.

mod access;
mod bulk;
mod fields;
mod forms;
mod import;
mod list;
mod merge;
mod one;

const LIST: &str = "/app/contacts";
