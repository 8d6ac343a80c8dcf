use std::sync::Arc;

use chrono::DateTime;
use mauntic_core::{
    ContactId, DeliveryId, EmailAddress, EmailVersionId, OrganizationId, SecretKey, TimeZoneName,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::*;
use crate::token::{Purpose, TokenSigner};

fn variables() -> Variables {
    Variables::new([
        "firstname",
        "lastname",
        "country",
        "website",
        "birthday",
        "interests",
        "points",
    ])
}

fn html(body: &str) -> EmailSource {
    EmailSource {
        subject: "Hello {contactfield=firstname|friend}".to_owned(),
        preheader: Some("News for {{ contact.firstname }}".to_owned()),
        body: Body::Html(body.to_owned()),
        text: None,
        from_name: Some("{{ organization.name }}".to_owned()),
        from_address: None,
        reply_to: None,
    }
}

const LEAVE: &str = "<a href=\"{unsubscribe_url}\">Leave</a>";

fn organization() -> OrganizationDetails {
    OrganizationDetails {
        name: "Example & Co".to_owned(),
        address: "1 Street".to_owned(),
        timezone: TimeZoneName::utc(),
    }
}

fn signer() -> Arc<TokenSigner> {
    Arc::new(TokenSigner::new(
        &SecretKey::from_text("a text that is long enough to be a secret").unwrap(),
    ))
}

fn tracking() -> Tracking {
    Tracking {
        signer: signer(),
        organization_id: OrganizationId::from_uuid(Uuid::from_u128(1)),
        delivery_id: DeliveryId::from_uuid(Uuid::from_u128(2)),
        version_id: EmailVersionId::from_uuid(Uuid::from_u128(3)),
        opens: true,
        clicks: true,
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "called with what json! makes"
)]
fn fields(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn render_with(
    compiled: &CompiledEmail,
    fields: &Map<String, Value>,
    tracking: Option<Tracking>,
) -> Result<Rendered, RenderError> {
    let address: EmailAddress = "ann@example.org".parse().unwrap();
    let organization = organization();
    let recipient = RecipientContext {
        contact_id: Some(ContactId::from_uuid(Uuid::from_u128(9))),
        address: Some(&address),
        fields,
        records: &[],
        organization: &organization,
        timezone: None,
        locale: Some("de"),
        now: DateTime::from_timestamp(1_795_000_000, 0).unwrap(),
    };
    compiled.render(
        &recipient,
        &RenderOptions {
            base_url: "https://m.example.com",
            tracking,
        },
    )
}

fn preview(source: &EmailSource, values: Value) -> Rendered {
    let compiled = compile(source, &variables()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    render_with(&compiled, &fields(values), None).unwrap()
}

fn problems(source: &EmailSource) -> Vec<Problem> {
    compile(source, &variables()).err().unwrap_or_default()
}

fn codes(source: &EmailSource) -> Vec<String> {
    problems(source)
        .into_iter()
        .map(|problem| problem.code)
        .collect()
}

#[test]
fn a_recipient_is_filled_in() {
    let source = html(&format!(
        "<p>Dear {{{{ contact.firstname }}}}, <b>{{contactfield=country}}</b> {{{{ contact.interests }}}} {{{{ contact.points }}}}</p>{LEAVE}"
    ));
    let values =
        json!({ "firstname": "Ann <3", "country": "DE", "interests": ["a", "b"], "points": 7.0 });
    let mail = preview(&source, values);
    assert_eq!(mail.subject, "Hello Ann <3");
    assert_eq!(mail.preheader.as_deref(), Some("News for Ann <3"));
    assert_eq!(mail.from_name.as_deref(), Some("Example & Co"));
    assert!(
        mail.html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"),
        "{}",
        mail.html
    );
    assert!(mail.html.contains("<title>Hello Ann &lt;3</title>"));
    assert!(
        mail.html.contains("Dear Ann &lt;3, <b>DE</b> a, b 7</p>"),
        "{}",
        mail.html
    );
    assert!(
        mail.html
            .contains("mso-hide:all\">News for Ann &lt;3</div>")
    );
    assert!(
        mail.html
            .contains("href=\"https://m.example.com/u/preview\"")
    );
    assert!(
        mail.text.contains("Dear Ann <3, **DE** a, b 7"),
        "{}",
        mail.text
    );
    assert!(
        mail.text.contains("https://m.example.com/u/preview"),
        "{}",
        mail.text
    );
    assert!(!mail.text.contains("News for"));
    assert_eq!(preview(&source, json!({})).subject, "Hello friend");
}

#[test]
fn links_of_a_delivery_are_tracked_and_lead_where_they_should() {
    let source = html(&format!(
        "<a href=\"https://shop.example/?a=1&amp;b=2\">Shop</a> <a href=\"https://shop.example/{{{{ contact.firstname | urlencode }}}}?x=1&y=2\">Mine</a>\
         <a href=\"{{contactfield=website}}\">Site</a><a href=\"{{dnc_url}}\">From all</a>{LEAVE}"
    ));
    let compiled = compile(&source, &variables()).unwrap();
    let labels: Vec<&str> = compiled
        .links()
        .iter()
        .map(|link| link.label.as_str())
        .collect();
    assert_eq!(labels, ["Shop", "Mine", "Site"]);
    let values = fields(json!({ "firstname": "A B", "website": "javascript:alert(1)" }));
    let mail = render_with(&compiled, &values, Some(tracking())).unwrap();
    let targets: Vec<Purpose> = mail
        .html
        .split("https://m.example.com/t/c/")
        .skip(1)
        .map(|rest| {
            signer()
                .verify(rest.split('"').next().unwrap())
                .unwrap()
                .purpose
        })
        .collect();
    assert_eq!(
        targets,
        [
            Purpose::Click {
                link: 0,
                target: None
            },
            Purpose::Click {
                link: 1,
                target: Some("https://shop.example/A%20B?x=1&y=2".to_owned())
            },
        ]
    );
    assert!(mail.html.contains("href=\"#\""));
    assert_eq!(
        mail.text.matches("https://m.example.com/t/c/").count(),
        2,
        "{}",
        mail.text
    );
    let pixel = mail
        .html
        .split("<img src=\"https://m.example.com/t/o/")
        .nth(1)
        .unwrap();
    assert_eq!(
        signer()
            .verify(pixel.split('"').next().unwrap())
            .unwrap()
            .purpose,
        Purpose::Open
    );
    assert!(mail.html.trim_end().ends_with("</body></html>"));
    let leave = mail
        .unsubscribe_url
        .strip_prefix("https://m.example.com/u/")
        .unwrap();
    assert_eq!(
        signer().verify(leave).unwrap().purpose,
        Purpose::Unsubscribe
    );
    assert!(
        mail.html
            .contains(&format!("href=\"{}\"", mail.unsubscribe_url))
    );
    let (before, _) = mail.html.split_once("\">From all</a>").unwrap();
    let (_, all) = before.rsplit_once("https://m.example.com/u/").unwrap();
    assert_eq!(
        signer().verify(all).unwrap().purpose,
        Purpose::UnsubscribeAll
    );
    let plain = render_with(&compiled, &values, None).unwrap();
    assert!(
        plain
            .html
            .contains("href=\"https://shop.example/?a=1&amp;b=2\""),
        "{}",
        plain.html
    );
    assert!(
        plain
            .html
            .contains("href=\"https://shop.example/A%20B?x=1&amp;y=2\""),
        "{}",
        plain.html
    );
    assert!(!plain.html.contains("<img"));
}

#[test]
fn loops_over_rows_and_conditions_survive_the_html_programs() {
    let source = html(&format!(
        "<html lang=\"de\"><head><style>td{{color:red}} @media (max-width:600px){{#x{{width:1px}}}}</style></head><body><table>\
         {{% for word in contact.interests %}}<tr><td {{% if loop.first %}}class=\"f\"{{% endif %}}>{{{{ word }}}}</td></tr>{{% endfor %}}</table>\
         {{% if contact.points > 5 && 1 < 2 %}}no{{% endif %}}{LEAVE}</body></html>"
    ));
    assert!(codes(&source).contains(&"template_syntax".to_owned()));
    let source = EmailSource {
        body: Body::Html(source.body.markup().replace("&&", "and")),
        ..source
    };
    let mail = preview(&source, json!({ "interests": ["a", "b"], "points": 9 }));
    assert!(mail.html.contains("<html lang=\"de\">"));
    assert_eq!(
        mail.html.matches("style=\"color: red;\"").count(),
        2,
        "{}",
        mail.html
    );
    assert_eq!(mail.html.matches("class=\"f\"").count(), 1, "{}", mail.html);
    assert!(
        mail.html.contains("#x{width:1px}")
            || mail.html.contains("#x {")
            || mail.html.contains("#x{"),
        "{}",
        mail.html
    );
    assert!(mail.html.contains("no<a"), "{}", mail.html);
    assert!(
        mail.text.contains('a') && mail.text.contains("b\n"),
        "{}",
        mail.text
    );
}

#[test]
fn mjml_becomes_a_mail() {
    let source = EmailSource {
        body: Body::Mjml(format!(
            "<mjml><mj-body><mj-section><mj-column>{{% if contact.country == \"DE\" %}}<mj-text>Hallo {{contactfield=firstname}}</mj-text>{{% else %}}\
             <mj-text>Hello</mj-text>{{% endif %}}<mj-button href=\"https://a.example/\">Go</mj-button><mj-text>{LEAVE}</mj-text></mj-column>\
             </mj-section></mj-body></mjml>"
        )),
        ..html("")
    };
    let mail = preview(&source, json!({ "firstname": "Ann", "country": "DE" }));
    assert!(
        mail.html.contains("Hallo Ann") && !mail.html.contains("Hello</div>"),
        "{}",
        mail.html
    );
    assert!(
        mail.text.contains("Hallo Ann") && mail.text.contains("https://a.example/"),
        "{}",
        mail.text
    );
    let mail = preview(&source, json!({}));
    assert!(!mail.html.contains("Hallo") && mail.html.contains("Hello</div>"));
}

#[test]
fn mistakes_are_named_with_place_and_remedy() {
    let of = |body: &str| {
        problems(&html(body))
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("<p>Hi\n {{ contact.frstname }}</p>{{ unsubscribe_url }}"),
        [
            "body, line 2, column 5: there is nothing called `contact.frstname` (did you mean `contact.firstname`?)"
        ]
    );
    assert_eq!(
        of("<p>Hi</p>"),
        [
            "body: there is no unsubscribe link (add <a href=\"{{ unsubscribe_url }}\">Unsubscribe</a>)"
        ]
    );
    let broken = of("<p>Hi</p>\n\n{% if contact.firstname %}x{{ unsubscribe_url }}");
    assert!(broken[0].starts_with("body, line 3"), "{broken:?}");
    assert!(
        of("\n{{ contact.firstname | uper }} {{ unsubscribe_url }}")[0]
            .starts_with("body, line 2, column 1: there is no filter `uper`")
    );
    assert_eq!(
        codes(&EmailSource {
            subject: " ".to_owned(),
            ..html(LEAVE)
        }),
        ["empty_subject"]
    );
    for attack in ["a\r\nBcc: x", "a\nb", "a\rb"] {
        let attack = attack.to_owned();
        assert_eq!(
            codes(&EmailSource {
                subject: attack.clone(),
                ..html(LEAVE)
            }),
            ["line_break"]
        );
        assert_eq!(
            codes(&EmailSource {
                from_name: Some(attack.clone()),
                ..html(LEAVE)
            }),
            ["line_break"]
        );
        assert_eq!(
            codes(&EmailSource {
                reply_to: Some(attack),
                ..html(LEAVE)
            }),
            ["line_break"]
        );
    }
    assert_eq!(
        codes(&html(&format!("{{assetlink=3}}{LEAVE}"))),
        ["unsupported_token"]
    );
    assert_eq!(
        codes(&html(&format!("{{{{ [0] * 100000000 ~ '' }}}}{LEAVE}"))),
        ["unsafe_multiplication"]
    );
}

#[test]
fn an_unsubscribe_link_that_nobody_sees_is_none() {
    for hidden in [
        "{# unsubscribe_url #}",
        "<!-- {{ unsubscribe_url }} -->",
        "<!-- <a href=\"{unsubscribe_url}\">Leave</a> -->",
        "{% if false %}<a href=\"{{ unsubscribe_url }}\">Leave</a>{% endif %}",
        "{% if contact.country %}<a href=\"{{ dnc_url }}\">Leave</a>{% endif %}",
        "{% set way = unsubscribe_url %}",
    ] {
        let body = format!("<p>Hi</p>{hidden}");
        assert_eq!(codes(&html(&body)), ["missing_unsubscribe"], "{hidden}");
        assert!(compile(&html(&format!("{body}{LEAVE}")), &variables()).is_ok());
        assert!(compile(&html(&body), &variables().without_unsubscribe()).is_ok());
    }
    let mjml = |text: &str| EmailSource {
        body: Body::Mjml(format!(
            "<mjml><mj-body><mj-section><mj-column><mj-text>Hi {text}</mj-text></mj-column></mj-section></mj-body></mjml>"
        )),
        ..html("")
    };
    let hidden = mjml("{% if false %}<a href=\"{{ unsubscribe_url }}\">Leave</a>{% endif %}");
    assert_eq!(codes(&hidden), ["missing_unsubscribe"]);
    assert!(compile(&mjml(LEAVE), &variables()).is_ok());
    for shown in [
        "{{ unsubscribe_url }}",
        "{unsubscribe_text}",
        "<a href=\"{{ dnc_url }}\">Leave</a>",
        "{% if contact.country %}Ja{% else %}<a href=\"{{ unsubscribe_url }}\">Leave</a>{% endif %}",
        "{% set way = unsubscribe_url %}<a href=\"{{ way }}\">Leave</a>",
    ] {
        assert!(compile(&html(shown), &variables()).is_ok(), "{shown}");
    }
}

#[test]
fn a_receipt_needs_no_unsubscribe_link() {
    assert!(compile(&html("<p>Thanks</p>"), &variables().without_unsubscribe()).is_ok());
}

#[test]
fn what_should_be_looked_at_is_a_warning() {
    let long = "word ".repeat(25_000);
    let compiled = compile(
        &html(&format!(
            "<img src=\"https://a.example/x.png\"><p>{long}</p>{LEAVE}"
        )),
        &variables(),
    )
    .unwrap();
    let codes: Vec<&str> = compiled
        .warnings()
        .iter()
        .map(|problem| problem.code.as_str())
        .collect();
    assert_eq!(codes, ["missing_alt", "too_long_for_gmail"]);
}

#[test]
fn hostile_sources_give_an_error_soon() {
    let start = std::time::Instant::now();
    let deep = |tag: &str| format!("{}{LEAVE}", format!("<{tag}>").repeat(50_000));
    assert_eq!(codes(&html(&deep("div"))), ["too_deep"]);
    let mjml = EmailSource {
        body: Body::Mjml(deep("mj-wrapper")),
        ..html("")
    };
    assert_eq!(codes(&mjml), ["too_deep"]);
    assert_eq!(codes(&html(&"x".repeat(MAX_BODY + 1))), ["too_long"]);
    for hostile in [
        "{{",
        "{%",
        "{",
        "%7b",
        "<style",
        "<a href=",
        "<!--",
        "{contactfield=",
        "<p><b>",
        "</p>",
        "&amp;",
        "mtk0q",
    ] {
        let many = hostile.repeat(MAX_BODY / hostile.len() / 16);
        let _ = compile(&html(&many), &variables());
    }
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
    assert_eq!(
        codes(&html(&format!("{endless}{LEAVE}"))),
        ["template_fails"]
    );
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn a_loop_that_depends_on_the_contact_ends_at_its_rendering() {
    let body = format!(
        "{{% for a in range(contact.points | int) %}}{{% for b in range(contact.points | int) %}}x{{% endfor %}}{{% endfor %}}{LEAVE}"
    );
    let compiled = compile(&html(&body), &variables()).unwrap();
    let error = render_with(&compiled, &fields(json!({ "points": 99_999 })), None).unwrap_err();
    assert!(error.to_string().contains("too much work"), "{error}");
    assert!(render_with(&compiled, &fields(json!({ "points": 3 })), None).is_ok());
}

#[test]
fn a_stored_version_renders_the_same() {
    let compiled = compile(
        &html(&format!("<p>Hi {{{{ contact.firstname }}}}</p>{LEAVE}")),
        &variables(),
    )
    .unwrap();
    let again: CompiledEmail =
        serde_json::from_str(&serde_json::to_string(&compiled).unwrap()).unwrap();
    assert_eq!(again, compiled);
    let values = fields(json!({ "firstname": "Ann" }));
    assert_eq!(
        render_with(&again, &values, Some(tracking())),
        render_with(&compiled, &values, Some(tracking()))
    );
}

#[test]
fn a_text_part_that_was_written_is_kept_and_tracked() {
    let source = EmailSource {
        text: Some(
            "Hi {contactfield=firstname}!\nhttps://a.example/x.\n{unsubscribe_text}".to_owned(),
        ),
        ..html(LEAVE)
    };
    let compiled = compile(&source, &variables()).unwrap();
    assert_eq!(compiled.links().len(), 1);
    let mail = render_with(&compiled, &fields(json!({ "firstname": "A&B" })), None).unwrap();
    assert_eq!(
        mail.text,
        "Hi A&B!\nhttps://a.example/x.\nUnsubscribe to no longer receive emails from us: https://m.example.com/u/preview"
    );
}

#[test]
fn line_breaks_in_a_field_do_not_reach_a_header() {
    let mail = preview(
        &html(LEAVE),
        json!({ "firstname": "Ann\r\nBcc: eve@example.net\u{2028}x" }),
    );
    assert_eq!(mail.subject, "Hello Ann Bcc: eve@example.net x");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn values_never_become_markup(value in any::<String>()) {
        let source = html(&format!("<p title=\"{{{{ contact.firstname }}}}\">{{{{ contact.firstname }}}}</p>{LEAVE}"));
        let compiled = compile(&source, &variables()).unwrap();
        let plain = render_with(&compiled, &fields(json!({ "firstname": "x" })), None).unwrap();
        let mail = render_with(&compiled, &fields(json!({ "firstname": value })), None).unwrap();
        prop_assert_eq!(mail.html.matches('<').count(), plain.html.matches('<').count());
        prop_assert_eq!(mail.html.matches('"').count(), plain.html.matches('"').count());
        prop_assert!(!mail.subject.contains(['\r', '\n']));
    }

    #[test]
    fn any_body_compiles_or_is_refused(body in any::<String>(), more in "[<>{}%#/a-z\"'= .-]{0,120}") {
        for body in [body, more] {
            let source = html(&format!("{body}{LEAVE}"));
            if let Ok(compiled) = compile(&source, &variables()) {
                let _ = render_with(&compiled, &Map::new(), Some(tracking()));
            }
            let _ = compile(&EmailSource { body: Body::Mjml(format!("<mjml><mj-body>{body}</mj-body></mjml>")), ..source }, &variables());
        }
    }
}
