//! The settings of sending: the mail server, its limits, sending domains, and the suppression list.

use crate::{
    browser::Browser,
    page::has,
    people,
    people::PASSWORD,
    support::{Installation, dns::nothing_published},
};
use mauntic_core::{Actor, storage::test_database::TestDatabase};
use mauntic_crm::segment::CreateSegment;
use mauntic_messaging::{
    domain::AddSendingDomain, suppression::address_hash, transport::TransportKind,
};

const PLACE: &str = "/app/sending";

/// An office with Ada at the browser.
async fn office() -> Browser {
    office_in(Installation::sqlite().await).await
}

async fn office_in(installation: Installation) -> Browser {
    people::office(installation, "ada").await
}

#[tokio::test]
async fn the_mail_server_is_set_up_tested_and_its_password_kept() {
    let mut ada = office().await;
    has(ada.get(PLACE).await, "No mail server is set up");
    let server = [
        ("kind", "smtp"),
        ("host", "127.0.0.1"),
        // Nobody listens there.
        ("port", "9"),
        ("tls", "none"),
        ("username", "ada@example.com"),
        ("password", "secret:/@?"),
    ];
    ada.post(PLACE, &server).await;
    assert_eq!(ada.at, format!("{PLACE}?done=saved"), "{}", ada.page);
    has(&ada.page, "127.0.0.1:9?tls=none");
    assert!(!ada.page.contains("secret"), "{}", ada.page);
    ada.post("/app/sending/test", &[]).await;
    has(&ada.page, "It does not work");
    // The limits change without the password, which stays.
    let limits = [
        ("connections", "4"),
        ("messages", "50"),
        ("seconds", "60"),
        ("per_second", "12.5"),
        ("domain_per_second", ""),
        ("domains", "gmail.com 5\r\n<b>x 1"),
    ];
    ada.post("/app/sending/limits", &limits).await;
    assert_eq!(ada.at, format!("{PLACE}?done=saved"), "{}", ada.page);
    has(&ada.page, "gmail.com 5");
    assert!(!ada.page.contains("<b>x"), "{}", ada.page);
    let app = ada.installation.app.clone();
    let ours = ada.installation.ours.clone();
    let view = app.transports.show(&ours).await.unwrap();
    assert!(view.has_password && matches!(view.kind, TransportKind::Smtp(_)));
    assert_eq!(
        (view.limits.connections, view.limits.per_second),
        (4, Some(12.5))
    );
    ada.post("/app/sending/limits", &[("connections", "none")])
        .await;
    assert_eq!(ada.status, 422);
    has(&ada.page, "id=\"connections-error\"");
    // Another host does not get the password of this one.
    let mut other = server;
    other[1].1 = "localhost";
    other[5].1 = "";
    ada.post(PLACE, &other).await;
    assert_eq!(ada.status, 422);
    has(&ada.page, "id=\"password-error\"");
    other[1].1 = "no host";
    ada.post(PLACE, &other).await;
    has(&ada.page, "id=\"host-error\"");
    ada.post(PLACE, &[("kind", "capture")]).await;
    let view = app.transports.show(&ours).await.unwrap();
    assert!(!view.has_password);
    assert_eq!(view.kind, TransportKind::Capture);
    assert_eq!(view.limits.connections, 4, "limits stay");
}

#[tokio::test]
async fn a_domain_is_added_its_records_shown_and_its_keys_changed() {
    let mut ada = office().await;
    let path = "/app/sending/domains";
    has(ada.get(path).await, "No domain is set up yet");
    ada.post(path, &[("domain", "nothing")]).await;
    assert_eq!(ada.status, 422);
    has(&ada.page, "id=\"domain-error\"");
    let outside = [("domain", "example.com"), ("return_path", "example.org")];
    ada.post(path, &outside).await;
    has(&ada.page, "id=\"return_path-error\"");
    ada.post(path, &[("domain", "example.com")]).await;
    let place = ada.at.strip_suffix("?done=created").unwrap().to_owned();
    has(&ada.page, "_domainkey.example.com");
    has(&ada.page, "v=DKIM1");
    has(&ada.page, "_dmarc.example.com");
    has(&ada.page, "not looked up");
    // Nobody said where mail leaves from and where bounces go: no value is shown to copy.
    assert!(!ada.page.contains("v=spf1"), "{}", ada.page);
    has(&ada.page, "No mail server is set up");
    has(&ada.page, "takes mail for bounce.example.com");
    let server = [
        ("kind", "smtp"),
        ("host", "smtp.example.net"),
        ("port", "25"),
    ];
    ada.get(PLACE).await;
    ada.post(PLACE, &[&server[..], &[("tls", "none")]].concat())
        .await;
    has(
        ada.get(&place).await,
        "Mail leaves through smtp.example.net",
    );
    ada.get(path).await;
    ada.post(path, &[("domain", "example.com")]).await;
    has(&ada.page, "you have this domain already");
    // Nobody answers where the DNS is asked: that is said, and is nothing to mend.
    let page = ada.get(&format!("{place}?check=true")).await;
    has(page, "the DNS did not answer");
    has(page, ">unknown<");
    ada.post(&format!("{place}/activate"), &[]).await;
    assert_eq!(ada.status, 409);
    ada.get(&place).await;
    ada.post(&format!("{place}/rotate"), &[]).await;
    has(&ada.page, "to be published");
    ada.post(&format!("{place}/activate"), &[]).await;
    has(&ada.page, ">retired<");
    has(ada.get(&format!("{place}/delete")).await, "example.com");
    ada.post(&format!("{place}/delete"), &[]).await;
    assert_eq!(ada.at, format!("{path}?done=deleted"));
    ada.get(&place).await;
    assert_eq!(ada.status, 404);
}

#[tokio::test]
async fn the_records_have_the_hosts_of_the_settings() {
    let database = TestDatabase::chosen().await;
    let change = |settings: &mut mauntic_server::Settings| {
        settings.sending_ips = "192.0.2.1 2001:db8::/48".parse().unwrap();
        settings.bounce_host = Some("mx.example.net".parse().unwrap());
        settings.dns_server = Some(nothing_published());
    };
    let mut ada = office_in(Installation::with(database, change).await).await;
    let path = "/app/sending/domains";
    ada.get(path).await;
    ada.post(path, &[("domain", "example.com")]).await;
    let place = ada.at.strip_suffix("?done=created").unwrap().to_owned();
    for view in ["", "?check=true"] {
        let page = ada.get(&format!("{place}{view}")).await;
        for (kind, value) in [
            ("TXT", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::/48 -all"),
            ("MX", "10 mx.example.net"),
        ] {
            let row = format!(
                "<td data-label=\"Type\">{kind}</td><td data-label=\"Name\"><code>bounce.example.com</code></td>\
                 <td data-label=\"Value\"><code>{value}</code>"
            );
            has(page, &row);
        }
    }
    has(&ada.page, "the name has neither an MX nor an address");
    // The API says the same.
    let id = place.rsplit('/').next().unwrap();
    let api = format!("/api/messaging/domains/{id}");
    let owner = ada.installation.owner.clone();
    let call = ada.installation.call(&owner, "GET", &api, None).await;
    let records = call.ok(200)["dns_records"].clone();
    let lines: Vec<_> = records
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["line"].as_str().unwrap())
        .collect();
    assert!(
        lines.contains(&"bounce.example.com. IN MX 10 mx.example.net."),
        "{lines:?}"
    );
    let call = ada
        .installation
        .call(&owner, "GET", &format!("{api}/dns"), None)
        .await;
    let checks = call.ok(200);
    let spf = checks
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["record"]["purpose"] == "spf")
        .unwrap();
    assert_eq!(spf["state"], "missing");
    assert_eq!(
        spf["record"]["value"],
        "v=spf1 ip4:192.0.2.1 ip6:2001:db8::/48 -all"
    );
}

#[tokio::test]
async fn the_api_invents_no_record() {
    let installation = Installation::sqlite().await;
    let body = serde_json::json!({"domain": "example.com"});
    let owner = installation.owner.clone();
    let made = installation
        .call(&owner, "POST", "/api/messaging/domains", Some(body))
        .await
        .ok(201);
    let records = made["dns_records"].as_array().unwrap();
    for purpose in ["spf", "return_path"] {
        let record = records
            .iter()
            .find(|record| record["purpose"] == purpose)
            .unwrap();
        assert_eq!(record["name"], "bounce.example.com");
        assert!(
            record["value"].is_null() && record["line"].is_null(),
            "{record}"
        );
        assert!(record["hint"].is_string(), "{record}");
    }
    let dkim = records
        .iter()
        .find(|record| record["purpose"] == "dkim")
        .unwrap();
    assert!(
        dkim["hint"].is_null() && dkim["value"].is_string(),
        "{dkim}"
    );
}

#[tokio::test]
async fn an_address_is_suppressed_found_and_removed_after_a_question() {
    let mut ada = office().await;
    ada.log_in("mia@example.com", PASSWORD).await;
    let path = "/app/sending/suppressions";
    has(ada.get(path).await, "No address is suppressed");
    ada.post(path, &[("address", "nobody")]).await;
    assert_eq!(ada.status, 422);
    let new = [
        ("address", "Bob@Example.com"),
        ("note", "<script>alert(1)</script>"),
    ];
    ada.post(path, &new).await;
    assert_eq!(ada.at, format!("{path}?done=saved"));
    has(&ada.page, "&lt;script&gt;");
    assert!(!ada.page.contains("<script>alert"), "{}", ada.page);
    has(
        ada.get(&format!("{path}?q=bob&reason=manual")).await,
        "bob@example.com",
    );
    has(
        ada.get(&format!("{path}?q=bob&reason=complaint")).await,
        "There is no such address",
    );
    let remove = format!("{path}/remove");
    let page = ada
        .get(&format!("{remove}?address=bob%40example.com"))
        .await;
    has(page, "bob@example.com");
    ada.post(&remove, &[("address", "bob@example.com")]).await;
    assert_eq!(ada.at, format!("{path}?done=deleted"));
    has(&ada.page, "No address is suppressed");
    ada.get(&format!("{remove}?address=bob%40example.com"))
        .await;
    assert_eq!(ada.status, 404);
}

#[tokio::test]
async fn who_left_a_list_is_seen_and_let_back_after_a_question() {
    let mut mia = office().await;
    mia.log_in("mia@example.com", PASSWORD).await;
    let app = mia.installation.app.clone();
    let path = "/app/sending/exits";
    has(mia.get(path).await, "Nobody left a mailing list");
    let command = CreateSegment {
        name: "Fans <b>".parse().unwrap(),
        description: String::new(),
        rule: None,
    };
    let ours = mia.installation.ours.clone();
    let fans = app.segments.create(&ours, command).await.unwrap().id;
    let key = "ann@example.com";
    let mut uow = app.messaging_store.begin().await.unwrap();
    let (organization, hash) = (ours.organization_id(), address_hash(key));
    let chosen = uow.suppressions();
    let now = app.clock.now();
    let lists = [fans];
    let left = chosen.choose_lists(organization, &hash, Some(key), &lists, &[], now);
    left.await.unwrap();
    uow.commit().await.unwrap();

    has(mia.get(path).await, "Fans &lt;b&gt;");
    has(mia.get(&format!("{path}?q=ANN")).await, key);
    has(
        mia.get(&format!("{path}?q=bob")).await,
        "There is no such address",
    );
    let remove = format!("{path}/remove");
    let which = format!("{remove}?address={hash}&segment={fans}&known=ann%40example.com");
    has(mia.get(&which).await, "ann@example.com left the list Fans");
    let segment = fans.to_string();
    let form = [("address", hash.as_str()), ("segment", segment.as_str())];
    mia.post(&remove, &form).await;
    assert_eq!(mia.at, format!("{path}?done=saved"));
    has(&mia.page, "Nobody left a mailing list");
    mia.get("/app/account").await;
    mia.post(&remove, &form).await;
    assert_eq!(mia.status, 404);
}

#[tokio::test]
async fn who_may_only_look_is_offered_no_change_and_refused_when_forced() {
    let mut vic = office().await;
    let app = vic.installation.app.clone();
    let command = AddSendingDomain {
        domain: "example.com".parse().unwrap(),
        return_path: None,
    };
    let domain = app.domains.add(&vic.installation.ours, command).await;
    let domain = format!("/app/sending/domains/{}", domain.unwrap().id);
    vic.log_in("vic@example.com", PASSWORD).await;
    for path in [
        PLACE,
        "/app/sending/domains",
        "/app/sending/suppressions",
        "/app/sending/exits",
        &domain,
    ] {
        let page = vic.get(path).await;
        let content = page.split_once("id=\"main\"").unwrap().1;
        assert!(!content.contains("method=\"post\""), "{path}: {content}");
        assert!(
            !content.contains("/delete") && !content.contains("/remove"),
            "{path}"
        );
    }
    for path in [
        PLACE.to_owned(),
        format!("{PLACE}/limits"),
        format!("{PLACE}/test"),
        format!("{PLACE}/domains"),
        format!("{domain}/rotate"),
        format!("{domain}/activate"),
        format!("{domain}/delete"),
        format!("{PLACE}/suppressions"),
        format!("{PLACE}/suppressions/remove"),
        format!("{PLACE}/exits/remove"),
    ] {
        vic.get("/app/account").await;
        let fields = [
            ("kind", "capture"),
            ("connections", "1"),
            ("messages", "1"),
            ("seconds", "1"),
            ("domain", "example.net"),
            ("address", "bob@example.com"),
        ];
        vic.post(&path, &fields).await;
        assert_eq!(vic.status, 403, "{path}: {}", vic.page);
        vic.get("/app/account").await;
        let bare = vic.send("POST", &path, Some(String::new())).await;
        assert_eq!(bare.status, 403, "{path} without its token");
    }
}

#[tokio::test]
async fn another_organisations_domain_is_not_there() {
    let mut ada = office().await;
    let app = ada.installation.app.clone();
    let token = ada.installation.stranger.clone();
    let made = ada
        .installation
        .call(
            &token,
            "POST",
            "/api/messaging/domains",
            Some(serde_json::json!({"domain": "example.com"})),
        )
        .await
        .ok(201);
    let id = made["id"]
        .as_str()
        .or(made["domain"]["id"].as_str())
        .unwrap();
    let place = format!("/app/sending/domains/{id}");
    for path in ["", "?check=true", "/delete"] {
        ada.get(&format!("{place}{path}")).await;
        assert_eq!(ada.status, 404, "{path}");
    }
    for path in ["/rotate", "/activate", "/delete"] {
        ada.get("/app/account").await;
        ada.post(&format!("{place}{path}"), &[]).await;
        assert_eq!(ada.status, 404, "{path}");
    }
    let ours: &Actor = &ada.installation.ours;
    assert!(app.domains.list(ours).await.unwrap().is_empty());
}
