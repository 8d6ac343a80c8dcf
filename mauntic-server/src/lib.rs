//! The [`App`] that wires all contexts, the JSON API, the public endpoints and the workers.
//!
//! - [`Settings`]: how an installation runs.
//! - [`App`]: every use case over its store; what events of one context do in another.
//! - [`endpoint`], [`serve`]: HTTP.
//! - [`jobs`], [`Workers`]: what is done while nobody waits.
//! - [`LoginProviders`]: Google, GitHub and others that say who somebody is.
//! - [`Images`]: images of emails, in a folder or a bucket, served to whoever reads them.

mod api;
mod app;
mod audit;
mod http;
mod images;
mod logins;
mod oauth;
mod ops;
mod public;

mod settings;
mod ui;
mod wiring;
mod worker;

pub use api::{openapi, openapi_document};
pub use app::{App, OpenError, Parts};
pub use audit::audit_words;
pub use http::{endpoint, problem, proxies::TrustedProxies, serve};
pub use images::{Image, ImageError, ImageKind, Images};
pub use logins::{Answer, LoginProvider, LoginProviders, Provider, ProviderError, ProviderKind};
pub use ops::install_metrics;
pub use settings::{InvalidSettings, Settings};
pub use wiring::{installation, jobs, settle_events};
pub use worker::{Job, Workers};
