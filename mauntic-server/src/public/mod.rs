//! What recipients reach without an account: tracking, unsubscribing, the web view.

mod pages;
