//! Bytes in whole pages, as direct IO wants them, and their reuse.
//!
//! Memory that comes from the system has to be zeroed before the disk fills it: a third of what a 1 MiB read costs. So
//! the buffers of blocks of full length, which are most, go round: a read takes one that an earlier block has left.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Direct IO wants addresses, lengths and offsets in multiples of this; so the files are laid out.
pub(crate) const PAGE: u64 = 4096;

/// Bytes of buffers that wait to be used again.
const SPARE_BYTES_MAX: u64 = 16 << 20;

/// Blocks up to this length are copied out of their pages, whose padding would be much beside them.
const COPIED_BYTES_MAX: usize = 32 << 10;

/// Bytes in whole pages at an address that direct IO takes.
#[derive(Debug)]
pub(crate) struct Pages {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
    home: Option<Arc<Spare>>,
}

impl Pages {
    /// So many zeros, rounded up to whole pages.
    pub(crate) fn zeros(len: u64) -> Self {
        let len = len.next_multiple_of(PAGE) as usize;
        Self::within(vec![0; len + PAGE as usize], len)
    }

    fn within(bytes: Vec<u8>, len: usize) -> Self {
        let start = bytes.as_ptr().align_offset(PAGE as usize);
        Self { bytes, start, len, home: None }
    }

    /// The first `len` of them. Long ones are not copied, and hold on to their pages.
    pub(crate) fn into_bytes(self, len: usize) -> Bytes {
        if len <= COPIED_BYTES_MAX {
            Bytes::copy_from_slice(&self[..len])
        } else {
            Bytes::from_owner(self).slice(..len)
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.take_back(std::mem::take(&mut self.bytes));
        }
    }
}

impl AsRef<[u8]> for Pages {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::ops::Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}

impl std::ops::DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

/// Buffers of one length that nobody uses.
pub(crate) struct Spare {
    len: usize,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl fmt::Debug for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spare").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Spare {
    /// For buffers of this length, in bytes.
    pub(crate) fn new(len: u64) -> Arc<Self> {
        Arc::new(Self { len: len.next_multiple_of(PAGE) as usize, buffers: Mutex::default() })
    }

    /// Pages to read `len` bytes into. They hold what was there before: never more of it may be used than was read.
    pub(crate) fn pages(self: &Arc<Self>, len: u64) -> Pages {
        if len.next_multiple_of(PAGE) as usize != self.len {
            return Pages::zeros(len);
        }
        let spare = self.buffers.lock().pop();
        let mut pages = spare.map_or_else(|| Pages::zeros(len), |buffer| Pages::within(buffer, self.len));
        pages.home = Some(Arc::clone(self));
        pages
    }

    fn take_back(&self, buffer: Vec<u8>) {
        let mut buffers = self.buffers.lock();
        if (buffers.len() * self.len) as u64 <= SPARE_BYTES_MAX {
            buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_goes_round_and_the_others_do_not_pile_up() {
        let spare = Spare::new(1 << 20);
        let mut first = spare.pages(1 << 20);
        first.fill(7);
        let at = first.as_ptr();
        let bytes = first.into_bytes((1 << 20) - 5);
        assert_eq!((bytes.len(), bytes[0]), ((1 << 20) - 5, 7));
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_ne!(spare.pages(1 << 20).as_ptr(), at, "a part of it is still in use");
        drop(part);
        assert_eq!(spare.pages(1 << 20).as_ptr(), at);
        let many: Vec<Pages> = (0..100).map(|_| spare.pages(1 << 20)).collect();
        drop(many);
        assert!(spare.buffers.lock().len() <= 17);
    }

    #[test]
    fn pages_of_another_length_are_new_and_zero() {
        let spare = Spare::new(1 << 20);
        spare.pages(1 << 20).fill(7);
        let other = spare.pages(5000);
        assert!(other.len() == 8192 && other.iter().all(|byte| *byte == 0));
        assert!(other.as_ptr().align_offset(PAGE as usize) == 0);
        drop(other);
        assert_eq!(spare.buffers.lock().len(), 1);
    }
}
