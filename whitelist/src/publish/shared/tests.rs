//! Whitelists through an in-memory origin, from one store to another.

use object_store::memory::InMemory;

use super::*;
use crate::settings::StoreSettings;
use crate::store::VersionStatus;
use crate::store::tests::{document, scratch};

fn shared(origin: &Arc<InMemory>) -> SharedWhitelist {
    let store: Arc<dyn ObjectStore> = origin.clone();
    SharedWhitelist { place: "wh/_larder/w.json".into(), store, path: Path::from("raw/_larder/w.json") }
}

fn numbered(version: u64, items: &[&str]) -> Whitelist {
    Whitelist { version, ..document(items) }
}

async fn in_force(store: &Store) -> Option<(u64, usize)> {
    store.whitelist_in_force().await.unwrap().map(|found| (found.version, found.items.len()))
}

#[tokio::test]
async fn what_is_new_is_taken_once_under_its_own_number() {
    let (_folder, store) = scratch().await;
    let shared = shared(&Arc::new(InMemory::new()));
    let mut taker = Taker::new(shared.clone(), store.clone());
    let absent = taker.try_look().await.unwrap_err();
    assert!(with_causes(&absent).starts_with("the whitelist at wh/_larder/w.json cannot be read: "), "{absent}");

    shared.put(&numbered(7, &["a.b.one"])).await.unwrap();
    taker.try_look().await.unwrap();
    assert_eq!(in_force(&store).await, Some((7, 1)));
    assert_eq!(taker.taken.take().map(|taken| taken.version), Some(7));
    taker.try_look().await.unwrap();
    assert!(taker.taken.is_none(), "it was taken before");
    let mut restarted = Taker::new(shared.clone(), store.clone());
    restarted.try_look().await.unwrap();
    assert!(restarted.taken.is_none(), "nor after a restart");

    shared.put(&numbered(9, &["a.b.one", "a.b.two"])).await.unwrap();
    taker.try_look().await.unwrap();
    assert_eq!(in_force(&store).await, Some((9, 2)));
}

#[tokio::test]
async fn what_is_broken_older_or_another_of_the_same_number_changes_nothing() {
    let (_folder, store) = scratch().await;
    let origin = Arc::new(InMemory::new());
    let shared = shared(&origin);
    let mut taker = Taker::new(shared.clone(), store.clone());
    shared.put(&numbered(7, &["a.b.one"])).await.unwrap();
    taker.try_look().await.unwrap();

    origin.put(&shared.path, Bytes::from_static(b"{\"format\": 9}").into()).await.unwrap();
    let broken = with_causes(&taker.try_look().await.unwrap_err());
    assert!(broken.contains("is broken: whitelist: 9 is not known (this version reads 1) at format"), "{broken}");
    taker.try_look().await.unwrap();
    for (version, items) in [(6, ["a.b.old"]), (7, ["a.b.other"])] {
        shared.put(&numbered(version, &items)).await.unwrap();
        let refused = with_causes(&taker.try_look().await.unwrap_err());
        assert!(
            refused.ends_with(&format!("it is version {version}, and version 7 is in this store already")),
            "{refused}"
        );
    }
    assert_eq!(in_force(&store).await, Some((7, 1)));
    assert_eq!(taker.taken.map(|taken| taken.version), Some(7));
}

#[tokio::test]
async fn each_whitelist_in_force_is_written() {
    let shared = shared(&Arc::new(InMemory::new()));
    let (sender, receiver) = watch::channel(None);
    let stop = CancellationToken::new();
    let keeping = tokio::spawn(shared.clone().keep(receiver, stop.clone()));
    for version in [1, 2] {
        sender.send_replace(Some(Arc::new(numbered(version, &["a.b.one"]))));
        let written = async {
            loop {
                if let Ok(Some((_, bytes))) = shared.read(None).await
                    && Whitelist::parse(&bytes).is_ok_and(|found| found.version == version)
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), written).await.unwrap();
    }
    stop.cancel();
    keeping.await.unwrap();
}

#[tokio::test]
async fn nothing_is_decided_or_published_where_the_whitelist_comes_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/larder.db", folder.path().display());
    let from = Some("wh/_larder/w.json".to_owned());
    let store = Store::open(&StoreSettings { url, whitelist_from: from, ..StoreSettings::default() }).await.unwrap();
    let one = document(&["a.b.one"]);
    let refused = [
        store.add_version(one.clone(), VersionStatus::Published, None).await.unwrap_err(),
        store.publish_over(0, one.clone()).await.unwrap_err(),
        store.publish_proposal(&one).await.unwrap_err(),
        store.undecide(&one.items[0].item).await.unwrap_err(),
    ];
    for refused in refused {
        let text = "the whitelist comes from wh/_larder/w.json ([store] whitelist_from): decide and publish where that is written";
        assert_eq!(refused.to_string(), text);
    }
    assert!(store.adopt(&one).await.unwrap());
}
