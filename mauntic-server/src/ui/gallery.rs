//! Every component on one page, for those who build pages. Served by debug builds only.

use maud::{Markup, html};
use poem::handler;

use super::component::{
    Tone,
    action::{
        Weight, ask_first, button, button_link, confirmation, menu, named_menu, panel, step_button,
        theme_toggle,
    },
    chart, form,
    form::Field,
    frame::{self, Around, Place},
    icon::{Icon, icon},
    live,
    show::{self, Node},
    table::{Column, table},
};

const HERE: &str = "/app/_components";
const POINTS: [(&str, u32); 6] = [
    ("Mon", 12),
    ("Tue", 30),
    ("Wed", 21),
    ("Thu", 44),
    ("Fri", 38),
    ("Sat", 9),
];

/// Shows them all.
#[handler]
pub(crate) fn gallery() -> Markup {
    let places = [Place {
        href: HERE,
        name: "Components",
        icon: Icon::Settings,
        group: None,
    }];
    let around = Around {
        places: &places,
        current: HERE,
        top: &frame::search(HERE, ""),
    };
    frame::page(
        "Components",
        &around,
        &html! {
            (frame::breadcrumbs(&[("/app/", "Home")], "Components"))
            (frame::header("Components", &html! { (theme_toggle()) (ask_first(HERE, "Delete")) (button_link(HERE, "Reload", Weight::Primary)) }))
            (show::banner(&html! { "The organisation will be deleted on 3 May." }, &button_link(HERE, "Keep it", Weight::Plain)))
            (show::steps(&["File", "Columns", "Check"], 1))
            (show::toast("3 contacts were added.", Tone::Good))
            (show::told(&html! { "Nothing is sent " strong { "until 09:00" } "." }, Tone::Warn))
            (show::toast("The list was not sent: no transport is set.", Tone::Bad))
            (show::tabs("Example", &[(HERE, "Overview"), ("#fields", "Fields")], HERE))
            div class="grid" {
                (show::stat("Contacts", "12,408", "+3.1 % this week"))
                (show::stat("Opened by people", "38.2 %", "machines: 21.0 %"))
            }
            div class="grid" { (lines()) (words()) }
            (fields())
            (live::filters(HERE, "list-contacts", &html! {
                (form::input(&Field { name: "q", label: "Search", ..Field::default() }, "search")) (button("Filter", Weight::Plain))
            }))
            (show::card("Table", &html! { (rows()) }))
            (live::followed("import", HERE, true, &show::progress("Import", 420, 1000)))
            (show::empty("No segments yet", "A segment is a rule that picks contacts, always up to date.", &button_link("#", "New segment", Weight::Primary)))
            (confirmation("Delete the segment “Customers”?", &["its rule".to_owned(), "1,204 memberships".to_owned()], "Delete segment", HERE, &html! {}))
        },
    )
}

fn lines() -> Markup {
    html! {
        (show::card("Line", &chart::line("Contacts by day", &POINTS)))
        (show::card("Bars", &chart::bars("Mails by day", &POINTS)))
    }
}

fn words() -> Markup {
    let tree = [Node {
        text: "All of".to_owned(),
        below: vec![Node {
            text: "country is DE".to_owned(),
            below: Vec::new(),
        }],
    }];
    show::card(
        "Words",
        &html! {
            div class="row" {
                (show::badge("draft", Tone::Plain)) (show::badge("sent", Tone::Good))
                (show::badge("paused", Tone::Warn)) (show::badge("bounced", Tone::Bad))
                (show::chip("country: DE", HERE)) (show::avatar("Ann Lee"))
                (menu("More actions", &[html! { a href=(HERE) { "Rename" } }]))
                (named_menu(&html! { span class="name" { "Acme" } }, &[html! { a href=(HERE) { "Another organisation" } }]))
                (panel("What is shown", &html! { p { "It opens below its button." } }))
            }
            div class="row" { @for each in Icon::ALL { (icon(each)) } (chart::sparkline("Week", &POINTS)) }
            (show::skeleton(2))
            (show::values(&[("Email", html! { "ann@example.com" }), ("Country", html! { "Germany" })]))
            (show::tree(&tree))
            (show::code("country = \"DE\" and tag in (\"vip\")"))
        },
    )
}

fn fields() -> Markup {
    let name = Field {
        name: "name",
        label: "Name",
        value: "Ann",
        required: true,
        ..Field::default()
    };
    let email = Field {
        name: "email",
        label: "Email",
        value: "ann@",
        hint: Some("Where mail goes."),
        error: Some("An address needs a domain, like ann@example.com."),
        required: true,
    };
    let country = Field {
        name: "country",
        label: "Country",
        value: "DE",
        ..Field::default()
    };
    let born = Field {
        name: "born",
        label: "Born",
        ..Field::default()
    };
    let note = Field {
        name: "note",
        label: "Note",
        ..Field::default()
    };
    let owner = Field {
        name: "owner",
        label: "Owner",
        hint: Some("What fits is offered while you type."),
        ..Field::default()
    };
    let rule = Field {
        name: "rule",
        label: "Rule",
        value: "country = \"DE\"",
        ..Field::default()
    };
    show::card(
        "Fields",
        &html! {
            form id="fields" class="stack" {
                (form::input(&name, "text")) (form::input(&email, "email"))
                (form::select(&country, &[("DE", "Germany"), ("FR", "France")]))
                (form::input(&born, "date")) (form::text_area(&note, 3))
                (form::looked_up(&owner, HERE, "#found option")) (form::code_area(&rule, 2))
                (form::checkbox("vip", "Treat as a very important person", true))
                div class="row" { @for (value, label, on) in [("sms", "SMS", true), ("email", "Email", false)] { (form::checkbox_of("channel", value, label, on)) } }
                div class="row" {
                    (button("Save", Weight::Primary)) (button("Delete", Weight::Danger)) (step_button("check", "Check first", Weight::Plain))
                }
            }
        },
    )
}

fn rows() -> Markup {
    let columns = [
        Column {
            name: "Email",
            sort: Some("?sort=-email"),
            sorted: Some("ascending"),
            number: false,
        },
        Column {
            name: "Points",
            sort: Some("?sort=points"),
            sorted: None,
            number: true,
        },
    ];
    let rows = [("ann@example.com", 12), ("bob@example.com", 7)]
        .map(|(email, points)| html! { tr { td { (email) } td class="number" { (points) } } });
    table("Contacts", &columns, &rows, Some("?after=bob"))
}
