//! Multipart uploads, staged on this worker's disk until they are complete.
//!
//! Parts come in any order, in parallel and again, with numbers of the client's choice; storages want them otherwise.
//! So each part becomes a file, and completing an upload streams the files to the origin as one object: until then the
//! origin has nothing, afterwards all of it. What is staged is bounded by [`STAGED_BYTES_MAX`] and gone after a restart,
//! when clients get `NoSuchUpload` and begin again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::Attributes;
use parking_lot::Mutex;
use s3s::crypto::{Checksum as _, Md5};
use s3s::{S3Error, s3_error};
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use crate::write::WriteError;

/// Bytes of all parts staged at once; further ones are answered 503 SlowDown.
const STAGED_BYTES_MAX: u64 = 10 << 30;
/// Uploads that are open at once.
const UPLOADS_MAX: usize = 10_000;
/// Parts but the last must be this long, as on S3.
const PART_BYTES_MIN: u64 = 5 << 20;
/// Completed uploads that are remembered.
const COMPLETED_MAX: usize = 1_000;
/// Part numbers go from 1 to this.
const PARTS_MAX: i32 = 10_000;

/// All open uploads.
#[derive(Debug)]
pub(crate) struct Uploads {
    folder: PathBuf,
    open: Mutex<HashMap<String, Arc<Upload>>>,
    /// The uploads that were completed last, the oldest first.
    completed: Mutex<VecDeque<Completed>>,
    staged_bytes: Arc<AtomicU64>,
}

/// What is left of an upload that was completed: a client that did not get the answer asks again.
#[derive(Debug)]
struct Completed {
    id: String,
    bucket: String,
    key: String,
    etag: Option<String>,
}

/// One open upload.
#[derive(Debug)]
pub(crate) struct Upload {
    id: String,
    bucket: String,
    key: String,
    opened: DateTime<Utc>,
    attributes: Attributes,
    folder: PathBuf,
    parts: Mutex<BTreeMap<i32, Part>>,
    staged_bytes: Arc<AtomicU64>,
}

/// A part that is staged.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The MD5 of its bytes in hexadecimal, as on S3.
    pub(crate) etag: String,
    pub(crate) size: u64,
    pub(crate) modified: DateTime<Utc>,
    file: PathBuf,
}

impl Uploads {
    /// Takes the folder and empties it: uploads do not outlive the process.
    pub(crate) fn open(folder: PathBuf) -> std::io::Result<Self> {
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::create_dir_all(&folder)?,
        }
        Ok(Self { folder, open: Mutex::default(), completed: Mutex::default(), staged_bytes: Arc::default() })
    }

    /// Opens an upload and returns its id.
    pub(crate) async fn create(
        &self,
        bucket: &str,
        key: &str,
        attributes: Attributes,
        now: DateTime<Utc>,
    ) -> Result<String, S3Error> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let folder = self.folder.join(&id);
        tokio::fs::create_dir(&folder).await.map_err(S3Error::internal_error)?;
        let upload = Upload {
            id: id.clone(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            opened: now,
            attributes,
            folder,
            parts: Mutex::default(),
            staged_bytes: Arc::clone(&self.staged_bytes),
        };
        let mut open = self.open.lock();
        if open.len() >= UPLOADS_MAX {
            return Err(s3_error!(SlowDown, "too many uploads are open"));
        }
        open.insert(id.clone(), Arc::new(upload));
        Ok(id)
    }

    /// An open upload of this object.
    pub(crate) fn get(&self, id: &str, bucket: &str, key: &str) -> Result<Arc<Upload>, S3Error> {
        let upload = self.open.lock().get(id).cloned();
        upload.filter(|upload| upload.bucket == bucket && upload.key == key).ok_or_else(|| s3_error!(NoSuchUpload))
    }

    /// The open uploads of the objects in a bucket whose keys begin so, in the order of their keys, the oldest first.
    pub(crate) fn list(&self, bucket: &str, prefix: &str) -> Vec<Arc<Upload>> {
        let open = self.open.lock();
        let mut found: Vec<_> =
            open.values().filter(|upload| upload.bucket == bucket && upload.key.starts_with(prefix)).cloned().collect();
        drop(open);
        found.sort_by(|a, b| (&a.key, a.opened, &a.id).cmp(&(&b.key, b.opened, &b.id)));
        found
    }

    /// Ends an upload whose object was written, and remembers the object's ETag for a while.
    pub(crate) fn complete(&self, upload: &Upload, etag: Option<&str>) {
        self.close(&upload.id);
        let (id, bucket, key) = (upload.id.clone(), upload.bucket.clone(), upload.key.clone());
        let mut completed = self.completed.lock();
        if completed.len() == COMPLETED_MAX {
            completed.pop_front();
        }
        completed.push_back(Completed { id, bucket, key, etag: etag.map(str::to_owned) });
    }

    /// The ETag of the object that a completed upload became, as far as that is remembered.
    pub(crate) fn completed(&self, id: &str, bucket: &str, key: &str) -> Option<Option<String>> {
        let completed = self.completed.lock();
        let found = completed.iter().find(|done| done.id == id && done.bucket == bucket && done.key == key)?;
        Some(found.etag.clone())
    }

    /// Ends an upload; its parts go when the last user of it is done.
    pub(crate) fn close(&self, id: &str) {
        self.open.lock().remove(id);
    }
}

impl Upload {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn opened(&self) -> DateTime<Utc> {
        self.opened
    }

    pub(crate) fn attributes(&self) -> Attributes {
        self.attributes.clone()
    }

    pub(crate) fn parts(&self) -> BTreeMap<i32, Part> {
        self.parts.lock().clone()
    }

    /// Stages a part; one of the same number is replaced.
    pub(crate) async fn put_part(
        &self,
        number: i32,
        body: impl Stream<Item = Result<Bytes, WriteError>> + Send,
        now: DateTime<Utc>,
    ) -> Result<Part, WriteError> {
        check_part_number(number).map_err(WriteError::Body)?;
        let path = self.folder.join(uuid::Uuid::new_v4().simple().to_string());
        match self.stage(&path, body).await {
            Ok((etag, size)) => {
                let part = Part { etag, size, modified: now, file: path };
                if let Some(replaced) = self.parts.lock().insert(number, part.clone()) {
                    self.unstage(&replaced.file, replaced.size);
                }
                Ok(part)
            }
            Err((error, size)) => {
                self.unstage(&path, size);
                Err(error)
            }
        }
    }

    /// Writes a part's file; a failure tells how many bytes were counted for it.
    async fn stage(
        &self,
        path: &std::path::Path,
        body: impl Stream<Item = Result<Bytes, WriteError>> + Send,
    ) -> Result<(String, u64), (WriteError, u64)> {
        let mut body = std::pin::pin!(body);
        let mut file = tokio::fs::File::create(path).await.map_err(|error| (error.into(), 0))?;
        let (mut md5, mut size) = (Md5::new(), 0);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| (error, size))?;
            size += chunk.len() as u64;
            let staged = self.staged_bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
            if staged > STAGED_BYTES_MAX {
                let full = s3_error!(SlowDown, "too many bytes of unfinished uploads");
                return Err((WriteError::Body(full), size));
            }
            md5.update(&chunk);
            file.write_all(&chunk).await.map_err(|error| (error.into(), size))?;
        }
        file.flush().await.map_err(|error| (error.into(), size))?;
        Ok((md5.finalize().as_ref().iter().map(|byte| format!("{byte:02x}")).collect(), size))
    }

    fn unstage(&self, file: &std::path::Path, size: u64) {
        self.staged_bytes.fetch_sub(size, Ordering::Relaxed);
        if let Err(error) = std::fs::remove_file(file) {
            tracing::warn!(%error, file = %file.display(), "a staged part could not be removed");
        }
    }

    /// The object's length and bytes: the parts that the client names, in its order, which must ascend.
    pub(crate) fn assemble(
        self: &Arc<Self>,
        named: &[(i32, String)],
    ) -> Result<(u64, impl Stream<Item = Result<Bytes, WriteError>> + Send + use<>), S3Error> {
        if named.is_empty() {
            return Err(s3_error!(MalformedXML));
        }
        if named.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(s3_error!(InvalidPartOrder));
        }
        let staged = self.parts.lock();
        let (mut files, mut size) = (Vec::with_capacity(named.len()), 0);
        for (i, (number, etag)) in named.iter().enumerate() {
            let part = staged.get(number).filter(|part| *etag == part.etag).ok_or_else(|| s3_error!(InvalidPart))?;
            if part.size < PART_BYTES_MIN && i + 1 < named.len() {
                return Err(s3_error!(EntityTooSmall));
            }
            size += part.size;
            files.push(part.file.clone());
        }
        drop(staged);
        // The upload lives as long as its bytes are read.
        let upload = Arc::clone(self);
        let opened = futures::stream::iter(files).then(move |file| {
            let upload = Arc::clone(&upload);
            async move {
                let file = tokio::fs::File::open(file).await?;
                Ok::<_, WriteError>(ReaderStream::with_capacity(file, 1 << 20).map_err(WriteError::from).inspect(
                    move |_| {
                        let _ = &upload;
                    },
                ))
            }
        });
        Ok((size, opened.try_flatten()))
    }
}

/// Whether a part can have this number.
pub(crate) fn check_part_number(number: i32) -> Result<(), S3Error> {
    if (1..=PARTS_MAX).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive."))
}

impl Drop for Upload {
    fn drop(&mut self) {
        let staged: u64 = self.parts.lock().values().map(|part| part.size).sum();
        self.staged_bytes.fetch_sub(staged, Ordering::Relaxed);
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "staged parts could not be removed");
        }
    }
}
