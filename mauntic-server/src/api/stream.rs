//! Payloads that are too large, or take too long, to be held in memory: files both ways, and progress.

use std::{future::Future, io, time::Duration};

use futures_util::{Stream, StreamExt as _, stream};
use mauntic_core::StoreError;
use poem::{Body, FromRequest, Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions,
    error::ContentTypeError,
    payload::Binary,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef},
};

/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often a silent stream says that it is still there.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A CSV file as the body of a request, read piece by piece.
pub(crate) struct CsvUpload(pub(crate) Body);

/// The types that a CSV file may be sent as.
const CSV_TYPES: [&str; 2] = ["text/csv", "application/octet-stream"];

impl<'a> ApiExtractor<'a> for CsvUpload {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();

    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let content = CSV_TYPES.map(|content_type| MetaMediaType {
            content_type,
            schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format(
                "string", "binary",
            ))),
        });
        Some(MetaRequest {
            description: None,
            content: content.into(),
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let content_type = request
            .content_type()
            .ok_or(ContentTypeError::ExpectContentType)?;
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !CSV_TYPES
            .iter()
            .any(|known| essence.eq_ignore_ascii_case(known))
        {
            let content_type = content_type.to_owned();
            return Err(ContentTypeError::NotSupported { content_type }.into());
        }
        Ok(Self(
            <Body as FromRequest>::from_request(request, body).await?,
        ))
    }
}

/// A CSV file to download.
#[derive(ApiResponse)]
pub(crate) enum CsvFile {
    /// The file, in UTF-8.
    #[oai(status = 200, content_type = "text/csv; charset=utf-8")]
    Csv(Binary<Body>, #[oai(header = "Content-Disposition")] String),
}

impl CsvFile {
    /// A file of that name, made of pieces.
    pub(crate) fn named(
        name: &str,
        pieces: impl Stream<Item = Result<Vec<u8>, StoreError>> + Send + 'static,
    ) -> Self {
        let pieces = pieces.map(|piece| piece.map_err(io::Error::other));
        Self::Csv(
            Binary(Body::from_bytes_stream(pieces)),
            format!("attachment; filename=\"{name}\""),
        )
    }
}

/// Asks again and again, and gives each answer that differs from the one before, up to the last. An
/// answer is what to show and whether more will come; failing ends the stream.
pub(crate) fn progress<T, F, E>(
    ask: impl Fn() -> F + Send + 'static,
) -> impl Stream<Item = T> + Send + 'static
where
    T: Send + 'static,
    F: Future<Output = Result<(T, bool), E>> + Send + 'static,
    E: Send + 'static,
{
    stream::unfold((ask, true, true), |(ask, first, more)| async move {
        if !more {
            return None;
        }
        if !first {
            tokio::time::sleep(LOOK).await;
        }
        let (answer, more) = ask().await.ok()?;
        Some((answer, (ask, false, more)))
    })
}
