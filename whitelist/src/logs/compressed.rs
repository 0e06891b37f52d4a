//! Unpacking logs: gzip, zstd, LZ4 in frames, and LZ4 in the blocks that Spark writes; told by their first bytes.

use std::io::{BufRead, BufReader, Read};

use twox_hash::XxHash32;

/// The forms that are known and not read, by their first bytes.
const REFUSED: [(&[u8], &str); 4] =
    [(b"\x82SNAPPY\0", "snappy"), (b"ZV", "LZF"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz")];

/// A log's text, and whether it was packed.
pub(super) type Unpacked<'a> = (Box<dyn BufRead + 'a>, bool);

/// Unpacks a log. The inner error names a form that is not read.
pub(super) fn unpack<'a>(mut log: impl BufRead + 'a) -> std::io::Result<Result<Unpacked<'a>, &'static str>> {
    let first = log.fill_buf()?;
    if let Some((_, name)) = REFUSED.iter().find(|(magic, _)| first.starts_with(magic)) {
        return Ok(Err(name));
    }
    let unpacked: Box<dyn Read + 'a> = if first.starts_with(b"\x1f\x8b") {
        Box::new(flate2::bufread::MultiGzDecoder::new(log))
    } else if first.starts_with(b"\x28\xb5\x2f\xfd") {
        Box::new(zstd::Decoder::with_buffer(log)?)
    } else if first.starts_with(b"\x04\x22\x4d\x18") {
        Box::new(lz4_flex::frame::FrameDecoder::new(log))
    } else if first.starts_with(BLOCK_MAGIC) {
        Box::new(BlockReader { packed: log, block: Vec::new(), at: 0, ended: false })
    } else {
        return Ok(Ok((Box::new(log), false)));
    };
    Ok(Ok((Box::new(BufReader::new(unpacked)), true)))
}

/// Leads each block of lz4-java's `LZ4BlockOutputStream`, which is what Spark writes event logs with.
const BLOCK_MAGIC: &[u8] = b"LZ4Block";

/// Magic, a byte of method and size class, then packed length, length and checksum as little-endian 32 bits.
const HEADER_BYTES: usize = BLOCK_MAGIC.len() + 1 + 3 * 4;

/// The largest block that lz4-java can be told to write.
const BLOCK_BYTES_MAX: usize = 32 << 20;

/// The seed of its checksums, and the bits of them that it keeps.
const CHECKSUM: (u32, u32) = (0x9747_b28c, 0x0fff_ffff);

/// Reads that form. A block of length 0 ends a stream; another may follow.
struct BlockReader<R> {
    packed: R,
    block: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: BufRead> BlockReader<R> {
    fn next_block(&mut self) -> std::io::Result<()> {
        if self.packed.fill_buf()?.is_empty() {
            // A log that is still being written has no last block.
            self.ended = true;
            return Ok(());
        }
        let wrong = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, format!("an LZ4 block {what}"));
        let mut header = [0; HEADER_BYTES];
        self.packed.read_exact(&mut header)?;
        let (magic, rest) = header.split_at(BLOCK_MAGIC.len());
        if magic != BLOCK_MAGIC {
            return Err(wrong("does not begin as one"));
        }
        let number = |at: usize| u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        let (method, packed_length, length, checksum) =
            (rest[0] & 0xf0, number(1) as usize, number(5) as usize, number(9));
        if length > BLOCK_BYTES_MAX || packed_length > BLOCK_BYTES_MAX {
            return Err(wrong("is longer than 32 MiB"));
        }
        let mut packed = vec![0; packed_length];
        self.packed.read_exact(&mut packed)?;
        self.at = 0;
        self.block = match method {
            0x10 if packed_length == length => packed,
            0x20 => {
                lz4_flex::block::decompress(&packed, length).map_err(|error| wrong(&format!("is broken: {error}")))?
            }
            _ => return Err(wrong("is packed in an unknown way")),
        };
        let (seed, bits) = CHECKSUM;
        if length > 0 && XxHash32::oneshot(seed, &self.block) & bits != checksum {
            return Err(wrong("does not match its checksum"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for BlockReader<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.block.len() && !self.ended {
            self.next_block()?;
        }
        let length = into.len().min(self.block.len() - self.at);
        into[..length].copy_from_slice(&self.block[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}
