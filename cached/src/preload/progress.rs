//! What changed of a preload since somebody who watches it was last told.

use larder_model::admin::{PreloadItemStatus, PreloadProgress, PreloadState, PreloadStatus};

/// What one watcher was told.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    /// Of the run as a whole, with no items.
    told: Option<PreloadProgress>,
    /// Of each item.
    items: Vec<Told>,
}

/// What an item's status may change in. Why comes with a change of the state.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    state: PreloadState,
    bytes: [u64; 3],
}

impl Told {
    fn new(item: &PreloadItemStatus) -> Self {
        Self { state: item.state, bytes: [item.bytes, item.bytes_loaded, item.bytes_resident] }
    }
}

impl Watcher {
    /// What is new, with the items that changed: all of them at first, and when another run began. `None` where the run
    /// has ended and nothing is new; one that goes on says at least that.
    pub(crate) fn news(&mut self, status: &PreloadStatus) -> Option<PreloadProgress> {
        if self.told.as_ref().is_some_and(|told| told.run != status.run) {
            self.items.clear();
        }
        let is_new = |(i, item): &(usize, &PreloadItemStatus)| self.items.get(*i) != Some(&Told::new(item));
        let changed: Vec<PreloadItemStatus> =
            status.items.iter().enumerate().filter(is_new).map(|(_, item)| item.clone()).collect();
        let is_done = |item: &&PreloadItemStatus| !matches!(item.state, PreloadState::Waiting | PreloadState::Loading);
        let whole = PreloadProgress {
            run: status.run,
            version: status.version,
            running: status.running,
            stopped: status.stopped.clone(),
            started: status.started,
            finished: status.finished,
            bytes_total: status.bytes_total,
            bytes_loaded: status.bytes_loaded,
            bytes_resident: status.bytes_resident,
            held_back_seconds: status.held_back_seconds,
            items_done: status.items.iter().filter(is_done).count() as u64,
            items_total: status.items.len() as u64,
            changed: Vec::new(),
        };
        let has_news = status.running || !changed.is_empty() || self.told.as_ref() != Some(&whole);
        self.items.clear();
        self.items.extend(status.items.iter().map(Told::new));
        self.told = Some(whole.clone());
        has_news.then_some(PreloadProgress { changed, ..whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str) -> PreloadItemStatus {
        PreloadItemStatus {
            item: name.parse().expect("an item"),
            state: PreloadState::Waiting,
            bytes: 0,
            bytes_loaded: 0,
            bytes_resident: 0,
            why: None,
        }
    }

    #[test]
    fn a_watcher_is_told_all_at_first_then_what_changed_and_nothing_when_nothing_did() {
        let mut status = PreloadStatus {
            run: 1,
            running: true,
            items: vec![item("hive.web.a/dt=1"), item("hive.web.a/dt=2")],
            ..super::super::no_run()
        };
        let mut watcher = Watcher::default();
        let first = watcher.news(&status).expect("all of it");
        assert_eq!((first.changed.len(), first.items_done, first.items_total), (2, 0, 2));
        assert!(watcher.news(&status).expect("it goes on").changed.is_empty());
        status.items[1].state = PreloadState::Done;
        status.items[1].bytes_loaded = 7;
        let second = watcher.news(&status).expect("news");
        assert_eq!((second.changed, second.items_done), (vec![status.items[1].clone()], 1));
        status.running = false;
        assert!(!watcher.news(&status).expect("the end is news").running);
        assert_eq!(watcher.news(&status), None);
        status.run = 2;
        assert_eq!(watcher.news(&status).expect("another run").changed.len(), 2);
    }
}
