//! Reading ahead of a sequential scan: what to ask the origin for before the reader does.
//!
//! Engines read a long file in many GETs, each of which waits for the origin's first byte. Reads that follow each other
//! are a *scan*; once it is two reads long, as much is read ahead as it has read so far, up to a limit. So at most half of
//! what is read is in vain, and the first reads of a scan cost nothing more.

use larder_model::ByteRange;

/// Scans of one object that are followed at once: engines read a long file in several splits.
const SCANS_MAX: usize = 8;

/// The scans that one object is read by, the last continued first.
#[derive(Debug, Default)]
pub(crate) struct Scans(Vec<Scan>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scan {
    /// Bytes read so far.
    read_bytes: u64,
    /// Where its next read begins.
    next: u64,
    /// How far it was looked ahead.
    ahead: u64,
    /// What the origin was asked for then; other blocks were held already.
    asked: ByteRange,
}

/// What one read means for the scan that it continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Noted {
    /// Bytes of this read that the origin was asked for ahead of it.
    pub(super) asked: Option<ByteRange>,
    /// What to read ahead now.
    pub(super) ahead: Option<ByteRange>,
}

impl Scans {
    /// Follows a read of an object of this size; never more than `ahead_bytes_max` are read ahead of it.
    pub(super) fn note(&mut self, read: ByteRange, object_size: u64, ahead_bytes_max: u64) -> Noted {
        let Some(at) = self.0.iter().position(|scan| scan.next == read.start) else {
            self.0.truncate(SCANS_MAX - 1);
            let asked = ByteRange::new(read.end, read.end);
            self.0.insert(0, Scan { read_bytes: read.len(), next: read.end, ahead: read.end, asked });
            return Noted::default();
        };
        let mut scan = self.0.remove(at);
        let asked = scan.asked.intersect(read);
        scan.read_bytes += read.len();
        scan.next = read.end;
        scan.ahead = scan.ahead.max(read.end);
        let window = scan.read_bytes.min(ahead_bytes_max);
        let mut ahead = None;
        // In stretches: not before half of the last one is read.
        if scan.ahead - read.end <= window / 2 {
            let end = (read.end + window).min(object_size);
            ahead = (scan.ahead < end).then(|| ByteRange::new(scan.ahead, end));
            scan.ahead = end.max(scan.ahead);
        }
        if scan.next < object_size {
            self.0.insert(0, scan);
        }
        Noted { asked, ahead }
    }

    /// The origin was asked for this on behalf of the scan that goes on at `next`.
    pub(super) fn asked(&mut self, next: u64, range: ByteRange) {
        if let Some(scan) = self.0.iter_mut().find(|scan| scan.next == next) {
            let follows = scan.asked.end == range.start;
            scan.asked = ByteRange::new(if follows { scan.asked.start } else { range.start }, range.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1000;

    type Ends = Option<(u64, u64)>;

    /// Notes a read, and that all is asked for that is to be read ahead.
    fn note(scans: &mut Scans, start: u64, end: u64) -> (Ends, Ends) {
        let noted = scans.note(ByteRange::new(start, end), SIZE, 40);
        if let Some(ahead) = noted.ahead {
            scans.asked(end, ahead);
        }
        let ends = |range: Option<ByteRange>| range.map(|range| (range.start, range.end));
        (ends(noted.asked), ends(noted.ahead))
    }

    #[test]
    fn the_second_read_of_a_scan_reads_ahead_and_the_third_profits() {
        let mut scans = Scans::default();
        assert_eq!(note(&mut scans, 0, 10), (None, None));
        assert_eq!(note(&mut scans, 10, 20), (None, Some((20, 40))));
        assert_eq!(note(&mut scans, 20, 30), (Some((20, 30)), Some((40, 60))), "30 read so far");
        assert_eq!(note(&mut scans, 30, 40), (Some((30, 40)), Some((60, 80))), "and never more than 40");
        assert_eq!(note(&mut scans, 40, 50), (Some((40, 50)), None), "more than half is ahead still");
        assert_eq!(note(&mut scans, 50, 60), (Some((50, 60)), Some((80, 100))));
    }

    #[test]
    fn no_more_is_ahead_than_was_read_and_nothing_behind_the_end() {
        let mut scans = Scans::default();
        for start in (0..SIZE).step_by(10) {
            let (asked, ahead) = note(&mut scans, start, start + 10);
            let reach = ahead.map_or(0, |(_, end)| end);
            assert!(reach <= (2 * (start + 10)).min(SIZE), "{start}: {ahead:?}");
            assert_eq!(asked.is_some(), start >= 20, "{start}");
        }
        assert!(scans.0.is_empty(), "a scan that is through is forgotten");
    }

    #[test]
    fn reads_here_and_there_are_no_scan() {
        let mut scans = Scans::default();
        for start in [500, 100, 300, 700, 900, 0, 200, 600, 800, 400] {
            assert_eq!(note(&mut scans, start, start + 10), (None, None));
        }
        assert_eq!(scans.0.len(), SCANS_MAX);
    }

    #[test]
    fn what_was_held_already_was_not_asked_for() {
        let mut scans = Scans::default();
        let read = |start| ByteRange::new(start, start + 10);
        scans.note(read(0), SIZE, 40);
        assert_eq!(scans.note(read(10), SIZE, 40).ahead, Some(ByteRange::new(20, 40)));
        scans.asked(20, ByteRange::new(25, 40));
        assert_eq!(scans.note(read(20), SIZE, 40).asked, Some(ByteRange::new(25, 30)));
    }

    #[test]
    fn splits_of_one_file_are_scans_of_their_own() {
        let mut scans = Scans::default();
        for start in [0, 250, 500, 750] {
            note(&mut scans, start, start + 10);
        }
        for start in [0, 250, 500, 750] {
            assert_eq!(note(&mut scans, start + 10, start + 20), (None, Some((start + 20, start + 40))));
        }
    }
}
