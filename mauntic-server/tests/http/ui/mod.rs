//! The pages, asked through the real router by somebody with a browser.

mod account;
mod account_letters;
mod account_second_factor;
mod assets;
mod blocks;
mod contacts;
mod emails;
mod images;
mod limits;
mod logins;
mod mails;
mod notifications;
mod organization;
mod organization_delete;
mod reports;
mod security;
mod segments;
mod sending;
mod sends;
mod shell;
mod shown;
