//! Why a contact is in a segment or not.

use maud::{Markup, html};
use mauntic_core::SegmentId;
use mauntic_crm::segment::{Explanation, Proof, ProofKind};
use poem::{Request, Result, handler, web::Path};
use uuid::Uuid;

use super::{PLACE, called, find, place, show::origin};
use crate::ui::{
    component::{
        Tone, frame,
        show::{self, badge},
    },
    failure, shell,
    visitor::{Visitor, app},
};

/// Shows the rule, part by part, with what was found.
#[handler]
pub(super) async fn explain(
    request: &Request,
    visitor: Visitor,
    Path((contact, segment)): Path<(Uuid, Uuid)>,
) -> Result<Markup> {
    let (app, actor) = (app(request)?, &visitor.actor);
    let contact = find(request, &visitor, contact).await?;
    let (id, segment) = (contact.id(), SegmentId::from_uuid(segment));
    let why = app.segments.explain(actor, segment, id).await;
    let why = why.map_err(failure::crm)?;
    let segment = app.segments.find(actor, segment).await;
    let segment = segment.map_err(failure::crm)?;
    let (name, title) = (called(&contact), segment.name.as_str());
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Contacts"), (&place(id), &name)], title))
        (frame::header(&format!("Why {name} is {} {title}", if why.is_member { "in" } else { "not in" }), &html! {}))
        (answer(&why))
        @if let Some(proof) = &why.proof {
            (show::card("The rule, part by part", &html! { ul class="tree proof" { (part(proof)) } }))
        }
    };
    Ok(shell(&visitor, title, PLACE, &content))
}

fn answer(why: &Explanation) -> Markup {
    let text = match (why.origin, &why.proof) {
        (Some(by), _) => format!(
            "The contact was {}.",
            match origin(by).0 {
                "by its rule" => "taken in by the rule",
                by_hand => by_hand,
            }
        ),
        (None, Some(_)) => "The rule does not take the contact in.".to_owned(),
        (None, None) => "This segment has no rule: people are put in by hand.".to_owned(),
    };
    let stale = why
        .origin
        .is_none_or(|by| by == mauntic_crm::segment::Origin::Rule)
        && why
            .proof
            .as_ref()
            .is_some_and(|proof| proof.holds != why.is_member);
    html! {
        p { (text) }
        @if stale { p class="soft" { "The rule says otherwise now; the segment follows within moments, or at midnight if the rule counts days." } }
    }
}

fn part(proof: &Proof) -> Markup {
    let (text, tone) = if proof.holds {
        ("holds", Tone::Good)
    } else {
        ("does not hold", Tone::Bad)
    };
    let joined = match proof.kind {
        ProofKind::All => Some("All of these must hold"),
        ProofKind::Any => Some("One of these must hold"),
        ProofKind::Not => Some("This must not hold"),
        ProofKind::Test => None,
    };
    html! {
        li {
            div class="row" {
                (badge(text, tone))
                @match joined { Some(words) => { span { (words) } } None => { code { (proof.rule) } } }
            }
            @if proof.kind == ProofKind::Test {
                div class="soft" { "The contact has: " (proof.observed.as_deref().unwrap_or("nothing")) }
            }
            @if !proof.parts.is_empty() { ul { @for within in &proof.parts { (part(within)) } } }
        }
    }
}
