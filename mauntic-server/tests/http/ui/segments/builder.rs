//! The rows of rules, used without scripting: buttons post the form, and the page that comes back has rows and text in step.

use crate::{browser::Browser, mail::made, page::assert_has, support::Installation};
use serde_json::{Value, json};

const NEW: &str = "/app/segments/new";

/// The fields of the form of a page, as a browser sends them.
#[derive(Debug, Clone)]
struct Form(Vec<(String, String)>);

impl Form {
    fn of(page: &str) -> Self {
        let form = page.split_once("id=\"segment-form\"").unwrap().1;
        let form = form.split_once("</form>").unwrap().0;
        let mut fields = Vec::new();
        let mut select: Option<(String, Option<String>)> = None;
        for part in form.split('<').skip(1) {
            let (tag, text) = part.split_once('>').unwrap();
            let attribute = |name: &str| {
                let rest = tag.split_once(&format!(" {name}=\""))?.1;
                Some(plain(rest.split_once('"')?.0))
            };
            match tag.split(' ').next().unwrap() {
                "input" => fields.extend(
                    attribute("name").map(|name| (name, attribute("value").unwrap_or_default())),
                ),
                "textarea" => {
                    let text = text.strip_prefix('\n').unwrap_or(text);
                    fields.push((attribute("name").unwrap(), plain(text)));
                }
                "select" => select = attribute("name").map(|name| (name, None)),
                "option" => {
                    if let Some((_, chosen)) = &mut select
                        && (chosen.is_none() || tag.ends_with(" selected"))
                    {
                        *chosen = attribute("value");
                    }
                }
                "/select" => fields.extend(
                    select
                        .take()
                        .map(|(name, chosen)| (name, chosen.unwrap_or_default())),
                ),
                _ => {}
            }
        }
        Self(fields)
    }

    /// Fills in the field of that name, counted from 0.
    #[track_caller]
    fn set(mut self, name: &str, nth: usize, value: &str) -> Self {
        let mut found = self.0.iter_mut().filter(|(found, _)| found == name);
        let Some(field) = found.nth(nth) else {
            panic!("there is no field {name} {nth}: {self:?}");
        };
        value.clone_into(&mut field.1);
        self
    }

    #[track_caller]
    fn get(&self, name: &str) -> &str {
        &self.0.iter().find(|(found, _)| found == name).unwrap().1
    }
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

/// Presses a button of the form, and returns the form of the page that comes back.
async fn press(browser: &mut Browser, path: &str, form: Form, button: &str) -> Form {
    let all = form.0;
    let mut fields: Vec<_> = all
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    fields.push(("do", button));
    // The first button of a form counts, and there is only this one.
    fields.sort_by_key(|(name, _)| *name != "do");
    browser.post_exactly(path, &fields).await;
    assert!(
        browser.page.contains("id=\"segment-form\""),
        "{button}: {}",
        browser.page
    );
    Form::of(&browser.page)
}

async fn save(browser: &mut Browser, path: &str, form: Form) {
    let all = form.0;
    let fields: Vec<_> = all
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    browser.post_exactly(path, &fields).await;
}

/// A browser of an owner of the first organisation, at the form of a new segment.
async fn at_new() -> (Browser, Form) {
    let mut ann = Browser::fresh(Installation::sqlite().await);
    let password = "a long enough password";
    let installation = &ann.installation;
    installation
        .member("ann@example.com", "Ann", "owner", password)
        .await;
    ann.log_in("ann@example.com", password).await;
    ann.get(NEW).await;
    let form = Form::of(&ann.page).set("name", 0, "Mine");
    (ann, form)
}

/// What the owner of the other organisation makes.
async fn theirs(browser: &Browser, path: &str, body: Value) -> Value {
    let installation = &browser.installation;
    let answer = installation
        .call(&installation.stranger, "POST", path, Some(body))
        .await;
    answer.ok(201)
}

#[tokio::test]
async fn a_rule_is_built_by_buttons_alone_and_its_text_follows() {
    let (mut ann, form) = at_new().await;
    let form = press(&mut ann, NEW, form, "row:0").await;
    assert_has(
        &ann.page,
        &["Choose what to ask", "id=\"n1-subject\"", "autofocus"],
    );
    let form = press(&mut ann, NEW, form.set("subject", 0, "country"), "update").await;
    assert_eq!(form.get("op"), "=");
    let form = form.set("op", 0, "in").set("value", 0, "DE");
    let form = press(&mut ann, NEW, form, "update").await;
    assert_eq!(form.get("rule"), "country in (\"DE\")");
    // Another value has its place already.
    let form = press(&mut ann, NEW, form.set("value", 1, "NO"), "group:0").await;
    let form = form.set("subject", 1, "tag");
    let form = press(&mut ann, NEW, form, "row:2").await;
    let form = form.set("subject", 2, "=opened").set("value", 3, "vip");
    let form = press(&mut ann, NEW, form, "update").await;
    assert_eq!(
        form.get("rule"),
        "country in (\"DE\", \"NO\") and (tag in (\"vip\") or opened(any))"
    );
    assert_has(&ann.page, &["Fits 0 contacts"]);

    // Up, down, in, out, remove.
    let form = press(&mut ann, NEW, form, "up:2").await;
    assert_eq!(
        form.get("rule"),
        "(tag in (\"vip\") or opened(any)) and country in (\"DE\", \"NO\")"
    );
    let form = press(&mut ann, NEW, form, "in:4").await;
    assert_eq!(
        form.get("rule"),
        "tag in (\"vip\") or opened(any) or country in (\"DE\", \"NO\")"
    );
    let form = press(&mut ann, NEW, form.set("group", 1, "not any"), "update").await;
    assert_eq!(
        form.get("rule"),
        "not (tag in (\"vip\") or opened(any) or country in (\"DE\", \"NO\"))"
    );
    let form = press(&mut ann, NEW, form, "out:2").await;
    assert_eq!(
        form.get("rule"),
        "not (opened(any) or country in (\"DE\", \"NO\")) and tag in (\"vip\")"
    );
    let form = press(&mut ann, NEW, form, "remove:3").await;
    assert_eq!(form.get("rule"), "not opened(any) and tag in (\"vip\")");

    save(&mut ann, NEW, form).await;
    assert_has(
        &ann.page,
        &[
            "It was created.",
            "not opened(any) and tag in (&quot;vip&quot;)",
        ],
    );
    // It comes back as it was built.
    let edit = format!("{}/edit", ann.at.split('?').next().unwrap());
    ann.get(&edit).await;
    let again = Form::of(&ann.page);
    assert_eq!(again.get("rule"), "not opened(any) and tag in (\"vip\")");
    let subjects: Vec<_> = again
        .0
        .iter()
        .filter(|(name, _)| name == "subject")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(subjects, ["=opened", "tag"]);
}

#[tokio::test]
async fn every_kind_of_value_has_its_own_inputs() {
    let (mut ann, form) = at_new().await;
    let rule = "created_at in the last 30 days and last_active < today - 2 weeks and birthday = anniversary \
        and birthday between 1990-01-01 and 1999-12-31 and newsletter = true and colour != \"red\" and colours has all (\"red\", \"blue\") \
        and owner is set and do_not_contact(email, bounced) and clicked(any, last 7 days, including machine) >= 3 and nobody";
    for (alias, kind, options) in [
        ("birthday", "date", json!([])),
        ("newsletter", "boolean", json!([])),
        (
            "colour",
            "select",
            json!([{"value": "red", "label": "Red"}, {"value": "blue", "label": "Blue"}]),
        ),
        (
            "colours",
            "multiselect",
            json!([{"value": "red", "label": "Red"}, {"value": "blue", "label": "Blue"}]),
        ),
    ] {
        let field = json!({"label": alias, "type": kind, "options": options});
        made(&ann.installation, "/api/crm/fields", field).await;
    }
    let form = press(&mut ann, NEW, form.set("rule", 0, rule), "update").await;
    assert_has(
        &ann.page,
        &[
            "Fits 0 contacts",
            "type=\"date\"",
            "value=\"1990-01-01\"",
            "<option value=\"last\" selected>",
            "<option value=\"ago\" selected>",
            "<option value=\"week\" selected>",
            "<option value=\"anniversary\" selected>",
            "<option value=\"bounced\" selected>",
            "also by machines",
            "<option value=\"red\" selected>Red",
        ],
    );
    // What was typed stays as it was typed, and what the rows say is the same.
    assert_eq!(form.get("rule"), rule);
    let form = press(&mut ann, NEW, form.set("op", 0, "!="), "update").await;
    assert_eq!(
        form.get("rule"),
        rule.replacen(" in the", " not in the", 1).replace(
            "1990-01-01 and 1999-12-31",
            "\"1990-01-01\" and \"1999-12-31\""
        )
    );
}

#[tokio::test]
async fn the_rows_follow_the_text_and_keep_while_it_is_wrong() {
    let (mut ann, form) = at_new().await;
    let typed = "  country=\"DE\"   or points>3";
    let form = press(&mut ann, NEW, form.set("rule", 0, typed), "update").await;
    assert_eq!(
        form.get("rule"),
        typed,
        "what somebody types is left as it is"
    );
    assert_eq!(form.get("group"), "any");
    let form = press(
        &mut ann,
        NEW,
        form.set("rule", 0, "country = \"DE\" or"),
        "update",
    )
    .await;
    assert_eq!(ann.status, 422);
    assert_has(
        &ann.page,
        &[
            "id=\"rule-error\"",
            "at the end",
            "Drop the text, take the rows",
        ],
    );
    assert_eq!(form.get("subject"), "country", "the rows stay");
    // Nothing that is wrong is saved.
    save(&mut ann, NEW, form.clone()).await;
    assert_has(&ann.page, &["Nothing was saved", "id=\"rule-error\""]);
    let form = press(&mut ann, NEW, form, "rows").await;
    assert_eq!(form.get("rule"), "country = \"DE\" or points > 3");
    // An empty text empties the rows.
    let form = press(&mut ann, NEW, form.set("rule", 0, ""), "update").await;
    assert!(!form.0.iter().any(|(name, _)| name == "row"), "{form:?}");
    save(&mut ann, NEW, form).await;
    assert_has(&ann.page, &["It was created.", ">static<"]);
}

#[tokio::test]
async fn a_row_says_what_is_wrong_with_it_and_its_text_waits() {
    let (mut ann, form) = at_new().await;
    let form = press(
        &mut ann,
        NEW,
        form.set("rule", 0, "points > 3 and city = \"Oslo\""),
        "update",
    )
    .await;
    let form = press(&mut ann, NEW, form.set("value", 0, "many"), "update").await;
    assert_eq!(ann.status, 422);
    assert_has(
        &ann.page,
        &[
            "id=\"n1-problem\"",
            "“many” is not a number",
            "value=\"many\"",
            "The text follows once every row is complete.",
        ],
    );
    assert_eq!(form.get("rule"), "points > 3 and city = \"Oslo\"");
    save(&mut ann, NEW, form.clone()).await;
    assert_has(&ann.page, &["Nothing was saved", "“many” is not a number"]);
    assert_eq!(ann.status, 422);
    // What only the rule as a whole can know is said at the row too.
    let form = form
        .set("value", 0, "4")
        .set("op", 1, "matches")
        .set("value", 1, "(");
    press(&mut ann, NEW, form.clone(), "update").await;
    assert_has(&ann.page, &["id=\"n2-problem\"", "aria-invalid=\"true\""]);
    // A row that is not complete is no mistake yet, but cannot be saved.
    let form = press(
        &mut ann,
        NEW,
        form.set("op", 1, "=").set("value", 1, ""),
        "update",
    )
    .await;
    assert_has(
        &ann.page,
        &[
            "id=\"n2-problem\" class=\"rule-problem soft\"",
            "Fill in a value.",
        ],
    );
    assert_eq!(ann.status, 200);
    save(&mut ann, NEW, form).await;
    assert_has(&ann.page, &["id=\"n2-problem\" class=\"rule-problem bad\""]);
    assert_eq!(ann.status, 422);
}

#[tokio::test]
async fn when_rows_and_text_were_both_changed_nothing_is_lost_unsaid() {
    let (mut ann, form) = at_new().await;
    let form = press(&mut ann, NEW, form.set("rule", 0, "points > 3"), "update").await;
    let both = form.set("value", 0, "5").set("rule", 0, "points > 9");
    save(&mut ann, NEW, both).await;
    assert_eq!(ann.status, 422);
    assert_has(&ann.page, &["You changed both", "points &gt; 5"]);
    let form = Form::of(&ann.page);
    assert_eq!((form.get("value"), form.get("rule")), ("9", "points > 9"));
    save(&mut ann, NEW, form).await;
    assert_has(&ann.page, &["It was created.", "points &gt; 9"]);
}

#[tokio::test]
async fn what_a_row_cannot_hold_stands_there_as_text() {
    let (mut ann, form) = at_new().await;
    let rule = r#"city = "a\nb" and created_at in (today, tomorrow)"#;
    let form = press(&mut ann, NEW, form.set("rule", 0, rule), "update").await;
    assert_eq!(form.get("subject"), "=text");
    assert_has(&ann.page, &[r"city = &quot;a\nb&quot;"]);
    let form = form.set("value", 0, "city = \"c\"");
    let form = press(&mut ann, NEW, form, "update").await;
    assert_eq!(
        form.get("rule"),
        "city = \"c\" and created_at in (today, tomorrow)"
    );
    press(&mut ann, NEW, form.set("value", 0, "town = 1"), "update").await;
    assert_has(&ann.page, &["id=\"n1-problem\"", "no field is called"]);
}

#[tokio::test]
async fn only_ones_own_segments_and_emails_can_be_chosen() {
    let (mut ann, form) = at_new().await;
    let secret = theirs(&ann, "/api/crm/segments", json!({"name": "Secret"})).await;
    let own = made(
        &ann.installation,
        "/api/crm/segments",
        json!({"name": "Customers"}),
    )
    .await;
    let form = press(&mut ann, NEW, form, "row:0").await;
    let form = press(&mut ann, NEW, form.set("subject", 0, "=segment"), "update").await;
    assert_has(&ann.page, &[">Customers</option>"]);
    assert!(!ann.page.contains("Secret"), "{}", ann.page);
    let id = |segment: &Value| segment["id"].as_str().unwrap().to_owned();
    save(&mut ann, NEW, form.clone().set("value", 0, &id(&secret))).await;
    assert_eq!(ann.status, 422);
    assert_has(&ann.page, &["No segment has the id"]);
    save(&mut ann, NEW, form.set("value", 0, &id(&own))).await;
    assert_has(
        &ann.page,
        &["It was created.", "segment = &quot;Customers&quot;"],
    );
}

#[tokio::test]
async fn a_form_that_nobody_could_have_filled_in_is_refused() {
    let (mut ann, form) = at_new().await;
    let token = form.get("csrf").to_owned();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for rows in [
        vec![pair("group", "all"); 100],
        vec![pair("row", ""); 3_000],
    ] {
        let mut fields = vec![
            pair("csrf", &token),
            pair("name", "Deep"),
            pair("group", "all"),
        ];
        fields.extend(rows);
        save(&mut ann, NEW, Form(fields)).await;
        assert_eq!(ann.status, 422);
        assert_has(&ann.page, &["A rule has at most 2,000"]);
    }
    // Steps and values of another page than the one that is there.
    for (button, subject, op) in [
        ("up:99", "nothing", "="),
        ("remove:0", "country", "~"),
        ("out:x", "=opened", "in"),
    ] {
        let fields = [
            ("csrf", &*token),
            ("do", button),
            ("name", "x"),
            ("rule", ""),
            ("shown", ""),
            ("group", "odd"),
            ("row", subject),
            ("subject", subject),
            ("op", op),
            ("value", "1"),
            ("end", ""),
        ];
        ann.post_exactly(NEW, &fields).await;
        assert!(matches!(ann.status, 200 | 422), "{button}: {}", ann.status);
        assert_has(&ann.page, &["id=\"n1-problem\""]);
    }
}

#[tokio::test]
async fn names_with_a_script_are_shown_as_they_are() {
    let (mut ann, form) = at_new().await;
    let script = "<script>alert(1)</script>";
    made(
        &ann.installation,
        "/api/crm/segments",
        json!({"name": script}),
    )
    .await;
    made(
        &ann.installation,
        "/api/crm/contacts",
        json!({"email": "a@example.com", "tags": [script]}),
    )
    .await;
    let options = json!([{"value": script, "label": script}]);
    made(
        &ann.installation,
        "/api/crm/fields",
        json!({"label": script, "alias": "odd", "type": "select", "options": options}),
    )
    .await;
    let rule = format!(
        "tag = \"{script}\" and odd = \"{script}\" and segment = \"{script}\" and city = \"{script}\""
    );
    let form = press(&mut ann, NEW, form.set("rule", 0, &rule), "update").await;
    assert_eq!(form.get("rule"), rule);
    assert_has(&ann.page, &["&lt;script&gt;alert(1)"]);
    assert!(!ann.page.contains("<script>alert"), "{}", ann.page);
    let form = press(
        &mut ann,
        NEW,
        form.set("op", 0, script).set("subject", 1, script),
        "update",
    )
    .await;
    assert!(!ann.page.contains("<script>alert"), "{}", ann.page);
    save(&mut ann, NEW, form).await;
    assert_eq!(ann.status, 422);
    assert!(!ann.page.contains("<script>alert"), "{}", ann.page);
}
