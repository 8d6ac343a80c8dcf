use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A colour: `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Color {
    red: u8,
    green: u8,
    blue: u8,
}

/// The text is no colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a colour: expected # and six hexadecimal digits, such as #1d4ed8")]
pub struct InvalidColor;

impl Color {
    /// The colour of these parts.
    #[must_use]
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// The contrast with another colour, from 1 (none) to 21 (WCAG 2.2, "contrast ratio").
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

impl FromStr for Color {
    type Err = InvalidColor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim().strip_prefix('#').ok_or(InvalidColor)?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidColor);
        }
        let part =
            |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| InvalidColor);
        Ok(Self::rgb(part(0)?, part(2)?, part(4)?))
    }
}

impl TryFrom<String> for Color {
    type Error = InvalidColor;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Color> for String {
    fn from(color: Color) -> Self {
        color.to_string()
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

/// Where something stands between the left and the right edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// At the left.
    #[default]
    Left,
    /// In the middle.
    Center,
    /// At the right.
    Right,
}

impl Align {
    /// All of them, in the order people read.
    pub const ALL: [Self; 3] = [Self::Left, Self::Center, Self::Right];

    /// The name, as in JSON and CSS.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Center => "center",
            Self::Right => "right",
        }
    }
}

/// Fonts that mail programs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Font {
    /// What the reader's system uses itself.
    #[default]
    System,
    /// Helvetica or Arial.
    Helvetica,
    /// Georgia.
    Georgia,
    /// Verdana.
    Verdana,
    /// A typewriter's.
    Monospace,
}

impl Font {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::System,
        Self::Helvetica,
        Self::Georgia,
        Self::Verdana,
        Self::Monospace,
    ];

    /// The name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Helvetica => "helvetica",
            Self::Georgia => "georgia",
            Self::Verdana => "verdana",
            Self::Monospace => "monospace",
        }
    }

    /// What stands in the style sheet.
    #[must_use]
    pub const fn stack(self) -> &'static str {
        match self {
            Self::System => "-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif",
            Self::Helvetica => "Helvetica, Arial, sans-serif",
            Self::Georgia => "Georgia, 'Times New Roman', serif",
            Self::Verdana => "Verdana, Geneva, sans-serif",
            Self::Monospace => "'Courier New', Courier, monospace",
        }
    }
}

/// How a whole email looks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EmailStyles {
    /// How wide the content is, in pixels: 320 to 800.
    pub width: u16,
    /// What stands around the content.
    pub background: Color,
    /// What stands behind the content.
    pub content_background: Color,
    /// The text.
    pub text_color: Color,
    /// Links in texts.
    pub link_color: Color,
    /// Buttons.
    pub button_color: Color,
    /// What buttons say.
    pub button_text_color: Color,
    /// The font.
    pub font: Font,
    /// The size of texts, in pixels: 12 to 22.
    pub font_size: u8,
    /// How round the corners of buttons are, in pixels: 0 to 30.
    pub radius: u8,
}

impl Default for EmailStyles {
    fn default() -> Self {
        Self {
            width: 600,
            background: Color::rgb(0xf3, 0xf4, 0xf6),
            content_background: Color::rgb(0xff, 0xff, 0xff),
            text_color: Color::rgb(0x1f, 0x29, 0x37),
            link_color: Color::rgb(0x1d, 0x4e, 0xd8),
            button_color: Color::rgb(0x1d, 0x4e, 0xd8),
            button_text_color: Color::rgb(0xff, 0xff, 0xff),
            font: Font::System,
            font_size: 16,
            radius: 6,
        }
    }
}

impl EmailStyles {
    /// The same with every measure brought into its range.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        self.width = self.width.clamp(320, 800);
        self.font_size = self.font_size.clamp(12, 22);
        self.radius = self.radius.min(30);
        self
    }
}
