//! A part of a trace that behaves like all of it, in as much less space.
//!
//! Spatial sampling: an item is taken if the hash of what it is of lies below the rate, and then with all of its reads, so
//! that what comes between two reads of it is thinned out by the rate, and a cache of `rate x capacity` treats the sample as
//! one of `capacity` treats all (C. Waldspurger, N. Park, A. Garthwaite, I. Ahmad, "Efficient MRC Construction with SHARDS",
//! FAST 2015; for policies without a stack property: C. Waldspurger, T. Saemundsson, I. Ahmad, N. Park, "Cache Modeling and
//! Optimization using Miniature Simulations", ATC 2017).
//!
//! What is hashed is the partition, so that its columns come or stay out together and a unit of the planner is never cut.
//! Tables are not kept together: there are too few of them, and one holds too much of the reads. What is learned by table
//! then needs the reads that are left out as well, which a log would tell of: they are [`overheard`](Trace::overheard).

use twox_hash::XxHash3_64;

use super::{Item, Read, Trace};

/// What a sample leaves out of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulate) struct Sample {
    /// For each of the trace's items, whether it is in the sample.
    taken: Vec<bool>,
    /// The reads of those that are not, in the order of time.
    overheard: Vec<Read>,
}

impl Trace {
    /// The items whose hash is below `rate`, from 0 to 1, and their reads.
    pub(in crate::simulate) fn sampled(&self, rate: f64) -> Self {
        let taken: Vec<bool> = self.items.iter().map(|item| is_taken(item, rate)).collect();
        let (reads, overheard) = self.reads.iter().partition(|read| taken[read.item as usize]);
        let rewrites = self.rewrites.iter().filter(|rewrite| taken[rewrite.item as usize]).copied().collect();
        let sample = Some(Sample { taken, overheard });
        Self { items: self.items.clone(), reads, rewrites, sample, ..*self }
    }

    /// Whether an item may be held: all may, but for those that a sample leaves out.
    pub(in crate::simulate) fn is_sampled(&self, item: u32) -> bool {
        self.sample.as_ref().is_none_or(|sample| sample.taken[item as usize])
    }

    /// The reads that a sample leaves out, in the order of time.
    pub(in crate::simulate) fn overheard(&self) -> &[Read] {
        self.sample.as_ref().map_or(&[], |sample| &sample.overheard)
    }
}

fn is_taken(item: &Item, rate: f64) -> bool {
    // Where there is no date, partitions differ by what is in the slot.
    let (date, slot) = item.date.map_or((i32::MIN, item.slot), |date| (date, 0));
    let mut named = [0; 12];
    named[..4].copy_from_slice(&item.table.to_le_bytes());
    named[4..8].copy_from_slice(&date.to_le_bytes());
    named[8..].copy_from_slice(&slot.to_le_bytes());
    // 53 bits are what a float holds, so that the quotient is below 1.
    let place = (XxHash3_64::oneshot(&named) >> 11) as f64 / (1_u64 << 53) as f64;
    place < rate
}

#[cfg(test)]
mod tests {
    use crate::simulate::test_support::item_of;
    use crate::simulate::workload::{Scenario, workload};

    use super::*;

    #[test]
    fn a_sample_takes_partitions_whole_with_all_of_their_reads_and_forgets_none_of_the_others() {
        let all = workload(1, Scenario::Backfill);
        let sample = all.sampled(0.1);
        let taken = (0..).zip(&sample.items).filter(|(item, _)| sample.is_sampled(*item)).count() as f64;
        assert!((0.08..0.12).contains(&(taken / all.items.len() as f64)), "{taken} of {}", all.items.len());
        assert_eq!(sample.reads.len() + sample.overheard().len(), all.reads.len());
        assert!(sample.reads.iter().all(|read| sample.is_sampled(read.item)));
        assert!(sample.overheard().iter().all(|read| !sample.is_sampled(read.item)));
        assert!(sample.rewrites.iter().all(|rewrite| sample.is_sampled(rewrite.item)));
        for pair in (0..).zip(&all.items).collect::<Vec<(u32, &Item)>>().windows(2) {
            let [(a, one), (b, other)] = pair else { continue };
            if (one.table, one.date) == (other.table, other.date) {
                assert_eq!(sample.is_sampled(*a), sample.is_sampled(*b), "columns of one partition");
            }
        }
    }

    #[test]
    fn the_whole_is_its_own_sample() {
        let all = workload(1, Scenario::Backfill);
        let sample = all.sampled(1.0);
        assert_eq!((&sample.reads, &sample.rewrites), (&all.reads, &all.rewrites));
        assert_eq!(sample.overheard(), []);
    }

    #[test]
    fn what_has_no_date_is_taken_or_left_by_itself() {
        let taken = (0..1000).filter(|slot| is_taken(&Item { slot: *slot, ..item_of(1) }, 0.3)).count();
        assert!((250..350).contains(&taken), "{taken}");
    }
}
