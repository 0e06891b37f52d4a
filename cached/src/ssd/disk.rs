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

use parking_lot::RwLock;
use rustix::fs::{FallocateFlags, OFlags, fallocate};

use super::pages::{PAGE, Pages};

/// Files by number. All calls block. This is where tests put a disk that fails.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Reads whole pages from an offset that is one of a page.
    fn read(&self, segment: u32, at: u64, pages: &mut Pages) -> io::Result<()>;
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
    folder: PathBuf,
    direct: bool,
    open: RwLock<HashMap<u32, Arc<File>>>,
}

const PREFIX: &str = "data-";
/// Segments kept open, far below what a process may have.
const OPEN_MAX: usize = 256;

impl Files {
    /// Uses a folder that exists. Fails where parts of files cannot be freed.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("probe");
        let direct = match options(true).open(&path) {
            Ok(_) => true,
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {
                tracing::info!(folder = %folder.display(), "no direct io here: ssd reads go through the page cache");
                false
            }
            Err(error) => return Err(error),
        };
        let files = Self { folder: folder.to_owned(), direct, open: RwLock::default() };
        files.probe()?;
        Ok(files)
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.folder.join(format!("{PREFIX}{segment:010}"))
    }

    /// The segment's file. Only who writes it may make it: one that is read may have been removed just now.
    fn file(&self, segment: u32, create: bool) -> io::Result<Arc<File>> {
        if let Some(file) = self.open.read().get(&segment) {
            return Ok(Arc::clone(file));
        }
        let mut open = self.open.write();
        if let Some(file) = open.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(options(self.direct).create(create).open(self.path(segment))?);
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
    fn read(&self, segment: u32, at: u64, pages: &mut Pages) -> io::Result<()> {
        self.file(segment, false)?.read_exact_at(pages, at)
    }

    fn write(&self, segment: u32, at: u64, pages: &Pages) -> io::Result<()> {
        self.file(segment, true)?.write_all_at(pages, at)
    }

    fn free(&self, segment: u32, at: u64, len: u64) -> io::Result<()> {
        free(&*self.file(segment, false)?, at, len)
    }

    fn remove(&self, segment: u32) -> io::Result<()> {
        self.open.write().remove(&segment);
        std::fs::remove_file(self.path(segment))
    }

    fn segments(&self) -> io::Result<Vec<Segment>> {
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
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
        fs4::available_space(&self.folder)
    }

    fn probe(&self) -> io::Result<()> {
        let path = self.folder.join("probe");
        let file = options(self.direct).open(&path)?;
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

    #[test]
    fn what_is_freed_reads_as_zeros_and_takes_no_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::open(folder.path()).expect("the disk is usable");
        let mut pages = Pages::zeros(3 * PAGE);
        pages.fill(7);
        files.write(5, PAGE, &pages).expect("a write");
        files.free(5, 2 * PAGE, PAGE).expect("a hole");
        let mut back = Pages::zeros(3 * PAGE);
        files.read(5, PAGE, &mut back).expect("a read");
        assert!(back.iter().enumerate().all(|(i, byte)| *byte == if i / PAGE as usize == 1 { 0 } else { 7 }));
        let segments = files.segments().expect("a listing");
        assert_eq!(
            segments.iter().map(|s| (s.number, s.len, s.allocated)).collect::<Vec<_>>(),
            [(5, 4 * PAGE, 2 * PAGE)]
        );
        files.remove(5).expect("a removal");
        assert!(files.segments().expect("a listing").is_empty());
        assert!(files.read(5, 0, &mut Pages::zeros(PAGE)).is_err(), "reading does not make it again");
        assert!(files.segments().expect("a listing").is_empty());
    }
}
