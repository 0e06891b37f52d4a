//! Writes go to the origin first; when it has them, what is known and held of the object ends.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use larder_model::ObjectName;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, PutMode, PutMultipartOptions, PutOptions, UpdateVersion, WriteMultipart,
};
use thiserror::Error;

use crate::engine::Engine;
use crate::origin::{ObjectState, Origin, OriginError};
use crate::read::Tag;

/// Bodies up to this are written in one request, longer ones in parts of this length.
const PART_BYTES: usize = 8 << 20;
/// Parts of one body on their way to the origin at once.
const PARTS_IN_FLIGHT: usize = 4;
/// A body that is written on a condition must go in one request, so it is gathered in memory up to this.
pub(crate) const CONDITIONAL_BYTES_MAX: usize = 64 << 20;

/// What must hold at the origin for a write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PutCondition {
    None,
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match`.
    Is(Tag),
}

/// A write that did not happen. Nothing was changed at the origin.
#[derive(Debug, Error)]
pub(crate) enum WriteError {
    /// The client's body broke off or was not what it announced: its own fault, named by the S3 error code.
    #[error("{0}")]
    Body(s3s::S3Error),
    /// A condition on a body that is too long for one request.
    #[error("a conditional write is limited to {CONDITIONAL_BYTES_MAX} bytes")]
    TooLongForCondition,
    /// User metadata for an origin that cannot keep it.
    #[error("this bucket's origin keeps no user metadata")]
    NoMetadata,
    /// The origin refused or failed.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// A staged part could not be read back.
    #[error("a staged part could not be read")]
    Staging(#[from] std::io::Error),
}

impl From<object_store::Error> for WriteError {
    fn from(error: object_store::Error) -> Self {
        Self::Origin(error.into())
    }
}

impl Engine {
    /// Writes an object; returns its new ETag, without quotes, where the origin gives one.
    pub(crate) async fn put(
        &self,
        origin: &Arc<Origin>,
        key: &str,
        body: impl Stream<Item = Result<Bytes, WriteError>> + Send,
        attributes: Attributes,
        condition: PutCondition,
    ) -> Result<Option<String>, WriteError> {
        let path = origin.path(key)?;
        let attributes = keepable(origin, attributes)?;
        let condition = match condition {
            PutCondition::Is(tag) => Some(PutMode::Update(self.update_version(origin, key, &tag).await?)),
            PutCondition::Absent => {
                self.check_absent(origin, key).await?;
                Some(PutMode::Create)
            }
            PutCondition::None => None,
        };
        let written = write(origin, &path, body, attributes, condition).await;
        // Also after a failure: the origin may have taken the write and lost its answer.
        self.forget(origin, key).await;
        let etag = written?;
        Ok(etag.map(|etag| etag.trim_matches('"').to_owned()))
    }

    /// Refuses what the origin would refuse. It may do so before it has read the body, and close the connection: then the
    /// body cannot be sent, and why is never heard.
    async fn check_absent(&self, origin: &Origin, key: &str) -> Result<(), WriteError> {
        match origin.head(key).await {
            Ok(_) => Err(OriginError::AlreadyExists.into()),
            Err(OriginError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn update_version(&self, origin: &Origin, key: &str, tag: &Tag) -> Result<UpdateVersion, WriteError> {
        let (state, _) = origin.head(key).await?;
        let matches = match tag {
            Tag::Any => true,
            Tag::Is(etag) => state.etag.as_deref() == Some(etag),
        };
        if !matches {
            let source = "the object has another ETag".into();
            return Err(OriginError::Precondition { source }.into());
        }
        Ok(UpdateVersion { e_tag: state.etag_verbatim, version: None })
    }

    /// Copies an object, with its attributes or with new ones; returns the copy's state.
    pub(crate) async fn copy(
        &self,
        (from, from_key): (&Arc<Origin>, &str),
        (to, to_key): (&Arc<Origin>, &str),
        attributes: Option<Attributes>,
    ) -> Result<ObjectState, WriteError> {
        let (from_path, to_path) = (from.path(from_key)?, to.path(to_key)?);
        if attributes.is_none() && from.name() == to.name() {
            to.store().copy_opts(&from_path, &to_path, CopyOptions::default()).await?;
        } else {
            let source = from.get(from_key, GetOptions::default()).await?;
            let attributes = keepable(to, attributes.unwrap_or_else(|| source.attributes.clone()))?;
            let body = source.into_stream().map(|chunk| chunk.map_err(WriteError::from));
            write(to, &to_path, body, attributes, None).await?;
        }
        self.forget(to, to_key).await;
        Ok(to.head(to_key).await?.0)
    }

    /// Deletes an object; one that is not there is deleted already.
    pub(crate) async fn delete(&self, origin: &Arc<Origin>, key: &str) -> Result<(), OriginError> {
        let deleted = origin.delete(key).await;
        self.forget(origin, key).await;
        deleted
    }

    /// Ends what is known of an object after a write. Its blocks need no removal: their keys name the old version.
    async fn forget(&self, origin: &Origin, key: &str) {
        self.metadata.forget(&ObjectName { bucket: origin.name().to_owned(), key: key.to_owned() }).await;
        self.listings.forget(origin.name());
        self.residency.forget(origin.name(), key);
    }
}

/// What of these attributes the origin keeps. Content types and their like are dropped silently where there is no place
/// for them, as local file systems do; user metadata is data, and refused.
fn keepable(origin: &Origin, attributes: Attributes) -> Result<Attributes, WriteError> {
    if origin.keeps_attributes() {
        return Ok(attributes);
    }
    if attributes.iter().any(|(name, _)| matches!(name, object_store::Attribute::Metadata(_))) {
        return Err(WriteError::NoMetadata);
    }
    Ok(Attributes::default())
}

async fn write(
    origin: &Origin,
    path: &Path,
    body: impl Stream<Item = Result<Bytes, WriteError>> + Send,
    attributes: Attributes,
    condition: Option<PutMode>,
) -> Result<Option<String>, WriteError> {
    let mut body = std::pin::pin!(body);
    let limit = if condition.is_some() { CONDITIONAL_BYTES_MAX } else { PART_BYTES };
    let mut gathered = BytesMut::new();
    while let Some(chunk) = body.next().await.transpose()? {
        gathered.extend_from_slice(&chunk);
        if gathered.len() <= limit {
            continue;
        }
        if condition.is_some() {
            return Err(WriteError::TooLongForCondition);
        }
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let upload = origin.store().put_multipart_opts(path, options).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        upload.put(gathered.freeze());
        return match feed(&mut upload, body).await {
            Ok(()) => Ok(upload.finish().await?.e_tag),
            Err(error) => {
                if let Err(left) = upload.abort().await {
                    tracing::warn!(error = %left, %path, "an upload that broke off could not be aborted at the origin");
                }
                Err(error)
            }
        };
    }
    let options = PutOptions { mode: condition.unwrap_or_default(), attributes, ..PutOptions::default() };
    Ok(origin.store().put_opts(path, gathered.freeze().into(), options).await?.e_tag)
}

async fn feed(
    upload: &mut WriteMultipart,
    mut body: impl Stream<Item = Result<Bytes, WriteError>> + Send + Unpin,
) -> Result<(), WriteError> {
    while let Some(chunk) = body.next().await.transpose()? {
        upload.wait_for_capacity(PARTS_IN_FLIGHT).await?;
        upload.put(chunk);
    }
    Ok(())
}
