//! Reads through io_uring, where the kernel has it: submitted by the thread that wants the
//! bytes, without waiting, and completed in the runtime's own event loop. No thread is woken to wait for the disk.
//!
//! The ring's file descriptor becomes readable when something is complete, so it sits in the runtime like a socket, and
//! one task hands out what comes.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use io_uring::{IoUring, Probe, opcode, types};
use parking_lot::Mutex;
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use super::pages::Pages;

/// Entries that may be under way at once.
const ENTRIES_MAX: u32 = 1024;
/// The most that one entry reads. What the device takes in several requests would not be submitted at once, but by a
/// thread of the kernel's, because the kernel does not know whether the first of them leaves room for the others.
const ENTRY_BYTES_MAX: usize = 256 << 10;
/// When the kernel takes no submission for want of something, it is asked again after this.
const AGAIN_AFTER: Duration = Duration::from_millis(1);

/// Takes reads. Once it is dropped, none is under way.
#[derive(Debug)]
pub(super) struct Ring {
    shared: Arc<AsyncFd<Shared>>,
    reaper: AbortHandle,
}

struct Shared {
    fd: RawFd,
    reads: Mutex<Reads>,
    /// The kernel refused a submission: ask it again.
    refused: Notify,
}

/// The ring, and the reads that it knows by their numbers.
struct Reads {
    ring: IoUring,
    under_way: HashMap<u32, Read>,
    next: u32,
    entries: u32,
}

/// One read. It owns all that the kernel uses until the kernel says that it is done with it.
struct Read {
    file: Arc<File>,
    at: u64,
    pages: Pages,
    /// Entries that the kernel is not done with.
    entries: u32,
    failed: Option<io::Error>,
    wanted_by: oneshot::Sender<io::Result<Pages>>,
}

/// A read that has ended, and who wants to know.
type Ended = (oneshot::Sender<io::Result<Pages>>, io::Result<Pages>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("fd", &self.fd).finish_non_exhaustive()
    }
}

impl Ring {
    /// Sets a ring up in the runtime that this is called in. Fails where there is none, where the kernel has no io_uring,
    /// or where it may not be used, as in many containers.
    pub(super) fn open() -> io::Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let ring = IoUring::new(ENTRIES_MAX)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        if !probe.is_supported(opcode::Read::CODE) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // Setting a ring up and using it are two permissions.
        ring.submit()?;
        let fd = ring.as_raw_fd();
        let reads = Mutex::new(Reads { ring, under_way: HashMap::new(), next: 0, entries: 0 });
        let shared = Shared { fd, reads, refused: Notify::new() };
        let shared = Arc::new(Self::registered(shared)?);
        let reaper = runtime.spawn(reap(Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, reaper })
    }

    #[expect(unsafe_code, reason = "the ring gives its descriptor as a number only")]
    fn registered(shared: Shared) -> io::Result<AsyncFd<Shared>> {
        // SAFETY: the descriptor is that of the ring in `shared`, which closes it when it is dropped and no earlier; the
        // `AsyncFd` owns `shared` and hands out references only, and `fd` is never written to.
        Ok(unsafe { AsyncFd::register_with_interest(shared, Interest::READABLE) }?)
    }

    /// Fills all the pages from this offset of a file. Who drops what this returns does not want them any more; the read
    /// goes on to its end. Gives the pages back when too many reads are under way.
    pub(super) fn read(
        &self,
        file: Arc<File>,
        at: u64,
        pages: Pages,
    ) -> Result<impl Future<Output = io::Result<Pages>> + use<>, Pages> {
        let (wanted_by, ended) = oneshot::channel();
        let shared = self.shared.get_ref();
        let mut reads = shared.reads.lock();
        let entries = pages.len().div_ceil(ENTRY_BYTES_MAX);
        if reads.entries as usize + entries > ENTRIES_MAX as usize {
            return Err(pages);
        }
        let number = reads.next;
        reads.next = number.wrapping_add(1);
        let len = pages.len();
        reads.under_way.insert(number, Read { file, at, pages, entries: 0, failed: None, wanted_by });
        (0..len).step_by(ENTRY_BYTES_MAX).for_each(|from| reads.push(number, from));
        if !reads.submit() {
            shared.refused.notify_one();
        }
        drop(reads);
        Ok(async { ended.await.unwrap_or_else(|_| Err(io::Error::other("the ring is gone"))) })
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.reaper.abort();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.reads.get_mut().drain();
    }
}

impl AsRawFd for Shared {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}

/// Hands out what is complete, until it is aborted.
async fn reap(shared: Arc<AsyncFd<Shared>>) {
    let inner = shared.get_ref();
    loop {
        tokio::select! {
            ready = shared.readable() => match ready {
                // What becomes complete from here on is told anew.
                Ok(mut ready) => ready.clear_ready(),
                // The runtime ends.
                Err(_) => return,
            },
            () = inner.refused.notified() => tokio::time::sleep(AGAIN_AFTER).await,
        }
        let mut reads = inner.reads.lock();
        let ended = reads.complete();
        if !reads.submit() {
            inner.refused.notify_one();
        }
        drop(reads);
        for (wanted_by, result) in ended {
            // Whoever wanted it may have gone.
            wanted_by.send(result).ok();
        }
    }
}

impl Reads {
    /// Queues an entry: from this byte of a read on, up to where the next entry begins.
    #[expect(unsafe_code, reason = "the kernel writes to memory that the compiler does not see it write to")]
    fn push(&mut self, number: u32, from: usize) {
        let read = self.under_way.get_mut(&number).expect("it is under way");
        read.entries += 1;
        self.entries += 1;
        let part = from..entry_end(from, read.pages.len());
        let len = u32::try_from(part.len()).expect("an entry is far below 4 GiB");
        let offset = u32::try_from(from).expect("a block is far below 4 GiB");
        let entry = opcode::Read::new(types::Fd(read.file.as_raw_fd()), read.pages[part].as_mut_ptr(), len)
            .offset(read.at + from as u64)
            .build()
            .user_data(u64::from(number) << 32 | u64::from(offset));
        // SAFETY: the descriptor stays open and the memory stays where it is, allocated and untouched by anybody else, until
        // the kernel is done with the entry: both belong to the `Read`. It stays in `under_way`, where nobody looks at what
        // is in its pages, and leaves it in `complete` alone, when the completions of all its entries have come, of which
        // each has exactly one. The entries of a read are for parts that do not overlap. Moving the `Read` within the map
        // does not move its pages, which are on the heap. Nobody else can drop it: a caller holds only the receiving end
        // of a channel, and who drops the ring waits in `drain` for every completion, or else leaks the map.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        pushed.expect("no more entries are under way than the ring has");
    }

    /// Tells the kernel what is queued. When it takes none of it now, which is `false`, it stays queued.
    fn submit(&mut self) -> bool {
        while !self.ring.submission().is_empty() {
            match self.ring.submit() {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::debug!(%error, "the kernel takes no reads now");
                    return false;
                }
            }
        }
        true
    }

    /// Takes the reads out that have ended, and queues those again that came short.
    fn complete(&mut self) -> Vec<Ended> {
        let complete: Vec<(u64, i32)> =
            self.ring.completion().map(|entry| (entry.user_data(), entry.result())).collect();
        let mut ended = Vec::with_capacity(complete.len());
        for (entry, result) in complete {
            let (number, from) = ((entry >> 32) as u32, entry as u32 as usize);
            let read = self.under_way.get_mut(&number).expect("what completes is under way");
            read.entries -= 1;
            self.entries -= 1;
            let bytes = match usize::try_from(result) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => Ok(bytes),
                Err(_) => match Errno::from_raw_os_error(-result) {
                    // The kernel ends what it did not begin yet when the thread that submitted it ends.
                    Errno::INTR | Errno::CANCELED => Ok(0),
                    error => Err(error.into()),
                },
            };
            match bytes {
                Ok(bytes) if from + bytes < entry_end(from, read.pages.len()) => {
                    self.push(number, from + bytes);
                    continue;
                }
                Ok(_) => {}
                Err(error) => read.failed = Some(error),
            }
            if read.entries == 0 {
                let read = self.under_way.remove(&number).expect("it was there");
                ended.push((read.wanted_by, read.failed.map_or(Ok(read.pages), Err)));
            }
        }
        ended
    }

    /// Waits for all that is under way. Nobody wants it any more.
    fn drain(&mut self) {
        while !self.under_way.is_empty() {
            match self.ring.submit_and_wait(1) {
                Ok(_) => drop(self.complete()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "reads of the ssd cannot be waited for: their memory is not used again");
                    std::mem::forget(std::mem::take(&mut self.under_way));
                }
            }
        }
    }
}

/// Where the entry ends that begins at, or goes on from, this byte of a read of `len` bytes.
fn entry_end(from: usize, len: usize) -> usize {
    ((from / ENTRY_BYTES_MAX + 1) * ENTRY_BYTES_MAX).min(len)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use futures::future::join_all;

    use super::*;
    use crate::ssd::pages::PAGE;

    /// A file whose pages begin with their numbers.
    fn numbered(pages: u64) -> Arc<File> {
        let file = tempfile::tempfile().expect("a file");
        for n in 0..pages {
            file.write_all_at(&[&n.to_le_bytes()[..], &[7; PAGE as usize - 8]].concat(), n * PAGE).expect("a write");
        }
        Arc::new(file)
    }

    fn number(pages: &Pages, page: usize) -> u64 {
        let at = page * PAGE as usize;
        u64::from_le_bytes(pages[at..at + 8].try_into().expect("eight bytes"))
    }

    /// `None` where the kernel has no io_uring or forbids it: then there is nothing to test, which is said.
    fn ring() -> Option<Ring> {
        match Ring::open() {
            Ok(ring) => Some(ring),
            Err(error) => {
                let why = error.raw_os_error().map(Errno::from_raw_os_error);
                assert!(matches!(why, Some(Errno::NOSYS | Errno::PERM | Errno::NOMEM)), "{error}");
                // Past what captures a test's output: nobody shall take it for tested.
                writeln!(io::stderr(), "not tested, because this kernel has no io_uring: {error}").expect("a terminal");
                None
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn more_reads_than_the_ring_takes_all_end_with_their_own_bytes() {
        let Some(ring) = ring() else { return };
        let file = numbered(2000);
        let mut refused = 0;
        let mut reads = Vec::new();
        for n in 0..1999 {
            match ring.read(Arc::clone(&file), n * PAGE, Pages::zeros(2 * PAGE)) {
                Ok(read) => reads.push(async move { (n, read.await) }),
                Err(pages) => {
                    assert_eq!(pages.len() as u64, 2 * PAGE, "the pages come back");
                    refused += 1;
                }
            }
        }
        let read = join_all(reads).await;
        assert_eq!(read.len() + refused, 1999);
        assert!(read.len() >= ENTRIES_MAX as usize);
        for (n, pages) in read {
            let pages = pages.expect("a read");
            assert_eq!((number(&pages, 0), number(&pages, 1)), (n, n + 1));
        }
    }

    #[tokio::test]
    async fn a_read_beyond_the_end_fails_as_read_exact_does() {
        let Some(ring) = ring() else { return };
        let file = numbered(3);
        for at in [2, 3, 100] {
            let read = ring.read(Arc::clone(&file), at * PAGE, Pages::zeros(2 * PAGE)).expect("room");
            assert_eq!(read.await.expect_err("an end").kind(), io::ErrorKind::UnexpectedEof, "at page {at}");
        }
        let read = ring.read(Arc::clone(&file), PAGE, Pages::zeros(2 * PAGE)).expect("room");
        assert_eq!(number(&read.await.expect("a read"), 1), 2);
    }

    #[tokio::test]
    async fn an_error_of_the_disk_is_the_reads_error() {
        let Some(ring) = ring() else { return };
        let folder = Arc::new(File::open("/").expect("a folder"));
        let read = ring.read(folder, 0, Pages::zeros(PAGE)).expect("room");
        assert_eq!(read.await.expect_err("no file").raw_os_error(), Some(Errno::ISDIR.raw_os_error()));
    }

    #[tokio::test]
    async fn who_leaves_and_who_ends_wait_for_the_disk_first() {
        let file = numbered(64);
        let watched = Arc::downgrade(&file);
        let Some(ring) = ring() else { return };
        for n in 0..64 {
            drop(ring.read(Arc::clone(&file), n * PAGE, Pages::zeros(PAGE)));
        }
        drop(file);
        let read = ring.read(numbered(1), 0, Pages::zeros(PAGE)).expect("room");
        assert_eq!(number(&read.await.expect("a read"), 0), 0);
        let shared = Arc::downgrade(&ring.shared);
        drop(ring);
        while shared.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
        assert!(watched.upgrade().is_none(), "nothing holds the file: all its reads have ended");
    }

    #[test]
    fn without_a_runtime_there_is_no_ring() {
        assert!(Ring::open().is_err());
    }
}
