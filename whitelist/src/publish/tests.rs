//! Diffs, and following the whitelist in force through bad times.

use super::*;
use crate::store::tests::{document, scratch};

const EVERY: Duration = Duration::from_millis(10);

async fn version_of(receiver: &mut watch::Receiver<Option<Arc<Whitelist>>>, version: u64) {
    let wait = receiver.wait_for(|whitelist| whitelist.as_ref().is_some_and(|found| found.version == version));
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap().unwrap();
}

#[test]
fn a_diff_names_what_came_left_and_changed() {
    let (old, mut new) =
        (document(&["a.b.left", "a.b.same", "a.b.grew"]), document(&["a.b.came", "a.b.same", "a.b.grew"]));
    new.items[2].bytes = 99;
    let diff = diff(Some(&old), &new);
    let names = |items: &[WhitelistItem]| items.iter().map(|item| item.item.to_string()).collect::<Vec<_>>();
    assert_eq!((names(&diff.added), names(&diff.removed)), (vec!["a.b.came".into()], vec!["a.b.left".into()]));
    assert_eq!((names(&diff.changed), diff.unchanged), (vec!["a.b.grew".into()], 1));
    assert_eq!(super::diff(None, &new).added.len(), 3);
}

#[tokio::test]
async fn the_last_good_whitelist_stays_while_the_newest_is_broken() {
    let (_folder, store) = scratch().await;
    let shutdown = CancellationToken::new();
    let mut receiver = follow(store.clone(), EVERY, shutdown.clone()).await;
    assert!(receiver.borrow().is_none());
    store.add_version(document(&["a.b.one"]), VersionStatus::Published, None).await.unwrap();
    version_of(&mut receiver, 1).await;

    let broken = store.add_version(document(&["a.b.two"]), VersionStatus::Proposed, None).await.unwrap();
    store.break_document(2, "{\"format\": 7}").await;
    tokio::time::sleep(EVERY * 5).await;
    assert_eq!(receiver.borrow().as_ref().unwrap().version, 1, "a proposal is not in force");
    store.publish_proposal(&broken).await.unwrap();
    store.break_document(2, "{\"format\": 7}").await;
    let restarted = follow(store.clone(), EVERY, shutdown.clone()).await;
    assert_eq!(restarted.borrow().as_ref().unwrap().version, 1, "after a restart the newest that can be read");

    store.add_version(document(&["a.b.three"]), VersionStatus::Published, None).await.unwrap();
    version_of(&mut receiver, 3).await;
    store.close().await;
    tokio::time::sleep(EVERY * 5).await;
    assert_eq!(receiver.borrow().as_ref().unwrap().version, 3, "the store is down");
    shutdown.cancel();
}
