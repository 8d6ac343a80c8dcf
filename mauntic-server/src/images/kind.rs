//! What is an image, by its content and by its name.

/// The kinds of images that mail programs show. SVG is not among them: it may hold scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
}

impl ImageKind {
    const ALL: [Self; 4] = [Self::Png, Self::Jpeg, Self::Gif, Self::Webp];

    /// The kind of a file by what it begins with, whatever it is called.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some(Self::Webp),
            _ => None,
        }
    }

    /// The ending of its file.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }
}

/// The kind of an image of ours by its name; `None` for a name that none has.
pub(super) fn kind_of_name(name: &str) -> Option<ImageKind> {
    let (stem, ending) = name.split_once('.')?;
    let plain = stem.len() == 32
        && stem
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut kinds = ImageKind::ALL.into_iter();
    kinds.find(|kind| plain && kind.ending() == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_decides_what_a_file_is() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n..."[..], Some(ImageKind::Png)),
            (b"\xff\xd8\xff\xe0", Some(ImageKind::Jpeg)),
            (b"GIF89a", Some(ImageKind::Gif)),
            (b"RIFF1234WEBPVP8 ", Some(ImageKind::Webp)),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", None),
            (b"<html>", None),
            (b"", None),
        ] {
            assert_eq!(ImageKind::of(bytes), kind);
        }
    }

    #[test]
    fn only_names_of_ours_are_looked_for() {
        let stem = "0123456789abcdef0123456789abcdef";
        assert_eq!(kind_of_name(&format!("{stem}.png")), Some(ImageKind::Png));
        for name in [
            "../secret.png".to_owned(),
            format!("{stem}.svg"),
            format!("{stem}.part"),
            format!("{stem}.png.svg"),
            format!("{stem}/../{stem}.png"),
            stem.to_uppercase() + ".png",
        ] {
            assert_eq!(kind_of_name(&name), None, "{name}");
        }
    }
}
