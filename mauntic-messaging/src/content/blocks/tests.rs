use proptest::prelude::*;

use super::{
    edit::{END, List, Place},
    *,
};
use crate::content::{Body, EmailSource, Problem, Severity, Variables, compile};

fn source(document: BlockDocument) -> EmailSource {
    EmailSource {
        subject: "Hello".to_owned(),
        preheader: None,
        body: Body::Blocks(document),
        text: None,
        from_name: None,
        from_address: None,
        reply_to: None,
    }
}

fn problems(document: &BlockDocument) -> Vec<Problem> {
    let variables = Variables::new(["firstname", "country"]).without_unsubscribe();
    match compile(&source(document.clone()), &variables) {
        Ok(compiled) => compiled.warnings().to_vec(),
        Err(problems) => problems,
    }
}

fn html(document: &BlockDocument) -> String {
    let variables = Variables::new(["firstname", "country"]).without_unsubscribe();
    let compiled = compile(&source(document.clone()), &variables);
    let compiled = compiled.unwrap_or_else(|problems| panic!("{problems:?}"));
    compiled.html.clone()
}

fn of(contents: impl IntoIterator<Item = BlockContent>) -> BlockDocument {
    let mut document = BlockDocument::default();
    for content in contents {
        document.insert(END, content);
    }
    document
}

fn text(markdown: &str) -> BlockContent {
    BlockContent::Text {
        markdown: markdown.to_owned(),
        align: Align::Left,
    }
}

#[test]
fn the_starter_is_ready_to_be_saved() {
    let variables = Variables::new(["firstname"]);
    let compiled = compile(&source(BlockDocument::starter()), &variables).unwrap();
    assert_eq!(compiled.warnings(), []);
    let html = &compiled.html;
    assert!(
        html.contains("contact.firstname | default(\"there\", true)"),
        "{html}"
    );
    assert!(html.contains("<h1"), "{html}");
}

#[test]
fn every_kind_of_block_becomes_html() {
    for kind in BlockContent::KINDS {
        let mut content = BlockContent::of_kind(kind).unwrap();
        if let BlockContent::Image { src, alt, .. } = &mut content {
            "https://example.com/a.png".clone_into(src);
            "A".clone_into(alt);
        }
        assert_eq!(content.kind(), kind);
        let document = of([content, text("behind it")]);
        assert_eq!(problems(&document), [], "{kind}");
        assert!(html(&document).contains("behind it"), "{kind}");
        let json = serde_json::to_string(&document).unwrap();
        assert_eq!(
            serde_json::from_str::<BlockDocument>(&json).unwrap(),
            document
        );
    }
    assert_eq!(BlockContent::of_kind("carousel"), None);
}

#[test]
fn markdown_is_written_as_html_and_html_in_it_is_shown() {
    let html = html(&of([text(
        "Hi **{{ contact.firstname }}**, see [this](https://example.com/?a=1&b=2) & <script>alert(1)</script>\nbye [x](javascript:alert(1))",
    )]));
    assert!(
        html.contains("<strong>{{ contact.firstname }}</strong>"),
        "{html}"
    );
    assert!(html.contains("&lt;script"), "{html}");
    assert!(
        !html.contains("<script") && !html.contains("javascript:"),
        "{html}"
    );
    assert!(html.contains("<br"), "{html}");
}

#[test]
fn what_stands_in_attributes_cannot_leave_them() {
    let html = html(&of([BlockContent::Image {
        src: "https://example.com/a.png\" onerror=\"x".to_owned(),
        alt: "\"><b>{contactfield=firstname|\"friend\"}".to_owned(),
        href: Some("javascript:alert(1)".to_owned()),
        width: None,
        align: Align::Left,
    }]));
    assert!(!html.contains("onerror=\"x"), "{html}");
    assert!(html.contains("alt=\"&quot;"), "{html}");
    assert!(!html.contains("javascript:"), "{html}");
    assert!(html.contains("contact.firstname"), "{html}");
}

#[test]
fn conditions_decide_around_sections_and_in_columns() {
    let vip = |blocks, otherwise| BlockContent::Conditional {
        condition: Condition::Field {
            field: "country".to_owned(),
            test: Test::Equals("\"Å\" & 'b'".to_owned()),
        },
        blocks,
        otherwise,
    };
    let leaf = |id, words: &str| Block {
        id: BlockId(id),
        background: None,
        content: text(words),
    };
    let inner = Block {
        id: BlockId(9),
        background: None,
        content: vip(vec![leaf(10, "in column")], Vec::new()),
    };
    let document = of([
        vip(vec![leaf(5, "for them")], vec![leaf(6, "for others")]),
        BlockContent::Columns {
            columns: vec![
                Column {
                    width: 30,
                    blocks: vec![inner],
                },
                Column {
                    width: 70,
                    blocks: vec![leaf(11, "right")],
                },
            ],
        },
    ]);
    assert_eq!(problems(&document), []);
    let html = html(&document);
    let expected =
        "(contact.country | default(\"\", true) | string | lower) == \"\\\"å\\\" & 'b'\"";
    assert_eq!(html.matches(expected).count(), 2, "{html}");
    let at = |words: &str| {
        html.find(words)
            .unwrap_or_else(|| panic!("{words}: {html}"))
    };
    assert!(at("{% if") < at("for them") && at("for them") < at("{% else %}"));
    assert!(at("{% else %}") < at("for others") && at("for others") < at("in column"));
    assert!(at("for others") < at("in column") && at("in column") < at("right"));
}

#[test]
fn a_problem_names_its_block() {
    let mut document = of([text("fine"), text("{{ contact.frstname }}")]);
    let found = problems(&document);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0].to_string(),
        "body, block 2: there is nothing called `contact.frstname` (did you mean `contact.firstname`?)"
    );
    document.blocks[1].content = BlockContent::Html {
        html: "<p>open".to_owned(),
    };
    let found = problems(&document);
    assert_eq!(found[0].severity, Severity::Error);
    assert_eq!(found[0].location.block, Some(BlockId(2)), "{found:?}");
}

#[test]
fn a_wrong_shape_is_named() {
    let columns = |widths: &[u8]| BlockContent::Columns {
        columns: widths
            .iter()
            .map(|width| Column {
                width: *width,
                blocks: Vec::new(),
            })
            .collect(),
    };
    for content in [
        columns(&[100]),
        columns(&[50, 40]),
        BlockContent::Spacer { height: 0 },
        BlockContent::of_kind("image").unwrap(),
        BlockContent::Conditional {
            condition: Condition::Expression {
                expression: "true %}{% endif".to_owned(),
            },
            blocks: Vec::new(),
            otherwise: Vec::new(),
        },
    ] {
        let document = of([content]);
        let found = problems(&document);
        assert!(
            found.iter().any(
                |problem| problem.code == "block" && problem.location.block == Some(BlockId(1))
            ),
            "{found:?}"
        );
    }
    let many = of((0..=MAX_BLOCKS).map(|_| BlockContent::Divider { color: None }));
    assert_eq!(problems(&many).len(), 1);
}

#[test]
fn blocks_move_out_of_columns_and_never_into_themselves() {
    let mut document = of([
        text("a"),
        BlockContent::of_kind("columns").unwrap(),
        text("c"),
    ]);
    let (a, columns, c) = (BlockId(1), BlockId(2), BlockId(3));
    let second = List::Within(columns, 1);
    assert!(document.move_to(
        a,
        Place {
            list: second,
            index: 0
        }
    ));
    assert_eq!(
        document.place_of(a),
        Some(Place {
            list: second,
            index: 0
        })
    );
    assert!(!document.move_to(
        columns,
        Place {
            list: second,
            index: 0
        }
    ));
    assert!(document.step(a, true));
    assert_eq!(
        document.place_of(a),
        Some(Place {
            list: List::Top,
            index: 1
        })
    );
    assert!(document.step(a, true));
    assert_eq!(document.place_of(c).unwrap().index, 1);
    assert!(!document.step(a, true));
    let copy = document.duplicate(columns).unwrap();
    assert_eq!(document.place_of(copy).unwrap().index, 1);
    assert_eq!(document.shape_problems(), []);
    assert_eq!(document.remove(copy).unwrap().id, copy);
    assert_eq!(document.remove(copy), None);
}

proptest! {
    #[test]
    fn any_text_gives_a_problem_or_html(words in any::<String>(), more in "[ *_\\[\\](){}%<>&\"a\n#-]{0,40}") {
        for words in [words, more] {
            let document = of([
                text(&words),
                BlockContent::Heading { text: words.clone(), level: 2, align: Align::Left },
                BlockContent::Button {
                    label: words.clone(),
                    href: words.clone(),
                    align: Align::Left,
                    color: None,
                    full_width: false,
                },
            ]);
            let broken = problems(&document)
                .into_iter()
                .find(|problem| problem.code == "broken_mjml" || problem.code == "unknown_tag");
            prop_assert_eq!(broken, None);
        }
    }
}
