//! The SSD tier's files: segments that are written once, from front to back, and freed by holes.
//!
//! What a hole has freed is never written again, so a reader that comes too late finds zeros, never another block.

use std::collections::HashMap;
use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::RwLock;
use rustix::fs::{FallocateFlags, OFlags, fallocate};

use super::pages::{PAGE, Pages};
use super::ring::Ring;
use crate::settings::SsdIo;

/// Files by number. All calls but reads block. This is where tests put a disk that fails.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Fills whole pages from an offset that is one of a page. A read whose caller goes away goes on to its end.
    fn read(&self, segment: u32, at: u64, pages: Pages) -> BoxFuture<'_, io::Result<Pages>>;
    /// Writes whole pages at an offset that is one of a page.
    fn write(&self, segment: u32, at: u64, pages: &Pages) -> io::Result<()>;
    /// Gives a stretch of whole pages back to the file system; it reads as zeros from then on.
    fn free(&self, segment: u32, at: u64, len: u64) -> io::Result<()>;
    /// Gives a whole segment back.
    fn remove(&self, segment: u32) -> io::Result<()>;
    /// Each segment's number, its length, and the bytes it takes on the disk.
    fn segments(&self) -> io::Result<Vec<Segment>>;
    /// Bytes that the file system has left.
    fn available(&self) -> io::Result<u64>;
    /// Fails while the disk cannot write, read back and free.
    fn probe(&self) -> io::Result<()>;
}

/// One data file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) len: u64,
    pub(crate) allocated: u64,
}

/// A folder of files, read and written past the page cache where the file system allows it.
#[derive(Debug)]
pub(crate) struct Files {
    folder: Arc<Folder>,
    ring: Option<Ring>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    direct: bool,
    open: RwLock<HashMap<u32, Arc<File>>>,
}

const PREFIX: &str = "data-";
/// Segments kept open, far below what a process may have.
const OPEN_MAX: usize = 256;

impl Files {
    /// Uses a folder that exists. Fails where parts of files cannot be freed.
    pub(crate) fn open(folder: &Path, io: SsdIo) -> io::Result<Self> {
        let path = folder.join("probe");
        let direct = match options(true).open(&path) {
            Ok(_) => true,
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {
                tracing::info!(folder = %folder.display(), "no direct io here: ssd reads go through the page cache");
                false
            }
            Err(error) => return Err(error),
        };
        let ring = match io {
            SsdIo::Threads => None,
            SsdIo::Uring => Ring::open()
                .inspect_err(|error| tracing::info!(%error, "no io_uring here: threads read from the ssd"))
                .ok(),
        };
        let folder = Arc::new(Folder { path: folder.to_owned(), direct, open: RwLock::default() });
        let files = Self { folder, ring };
        files.probe()?;
        Ok(files)
    }
}

impl Folder {
    fn segment(&self, segment: u32) -> PathBuf {
        self.path.join(format!("{PREFIX}{segment:010}"))
    }

    /// The segment's file if it is open.
    fn opened(&self, segment: u32) -> Option<Arc<File>> {
        self.open.read().get(&segment).map(Arc::clone)
    }

    /// The segment's file. Only who writes it may make it: one that is read may have been removed just now.
    fn file(&self, segment: u32, create: bool) -> io::Result<Arc<File>> {
        if let Some(file) = self.opened(segment) {
            return Ok(file);
        }
        let mut open = self.open.write();
        if let Some(file) = open.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(options(self.direct).create(create).open(self.segment(segment))?);
        if open.len() >= OPEN_MAX {
            open.clear();
        }
        open.insert(segment, Arc::clone(&file));
        Ok(file)
    }
}

fn options(direct: bool) -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    if direct {
        options.custom_flags(OFlags::DIRECT.bits().cast_signed());
    }
    options
}

fn free(file: &File, at: u64, len: u64) -> io::Result<()> {
    Ok(fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, at, len)?)
}

impl Disk for Files {
    fn read(&self, segment: u32, at: u64, mut pages: Pages) -> BoxFuture<'_, io::Result<Pages>> {
        // Opening a file may wait for the disk: that is for a thread. So are reads beyond what the ring takes.
        if let Some(ring) = &self.ring
            && let Some(file) = self.folder.opened(segment)
        {
            match ring.read(file, at, pages) {
                Ok(read) => return Box::pin(read),
                Err(back) => pages = back,
            }
        }
        let folder = Arc::clone(&self.folder);
        let read = tokio::task::spawn_blocking(move || {
            folder.file(segment, false)?.read_exact_at(&mut pages, at)?;
            Ok(pages)
        });
        Box::pin(async { read.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) })
    }

    fn write(&self, segment: u32, at: u64, pages: &Pages) -> io::Result<()> {
        self.folder.file(segment, true)?.write_all_at(pages, at)
    }

    fn free(&self, segment: u32, at: u64, len: u64) -> io::Result<()> {
        free(&*self.folder.file(segment, false)?, at, len)
    }

    fn remove(&self, segment: u32) -> io::Result<()> {
        self.folder.open.write().remove(&segment);
        std::fs::remove_file(self.folder.segment(segment))
    }

    fn segments(&self) -> io::Result<Vec<Segment>> {
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(&self.folder.path)? {
            let entry = entry?;
            let number = entry.file_name().to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
            if let Some(number) = number {
                let metadata = entry.metadata()?;
                segments.push(Segment { number, len: metadata.len(), allocated: metadata.blocks() * 512 });
            }
        }
        Ok(segments)
    }

    fn available(&self) -> io::Result<u64> {
        fs4::available_space(&self.folder.path)
    }

    fn probe(&self) -> io::Result<()> {
        let path = self.folder.path.join("probe");
        let file = options(self.folder.direct).open(&path)?;
        let mut pages = Pages::zeros(PAGE);
        pages.fill(0xa5);
        file.write_all_at(&pages, 0)?;
        let mut back = Pages::zeros(PAGE);
        file.read_exact_at(&mut back, 0)?;
        if *back != *pages {
            return Err(io::Error::other("it reads back other bytes than were written"));
        }
        free(&file, 0, PAGE)?;
        std::fs::remove_file(&path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_freed_reads_as_zeros_and_takes_no_room() {
        for io in [SsdIo::Uring, SsdIo::Threads] {
            let folder = tempfile::tempdir().expect("a folder");
            let files = Files::open(folder.path(), io).expect("the disk is usable");
            assert_eq!(files.ring.is_some(), io == SsdIo::Uring && Ring::open().is_ok());
            let mut pages = Pages::zeros(3 * PAGE);
            pages.fill(7);
            files.write(5, PAGE, &pages).expect("a write");
            files.free(5, 2 * PAGE, PAGE).expect("a hole");
            let back = files.read(5, PAGE, Pages::zeros(3 * PAGE)).await.expect("a read");
            assert!(back.iter().enumerate().all(|(i, byte)| *byte == if i / PAGE as usize == 1 { 0 } else { 7 }));
            let end = files.read(5, 3 * PAGE, Pages::zeros(3 * PAGE)).await.expect_err("it ends before");
            assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
            let segments = files.segments().expect("a listing");
            assert_eq!(
                segments.iter().map(|s| (s.number, s.len, s.allocated)).collect::<Vec<_>>(),
                [(5, 4 * PAGE, 2 * PAGE)]
            );
            files.remove(5).expect("a removal");
            assert!(files.segments().expect("a listing").is_empty());
            assert!(files.read(5, 0, Pages::zeros(PAGE)).await.is_err(), "reading does not make it again");
            assert!(files.segments().expect("a listing").is_empty());
        }
    }
}
