//! The web UI: the shell, the components and the pages.
//!
//! To add a page:
//! 1. Write a file in the folder of its context, with a `#[handler]` that calls use cases of the `App`.
//! 2. Build its content from the functions in [`component`]. `/app/_components` of a debug build shows every component.
//! 3. Put it into [`component::frame::page`], with breadcrumbs and a header.
//! 4. Add it to [`routes`] as `/app/…`. There are no addresses of fragments: htmx asks for the page and picks its part
//!    with `hx-select`, so that a part and its page cannot differ.
//! 5. Look at it at 390 and 1440 pixels, light and dark, by keyboard and without scripting.
//!
//! A page takes a [`visitor::Visitor`], who is logged in, and a form that changes something a [`visitor::Posted`], which
//! has proved that it comes from a page of ours: put [`csrf`](visitor::Visitor::csrf) into every such form. Pages
//! about one's own account take a [`visitor::Person`] and a [`visitor::OwnForm`], for whoever is a member of no
//! organisation has an account too. After a change, the browser is sent to a page, with a [`Done`] that says what happened.
//!
//! There is no inline script or style: the policy of [`secured`] forbids both. What is missing in the look
//! goes into `assets/mauntic.css` as a component.
//!
//! Everything works by plain links and forms. Where htmx is there (`cargo xtask assets`), [`component::live`] makes
//! filters, pages of lists, progress and small forms change in place, and `data-confirm` on a link shows the page of a
//! [`confirmation`](component::action::confirmation) as a dialog.

mod account;
mod assets;
mod bulk;
mod component;
mod contacts;
mod csv;
mod emails;
mod failure;
mod fields;
mod gallery;
mod home;
mod imports;
mod inbox;
mod limits;
mod mail;
pub(crate) mod notifications;
mod oauth;
mod organization;
mod recent;
mod reports;
mod running;
mod scopes;
mod search;
mod segments;
mod sending;
mod sends;
mod tags;
pub(crate) mod visitor;
pub(crate) mod words;

use std::sync::Arc;

use maud::{Markup, html};
use mauntic_core::Permission;
use mauntic_messaging::sending::{JobState, SendJob};
use poem::{
    Endpoint, EndpointExt as _, IntoResponse as _, Request, Response, Route,
    error::{NotFoundError, ParsePathError},
    get,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Compression,
    web::{Compress, CompressionAlgo},
};

use serde::Deserialize;

pub(crate) use bulk::words as change_words;
use component::icon::{Icon, icon};
pub(crate) use limits::FormLimits;
use visitor::{Person, Visitor};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

/// Everything that people see in a browser.
pub(crate) fn routes(route: Route) -> Route {
    let mut pages = Route::new();
    if cfg!(debug_assertions) {
        pages = pages.at("/_components", get(gallery::gallery));
    }
    let pages = account::routes(
        pages
            .at("/", get(home::home))
            .at("/running", get(running::running))
            .at("/search", get(search::search)),
    );
    let pages = oauth::routes(pages);
    let pages = inbox::routes(reports::routes(sends::routes(emails::routes(pages))));
    let pages = notifications::routes(sending::routes(organization::routes(segments::routes(
        pages,
    ))));
    let pages = bulk::routes(tags::routes(fields::routes(imports::routes(
        contacts::routes(pages),
    ))));
    route
        .nest(
            "/app",
            pages
                .catch_error(async |_: NotFoundError| missing())
                .around(secured),
        )
        .at(
            "/assets/:version/*name",
            get(assets::serve.with(Compression::new())),
        )
}

/// Adds the headers that keep a page from being framed, and from running what is not ours.
async fn secured<E: Endpoint>(next: Arc<E>, request: Request) -> poem::Result<Response> {
    let packed = takes_gzip(&request);
    let limits = request.data::<Arc<FormLimits>>();
    let refused = limits.is_some_and(|limits| limits.refuses(&request));
    let answer = if refused {
        Ok(limits::too_often())
    } else {
        next.call(request)
            .await
            .map(poem::IntoResponse::into_response)
    };
    let mut response = match answer {
        Ok(response) => response,
        // A redirect or a page of ours, only not what the handler meant to answer.
        Err(error) if error.is_from_response() => error.into_response(),
        // An address whose parts cannot be read leads nowhere.
        Err(error) if error.is::<ParsePathError>() => missing(),
        Err(error) if error.status().is_client_error() => {
            missing().with_status(error.status()).into_response()
        }
        Err(error) => return Err(error),
    };
    let headers = response.headers_mut();
    // A mail has a stricter policy of its own.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(POLICY));
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(PERMISSIONS),
    );
    // Files come as they are: they are large, and browsers show how far they are.
    if packed
        && response
            .content_type()
            .is_some_and(|kind| kind.starts_with("text/html"))
    {
        return Ok(Compress::new(response, CompressionAlgo::GZIP).into_response());
    }
    Ok(response)
}

/// Whether whoever asks can unpack what is packed with gzip.
fn takes_gzip(request: &Request) -> bool {
    let named = request.header(header::ACCEPT_ENCODING).unwrap_or_default();
    named.split(',').any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        name.trim() == "gzip" && weight.trim() != "q=0"
    })
}

/// Says that there is no such page.
fn missing() -> Response {
    let text = html! { p { "The address may be mistyped, or what it showed was deleted." } };
    let page = component::frame::alone("There is no such page", &text);
    page.with_status(StatusCode::NOT_FOUND).into_response()
}

/// A page for a visitor; `current` is the place of the navigation that it belongs to.
pub(crate) fn shell(visitor: &Visitor, title: &str, current: &str, content: &Markup) -> Markup {
    shell_searched(visitor, title, current, "", content)
}

/// A page about one's own account, which members of no organisation have too.
pub(crate) fn own_shell(person: &Person, title: &str, content: &Markup) -> Markup {
    let place = "/app/account";
    if let Some(visitor) = person.visitor() {
        return shell(&visitor, title, place, content);
    }
    let top = html! {
        p { "You are a member of no organisation now." }
        form method="post" action="/app/logout" { (person.csrf()) (component::action::button("Log out", component::action::Weight::Plain)) }
    };
    let places = visitor::places();
    let own: Vec<_> = places.into_iter().filter(|one| one.href == place).collect();
    let around = component::frame::Around {
        places: &own,
        current: place,
        top: &top,
    };
    component::frame::page(title, &around, content)
}

/// A page for a visitor, with what was searched for in the field above it.
fn shell_searched(
    visitor: &Visitor,
    title: &str,
    current: &str,
    searched: &str,
    content: &Markup,
) -> Markup {
    let top = html! {
        (component::frame::search("/app/search", searched))
        (notifications::bell(visitor.unread))
        (workplaces(visitor))
        (person(visitor))
    };
    let around = component::frame::Around {
        places: &visitor::places(),
        current,
        top: &top,
    };
    let content = html! { (closing(visitor)) (content) };
    component::frame::page(title, &around, &content)
}

/// Says on every page that the organisation is to be deleted; owners can take that back.
fn closing(visitor: &Visitor) -> Markup {
    let place = visitor.who.workplace();
    let due = place.and_then(|place| Some((place.name.as_str(), place.deletion_due_at?)));
    let Some((name, due_at)) = due else {
        return html! {};
    };
    let undo = html! {
        @if visitor.may(Permission::OrganizationDelete) {
            form method="post" action="/app/organization/restore" {
                (visitor.csrf())
                (component::action::button("Keep the organisation", component::action::Weight::Plain))
            }
        }
    };
    let text = html! {
        strong { (name) " will be deleted on " (words::time(due_at)) "." }
        " Until then nothing is sent and nothing can be changed; you can look at everything and export your contacts."
    };
    component::show::banner(&text, &undo)
}

/// The organisation that is worked in, and the way to the others.
fn workplaces(visitor: &Visitor) -> Markup {
    let here = visitor.actor.organization_id();
    let places = &visitor.who.workplaces;
    let Some(current) = visitor.who.workplace() else {
        return html! {};
    };
    let name = html! { span class="name" { (current.name.as_str()) } };
    if places.len() < 2 {
        return html! { span class="workplace" { (name) } };
    }
    let items: Vec<_> = places
        .iter()
        .map(|place| {
            html! { form method="post" action="/app/account/organization" {
                (visitor.csrf())
                input type="hidden" name="organization" value=(place.organization_id);
                button type="submit" aria-current=[(place.organization_id == here).then_some("true")] {
                    span { (place.name.as_str()) }
                    @if place.organization_id == here { (icon(Icon::Tick)) }
                }
            } }
        })
        .collect();
    let shown = html! { (name) span class="hidden" { ", change the organisation" } };
    component::action::named_menu(&shown, &items)
}

/// Who is logged in, and what concerns them.
fn person(visitor: &Visitor) -> Markup {
    let name = visitor.who.user.name.as_str();
    let shown = html! { (component::show::avatar(name)) span class="hidden" { (name) ": account and more" } };
    let items = [
        html! { p class="soft" { (name) } },
        html! { a href="/app/account" { "Account" } },
        component::action::theme_toggle(),
        html! { form method="post" action="/app/logout" { (visitor.csrf()) button type="submit" { "Log out" } } },
    ];
    component::action::named_menu(&shown, &items)
}

/// What just happened, for the page that the browser is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Done {
    /// Something was made.
    Created,
    /// Something was made as a copy, which is looked at now.
    Copied,
    /// A change was saved.
    Saved,
    /// Something was deleted.
    Deleted,
    /// Two records became one.
    Merged,
    /// Sessions were ended.
    Ended,
    /// A send was started.
    Started,
    /// A test was sent.
    Tested,
    /// A mail to another member waits to be sent.
    Mailed,
}

/// The query of a page that says what happened.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Said {
    /// What happened.
    #[serde(default)]
    pub(crate) done: Option<Done>,
}

impl Done {
    /// The address of a page that says it.
    pub(crate) fn at(self, place: &str) -> String {
        let name = match self {
            Self::Created => "created",
            Self::Copied => "copied",
            Self::Saved => "saved",
            Self::Deleted => "deleted",
            Self::Merged => "merged",
            Self::Ended => "ended",
            Self::Started => "started",
            Self::Tested => "tested",
            Self::Mailed => "mailed",
        };
        format!("{place}?done={name}")
    }

    /// The words for it.
    pub(crate) fn toast(self) -> Markup {
        let text = match self {
            Self::Created => "It was created.",
            Self::Copied => "This is the copy. What it was made from stays as it is.",
            Self::Saved => "The change was saved.",
            Self::Deleted => "It was deleted.",
            Self::Merged => "The two records are one now.",
            Self::Ended => "The session was ended.",
            Self::Started => "The send was started.",
            Self::Tested => "The test was sent.",
            Self::Mailed => "Your mail is on its way.",
        };
        component::show::toast(text, component::Tone::Good)
    }
}

/// What becomes of long work, as the end of the address that its forms are sent to says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Steer {
    /// It stops until somebody lets it go on.
    Pause,
    /// It goes on.
    Resume,
    /// It stops for good.
    Cancel,
}

impl Steer {
    /// A page asks first of what cannot be taken back, and of nothing else.
    fn asks_first(self) -> poem::Result<()> {
        match self {
            Self::Cancel => Ok(()),
            Self::Pause | Self::Resume => Err(failure::missing("page")),
        }
    }
}

/// Where a send stands.
pub(crate) fn send_state(job: &SendJob) -> Markup {
    component::show::badge(job.state.as_str(), send_tone(job))
}

fn send_tone(job: &SendJob) -> component::Tone {
    match job.state {
        JobState::Completed => component::Tone::Good,
        JobState::Failed => component::Tone::Bad,
        JobState::Paused | JobState::Cancelled => component::Tone::Warn,
        JobState::Scheduled | JobState::Planning | JobState::Sending => component::Tone::Plain,
    }
}
