//! Writing: a file beside the object, which one rename makes the object.
//!
//! The file is in the object's folder and has a name that engines take for hidden, and that listings of Larder leave out. A
//! task of its own writes it, so that whoever goes away in the middle leaves nothing behind: without the last step the file
//! is removed. What a writer that was killed leaves is found by its name, see docs/hdfs.md.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use hdfs_native::WriteOptions;
use hdfs_native::file::FileWriter;
use object_store::path::Path;
use object_store::{Error, MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use tokio::sync::{mpsc, oneshot};

use super::error::{converted, unavailable};
use super::name_node::{NameNode, within};
use super::{absolute, described};

/// Names of drafts begin and end so, with 32 hexadecimal digits between.
const NAME_BEGIN: &str = ".larder-";
const NAME_END: &str = ".tmp";
/// DataNodes take at least so many bytes in the time that they may be silent.
const STEP_BYTES: usize = 1 << 20;
/// The last block is closed when enough DataNodes have told the NameNode of it, which takes some of their heartbeats.
const CLOSE_WAIT: Duration = Duration::from_secs(60);

/// Whether a file of this name is somebody's draft.
pub(super) fn is_draft(name: &str) -> bool {
    let id = name.strip_prefix(NAME_BEGIN).and_then(|rest| rest.strip_suffix(NAME_END));
    id.is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

type Answer<T> = oneshot::Sender<Result<T>>;

#[derive(Debug)]
enum Step {
    Write(PutPayload, Answer<()>),
    Finish { replaces: bool, answer: Answer<PutResult> },
}

/// An object that is being written. Dropping it gives it up.
#[derive(Debug)]
pub(super) struct Draft {
    /// Steps are taken in the order in which they are sent. How many wait is the writer's to bound: it knows which are done.
    steps: mpsc::UnboundedSender<Step>,
}

impl Draft {
    /// Makes the file, and the folders above it that are missing.
    pub(super) async fn begin(name_node: Arc<NameNode>, location: &Path) -> Result<Self> {
        let target = absolute(location);
        let (folder, _) = target.rsplit_once('/').unwrap_or_default();
        let path = format!("{folder}/{NAME_BEGIN}{}{NAME_END}", uuid::Uuid::new_v4().simple());
        let (steps, taken) = mpsc::unbounded_channel();
        let (answer, begun) = oneshot::channel();
        tokio::spawn(DraftFile { name_node, path, target, location: location.clone() }.run(taken, answer));
        answered(begun).await?;
        Ok(Self { steps })
    }

    /// Adds bytes behind those of earlier calls, whether or not these are done.
    pub(super) fn write(&mut self, payload: PutPayload) -> UploadPart {
        let (answer, done) = oneshot::channel();
        // If the task has ended, so has the answer's sender, and the wait fails.
        self.steps.send(Step::Write(payload, answer)).ok();
        answered(done).boxed()
    }

    /// Makes it the object: in the place of the one that is there if it `replaces`, else only where none is.
    pub(super) async fn finish(&mut self, replaces: bool) -> Result<PutResult> {
        let (answer, done) = oneshot::channel();
        self.steps.send(Step::Finish { replaces, answer }).ok();
        answered(done).await
    }
}

async fn answered<T>(answer: oneshot::Receiver<Result<T>>) -> Result<T> {
    answer.await.unwrap_or_else(|_| Err(unavailable("an earlier part of the file could not be written")))
}

#[async_trait]
impl MultipartUpload for Draft {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.write(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.finish(true).await
    }

    async fn abort(&mut self) -> Result<()> {
        // With the only sender gone, the task removes the file.
        self.steps = mpsc::unbounded_channel().0;
        Ok(())
    }
}

/// The task's side.
struct DraftFile {
    name_node: Arc<NameNode>,
    path: String,
    /// The object's path.
    target: String,
    location: Path,
}

impl DraftFile {
    async fn run(self, mut steps: mpsc::UnboundedReceiver<Step>, begun: Answer<()>) {
        let options = WriteOptions::default();
        let mut file = match self.ask(async |client| client.create(&self.path, &options).await).await {
            Ok(file) => file,
            Err(error) => {
                // Its answer may have been lost.
                self.remove().await;
                begun.send(Err(error)).ok();
                return;
            }
        };
        // Here and below: nobody need be waiting any more.
        begun.send(Ok(())).ok();
        while let Some(step) = steps.recv().await {
            match step {
                Step::Write(payload, answer) => {
                    let written = self.write(&mut file, payload).await;
                    let failed = written.is_err();
                    answer.send(written).ok();
                    if failed {
                        break;
                    }
                }
                Step::Finish { replaces, answer } => {
                    let finished = self.finish(&mut file, replaces).await;
                    if finished.is_err() {
                        self.remove().await;
                    }
                    answer.send(finished).ok();
                    return;
                }
            }
        }
        drop(file);
        self.remove().await;
    }

    async fn ask<T>(
        &self,
        call: impl AsyncFnOnce(hdfs_native::Client) -> Result<T, hdfs_native::HdfsError>,
    ) -> Result<T> {
        self.name_node.ask(&self.target, call).await
    }

    async fn write(&self, file: &mut FileWriter, payload: PutPayload) -> Result<()> {
        for mut bytes in payload {
            while !bytes.is_empty() {
                let step: Bytes = bytes.split_to(bytes.len().min(STEP_BYTES));
                let written = within(self.name_node.stall(), file.write_bytes(step)).await?;
                written.map_err(|error| converted(error, &self.target))?;
            }
        }
        Ok(())
    }

    async fn finish(&self, file: &mut FileWriter, replaces: bool) -> Result<PutResult> {
        within(CLOSE_WAIT, file.close()).await?.map_err(|error| converted(error, &self.target))?;
        // A rename changes neither size nor time.
        let written = self.ask(async |client| client.get_file_info(&self.path).await).await?;
        self.ask(async |client| client.rename(&self.path, &self.target, replaces).await).await?;
        Ok(PutResult { e_tag: described(self.location.clone(), &written).e_tag, version: None })
    }

    async fn remove(&self) {
        match self.ask(async |client| client.delete(&self.path, false).await).await {
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(%error, path = self.path, "a file that was given up could not be removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_are_known_by_their_names() {
        let id = uuid::Uuid::new_v4().simple().to_string();
        assert!(is_draft(&format!("{NAME_BEGIN}{id}{NAME_END}")));
        for name in [
            "x",
            ".larder-.tmp",
            &format!("{NAME_BEGIN}{id}"),
            &format!(".x-{id}.tmp"),
            &format!("a{NAME_BEGIN}{id}.tmp"),
        ] {
            assert!(!is_draft(name), "{name}");
        }
    }
}
