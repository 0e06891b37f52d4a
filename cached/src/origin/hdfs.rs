//! HDFS as an origin, by `hdfs-native`: objects are files, prefixes are folders.
//!
//! A file's version is its size and the time of its last change, in milliseconds; there is no more that a NameNode tells of
//! it. They are its ETag too, so that conditions work as they do elsewhere. What is read is of one version, because an open
//! file keeps to the blocks that it had, and its state is looked at before and after it is opened. What is written is a file
//! of its own beside the object, until one rename makes it the object.
//!
//! `hdfs-native-object-store` is not used: it can mix two versions in one read, and empties a file that is copied onto
//! itself.

mod draft;
mod error;
mod listing;
mod name_node;
mod options;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use hdfs_native::client::FileStatus;
use object_store::path::Path;
use object_store::{
    Attributes, CopyMode, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use self::draft::Draft;
pub(super) use self::error::refusal;
use self::error::{STORE, unavailable};
use self::name_node::NameNode;
pub(super) use self::options::open;

/// A file that is replaced each time it is opened is given up after so many.
const OPENS_MAX: usize = 3;
/// Files that are deleted at once.
const DELETES_IN_FLIGHT: usize = 8;

/// The files of one name service.
#[derive(Debug, Clone)]
pub(super) struct Hdfs {
    name_node: Arc<NameNode>,
}

impl fmt::Display for Hdfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

/// Where an object is in HDFS, whose paths need no escapes.
fn absolute(location: &Path) -> String {
    format!("/{location}")
}

/// A file as an object. The location is the one it was asked by, or what a listing told.
fn described(location: Path, file: &FileStatus) -> ObjectMeta {
    let (size, modified_ms) = (file.length as u64, file.modification_time);
    ObjectMeta {
        location,
        last_modified: i64::try_from(modified_ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default(),
        size,
        e_tag: Some(format!("\"{modified_ms:x}-{size:x}\"")),
        version: None,
    }
}

impl Hdfs {
    /// The state of a file. A folder is no object.
    async fn state(&self, location: &Path) -> Result<ObjectMeta> {
        let path = absolute(location);
        let found = self.name_node.ask(&path, async |client| client.get_file_info(&path).await).await;
        match found.map_err(error::absent_below_a_file)? {
            file if file.isdir => Err(Error::NotFound { path, source: "it is a folder".into() }),
            file => Ok(described(location.clone(), &file)),
        }
    }

    /// Whether this folder is there, and may be listed. A listing in S3's form shows an absent one as empty.
    pub(super) async fn has_folder(&self, folder: &Path) -> Result<bool> {
        let path = absolute(folder);
        let first =
            self.name_node.ask(&path, async |client| client.list_status_iter(&path, false).next().await.transpose());
        match first.await {
            // A file lists as itself.
            Ok(first) => Ok(first.is_none_or(|entry| entry.isdir || entry.path != path)),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The bytes of a file, which is in the state that is told with them.
    async fn read(&self, location: &Path, options: &GetOptions) -> Result<GetResult> {
        let path = absolute(location);
        for _ in 0..OPENS_MAX {
            // A condition names the state that was there before; else it is looked for.
            let named = options.if_match.as_deref().is_some_and(|etag| etag != "*");
            let before = if named { None } else { Some(self.state(location).await?) };
            let file = self.name_node.ask(&path, async |client| client.read(&path).await).await?;
            let after = self.state(location).await?;
            options.check_preconditions(&after)?;
            // The length differs while the file is being written, when its last block is not to be read yet.
            if before.is_some_and(|before| before != after) || file.file_length() as u64 != after.size {
                continue;
            }
            let range = match &options.range {
                Some(range) => range.as_range(after.size).map_err(unavailable)?,
                None => 0..after.size,
            };
            // Outside of the file this would panic; `as_range` stays inside.
            let (start, length) = (range.start as usize, (range.end - range.start) as usize);
            let chunks = file.read_range_stream(start, length);
            let (files, opened) = (self.clone(), after.clone());
            let chunks = chunks.map_err(move |error| error::converted(error, &path)).or_else(move |error| {
                let (files, opened) = (files.clone(), opened.clone());
                async move { Err(files.moved_or(error, &opened).await) }
            });
            let mut chunks = chunks.boxed();
            // An answer begins when a DataNode's does, so that one without any DataNode is an error from the start.
            let first = chunks.try_next().await?;
            return Ok(answer(after, range, stream::iter(first.map(Ok)).chain(chunks).boxed()));
        }
        Err(unavailable(format!("{path} is being written, or is replaced each time it is opened")))
    }

    /// Blocks of a file that is no more there cannot be read: then it is no fault of the storage.
    async fn moved_or(&self, error: Error, opened: &ObjectMeta) -> Error {
        match self.state(&opened.location).await {
            Ok(now) if now == *opened => error,
            Ok(_) | Err(Error::NotFound { .. }) => {
                Error::Precondition { path: opened.location.to_string(), source: Box::new(error) }
            }
            Err(_) => error,
        }
    }

    async fn delete_file(&self, location: Path) -> Result<Path> {
        // The NameNode would take an empty folder for it as well.
        self.state(&location).await?;
        let path = absolute(&location);
        match self.name_node.ask(&path, async |client| client.delete(&path, false).await).await? {
            true => Ok(location),
            false => Err(Error::NotFound { path, source: "it was deleted meanwhile".into() }),
        }
    }
}

fn answer(meta: ObjectMeta, range: Range<u64>, chunks: BoxStream<'static, Result<Bytes>>) -> GetResult {
    GetResult { payload: GetResultPayload::Stream(chunks), meta, range, attributes: Attributes::default() }
}

#[async_trait]
impl ObjectStore for Hdfs {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let replaces = match options.mode {
            PutMode::Overwrite => true,
            PutMode::Create => false,
            // Between a look at the file and the rename it could become another one.
            PutMode::Update(_) => {
                let operation = "a write on the condition of an ETag".to_owned();
                return Err(Error::NotImplemented { operation, implementer: STORE.to_owned() });
            }
        };
        let mut draft = Draft::begin(Arc::clone(&self.name_node), location).await?;
        draft.write(payload).await?;
        draft.finish(replaces).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Draft::begin(Arc::clone(&self.name_node), location).await?))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if !options.head {
            return self.read(location, &options).await;
        }
        let meta = self.state(location).await?;
        options.check_preconditions(&meta)?;
        let range = 0..meta.size;
        Ok(answer(meta, range, stream::empty().boxed()))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let files = self.clone();
        let delete = move |location: Result<Path>| {
            let files = files.clone();
            async move { files.delete_file(location?).await }
        };
        locations.map(delete).buffered(DELETES_IN_FLIGHT).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files_below(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.one_folder(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let mut source = self.read(from, &GetOptions::default()).await?.into_stream();
        let mut draft = Draft::begin(Arc::clone(&self.name_node), to).await?;
        while let Some(chunk) = source.try_next().await? {
            draft.write(chunk.into()).await?;
        }
        draft.finish(matches!(options.mode, CopyMode::Overwrite)).await?;
        Ok(())
    }
}
