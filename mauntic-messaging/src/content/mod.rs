//! Email content: templates, Mautic's tokens, MJML, links, checks and rendering.
//!
//! What is slow happens once, when an email is saved: [`compile`] checks an [`EmailSource`] and turns it into a
//! [`CompiledEmail`], which is stored. [`CompiledEmail::render`] then only fills in one recipient.

pub mod blocks;
mod compile;
mod compiled;
mod dark;
mod dates;
mod html;
mod links;
mod mask;
mod mautic;
mod mjml;
mod problem;
mod recipient;
mod scan;
mod source;
mod template;
mod variables;

pub use compile::compile;
pub use compiled::{CompiledEmail, RenderError, Rendered};
pub use dark::{Dark, in_the_dark};
pub use links::Link;
pub use problem::{Location, Part, Problem, Severity};
pub use recipient::{OrganizationDetails, RecipientContext, RenderOptions, Tracking};
pub use source::{Body, EmailSource, MAX_BODY, MAX_LINE};
pub use variables::Variables;

#[cfg(test)]
mod tests;
