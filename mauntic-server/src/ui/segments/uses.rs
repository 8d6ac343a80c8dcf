//! What needs a segment: rules of other segments, and sends that are not over.

use maud::{Markup, html};
use mauntic_core::{Permission, SegmentId};
use mauntic_crm::segment::Segment;
use mauntic_messaging::sending::SendJob;
use poem::Result;

use super::place;
use crate::{
    App,
    ui::{failure, send_state, visitor::Visitor, words},
};

/// What needs a segment, as far as the visitor may see it.
pub(super) struct Uses {
    /// Segments whose rules ask for it.
    pub(super) segments: Vec<Segment>,
    /// Sends to it that are not over.
    pub(super) sends: Vec<SendJob>,
}

impl Uses {
    /// Looks for them.
    pub(super) async fn of(app: &App, visitor: &Visitor, segment: SegmentId) -> Result<Self> {
        let segments = app.segments.used_by(&visitor.actor, segment).await;
        let sends = if visitor.may(Permission::EmailsRead) {
            let sends = app.sends.unfinished_to(&visitor.actor, segment).await;
            sends.map_err(failure::messaging)?
        } else {
            Vec::new()
        };
        Ok(Self {
            segments: segments.map_err(failure::crm)?,
            sends,
        })
    }

    /// Links to them.
    pub(super) fn shown(&self) -> Markup {
        html! {
            @if self.segments.is_empty() && self.sends.is_empty() { span class="soft" { "no other segment, and no send that is not over" } }
            @else {
                ul class="tree" {
                    @for user in &self.segments { li { "the rule of " a href=(place(user)) { (user.name.as_str()) } } }
                    @for send in &self.sends {
                        li { "a " a href=(format!("/app/sends/{}", send.id)) { "send of " (words::time(send.scheduled_at)) } " " (send_state(send)) }
                    }
                }
            }
        }
    }
}
