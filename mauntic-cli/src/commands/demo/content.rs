//! What the demo sends.

use mauntic_messaging::content::{Body, EmailSource};

/// The domain that the demo sends from.
pub(super) const DOMAIN: &str = "workshop.example";

const MJML: &str = r##"<mjml>
  <mj-head>
    <mj-attributes>
      <mj-all font-family="Helvetica, Arial, sans-serif" />
      <mj-text font-size="16px" line-height="1.5" color="#1d2430" />
    </mj-attributes>
  </mj-head>
  <mj-body background-color="#f4f5f7">
    <mj-section background-color="#ffffff" padding="32px 24px">
      <mj-column>
        <mj-text font-size="24px" font-weight="700">Hello {contactfield=firstname|friend}</mj-text>
        <mj-text>The spring collection is ready.{% if contact.city %} We ship to {{ contact.city }} within two days.{% endif %}</mj-text>
        <mj-button background-color="#2457d6" href="https://shop.workshop.example/spring">See what is new</mj-button>
        <mj-text>Or read <a href="https://workshop.example/stories/kiln">how our kiln was built</a>.</mj-text>
      </mj-column>
    </mj-section>
    <mj-section>
      <mj-column>
        <mj-text font-size="13px" color="#5a6473">You get this because you subscribed at workshop.example.
        <a href="{{ unsubscribe_url }}">Unsubscribe</a> · <a href="{{ webview_url }}">Read in the browser</a></mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>"##;

/// The email of the demo.
pub(super) fn email() -> EmailSource {
    EmailSource {
        subject: "{contactfield=firstname|Hello}, the spring collection is ready".to_owned(),
        preheader: Some("Three new glazes, and the story of our kiln".to_owned()),
        body: Body::Mjml(MJML.to_owned()),
        text: None,
        from_name: Some("The Workshop".to_owned()),
        from_address: Some(format!("news@{DOMAIN}")),
        reply_to: None,
    }
}
