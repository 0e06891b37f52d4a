//! Landings over an in-memory origin, SQLite, and a worker that notes what it is told.

use std::sync::Arc;

use larder_model::{AttributionRules, ByteSize, ManualClock};
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};

use super::objects_tests::event;
use super::*;
use crate::catalog::{CatalogBucket, list};
use crate::settings::NightlySettings;
use crate::store::tests::{document, scratch};
use crate::store::{Store, VersionStatus};
use crate::test_support::{NotingWorker, time};

struct World {
    _folder: tempfile::TempDir,
    origin: Arc<InMemory>,
    worker: NotingWorker,
    landing: Landing,
}

impl World {
    /// Days 17 to 19 of November, of 10 bytes each, of which the last two are held; and a table without partitions.
    async fn new(change: impl FnOnce(&mut NightlySettings)) -> Self {
        let (folder, store) = scratch().await;
        let origin = Arc::new(InMemory::new());
        for day in 17..=19 {
            put(&origin, &format!("raw/db/t/dt=2026-11-{day}/f"), 10).await;
        }
        put(&origin, "raw/db/u/f", 10).await;
        let bucket = CatalogBucket {
            name: "wh".into(),
            store: origin.clone() as Arc<dyn ObjectStore>,
            prefix: ObjectPath::from("raw"),
            rules: AttributionRules::new("hive", vec![]),
        };
        store.replace_catalog("wh", &list(&bucket).await.unwrap().0).await.unwrap();
        let mut whitelist = document(&["hive.db.t/dt=2026-11-18", "hive.db.t/dt=2026-11-19", "hive.db.u"]);
        for (item, prefix) in whitelist.items.iter_mut().zip(["t/dt=2026-11-18/", "t/dt=2026-11-19/", "u/"]) {
            (item.bytes, item.objects, item.value_seconds) = (10, 1, 500.0);
            item.locations = vec![Location { bucket: "wh".into(), prefix: format!("db/{prefix}") }];
        }
        whitelist.items[2].value_seconds = 100.0;
        store.add_version(whitelist, VersionStatus::Published, None).await.unwrap();
        let worker = NotingWorker::default();
        let mut settings = NightlySettings { budget: ByteSize(1_000), ..NightlySettings::default() };
        change(&mut settings);
        let events = EventBucket {
            origin_bucket: "lake".into(),
            prefix: "raw".into(),
            rules: AttributionRules::new("hive", vec![]),
        };
        let night = Night {
            engine: Default::default(),
            metastore: None,
            store,
            clock: Arc::new(ManualClock::new(time("2026-11-20T06:00:00Z"))),
            logs: folder.path().to_owned(),
            catalog: vec![bucket],
            settings,
            write_bytes_max: u64::MAX,
            demand: crate::night::Demand { fills: false, ssd_bytes: 100_000_000 },
            workers: Some(vec![worker.listen().await]),
            worker_token: None,
        };
        let landing = Landing::new(night, TouchedItems::new([events]));
        Self { _folder: folder, origin, worker, landing }
    }

    fn store(&self) -> &Store {
        &self.landing.night.store
    }

    async fn held(&self) -> Vec<String> {
        let whitelist = self.store().whitelist_in_force().await.unwrap().unwrap();
        whitelist.items.iter().map(|item| item.item.to_string()).collect()
    }

    fn preloads(&self) -> usize {
        self.worker.preloads.lock().len()
    }
}

async fn put(origin: &InMemory, key: &str, bytes: usize) {
    origin.put(&ObjectPath::parse(key).unwrap(), vec![0_u8; bytes].into()).await.unwrap();
}

const NEXT: &str = "hive.db.t/dt=2026-11-20";

#[tokio::test]
async fn a_partition_that_lands_is_published_and_loaded_alone() {
    let world = World::new(|_| ()).await;
    assert_eq!(world.landing.poll().await.unwrap(), LandingReport::default(), "nothing has landed");
    put(&world.origin, "raw/db/t/dt=2026-11-20/f", 12).await;
    let report = world.landing.poll().await.unwrap();
    assert_eq!((report.version, report.came.len(), report.rewritten.len()), (2, 1, 0));
    assert!(world.held().await.contains(&NEXT.to_owned()));
    let whitelist = world.store().whitelist_in_force().await.unwrap().unwrap();
    let landed = whitelist.items.iter().find(|item| item.item.to_string() == NEXT).unwrap();
    assert_eq!(
        (landed.bytes, landed.objects, landed.value_seconds),
        (12, 1, 600.0),
        "as dense as the newest held ones"
    );
    assert_eq!(landed.locations, [Location { bucket: "wh".into(), prefix: "db/t/dt=2026-11-20/".into() }]);
    assert_eq!(whitelist.reason, "landed: hive.db.t/dt=2026-11-20");
    assert_eq!((world.worker.preloaded_last(), world.preloads()), (vec![NEXT.to_owned()], 1));
    assert_eq!(world.worker.preloads.lock()[0].version, 2);
    assert_eq!(world.landing.poll().await.unwrap(), LandingReport::default(), "it landed once");
}

#[tokio::test]
async fn a_partition_that_grows_as_its_files_come_is_loaded_as_it_grows() {
    let world = World::new(|_| ()).await;
    put(&world.origin, "raw/db/t/dt=2026-11-20/a", 12).await;
    world.landing.poll().await.unwrap();
    put(&world.origin, "raw/db/t/dt=2026-11-20/b", 8).await;
    let report = world.landing.poll().await.unwrap();
    assert_eq!((report.version, report.came.len(), report.rewritten.len()), (3, 0, 1));
    assert_eq!(world.store().whitelist_in_force().await.unwrap().unwrap().bytes(), 50);
    assert_eq!((world.worker.preloaded_last(), world.preloads()), (vec![NEXT.to_owned()], 2));
}

#[tokio::test]
async fn a_rewritten_partition_is_loaded_anew_also_when_its_size_is_the_same() {
    let world = World::new(|_| ()).await;
    world.landing.poll().await.unwrap();
    for key in ["raw/db/t/dt=2026-11-18/f", "raw/db/u/f"] {
        put(&world.origin, key, 10).await;
    }
    let report = world.landing.poll().await.unwrap();
    assert_eq!((report.version, report.rewritten.len()), (0, 2), "the whitelist says the same as before");
    assert_eq!(world.worker.preloaded_last(), ["hive.db.t/dt=2026-11-18", "hive.db.u"]);
    assert_eq!(world.landing.poll().await.unwrap().rewritten.len(), 0);
    assert_eq!(world.preloads(), 1);
}

#[tokio::test]
async fn events_name_what_landed_and_what_is_not_wanted_is_left() {
    let world = World::new(|_| ()).await;
    let send = |key: &str| world.landing.touched.take_in(event("ObjectCreated:Put", "lake", key).as_bytes()).unwrap();
    for key in ["db/t/dt=2026-11-20/f", "db/t/dt=2026-11-30/f", "db/other/dt=2026-11-20/f", "db/t/dt=2026-11-17/f"] {
        put(&world.origin, &format!("raw/{key}"), 10).await;
        send(&format!("raw/{key}"));
    }
    // Both follow the 19th, as far as was known. The 17th was known and left out by the night.
    let report = world.landing.look_at_touched().await.unwrap();
    let came: Vec<String> = report.came.iter().map(ToString::to_string).collect();
    assert_eq!(came, [NEXT, "hive.db.t/dt=2026-11-30"]);
    assert_eq!(world.landing.look_at_touched().await.unwrap(), LandingReport::default(), "they were looked at");
    // An event about a held item that nobody has listed yet means that it changed.
    send("raw/db/u/f");
    assert_eq!(world.landing.look_at_touched().await.unwrap().rewritten.len(), 1);
    send("raw/db/u/f");
    assert_eq!(world.landing.look_at_touched().await.unwrap().rewritten.len(), 0, "it is as it was seen");
}

#[tokio::test]
async fn a_landed_partition_without_room_displaces_the_least_dense_which_is_dropped() {
    let world = World::new(|settings| settings.budget = ByteSize(35)).await;
    let url = world.landing.night.workers.as_ref().unwrap()[0].clone();
    world.store().set_delivered(&url, 1).await.unwrap();
    put(&world.origin, "raw/db/t/dt=2026-11-20/f", 10).await;
    let report = world.landing.poll().await.unwrap();
    let displaced: Vec<String> = report.displaced.iter().map(ToString::to_string).collect();
    assert_eq!((report.version, displaced), (2, vec!["hive.db.u".to_owned()]));
    assert_eq!(world.worker.dropped(), ["db/u/"]);

    put(&world.origin, "raw/db/t/dt=2026-11-21/f", 1000).await;
    let report = world.landing.poll().await.unwrap();
    assert_eq!((report.version, report.left_out.len()), (0, 1), "it alone is larger than the budget");
    assert!(report.left_out[0].1.contains("more than the whole budget"), "{report:?}");
    assert_eq!(world.landing.poll().await.unwrap().left_out, [], "it is said once");
}

#[tokio::test]
async fn with_approval_nothing_lands_on_the_whitelist_and_rewrites_are_loaded_all_the_same() {
    let world = World::new(|settings| settings.approval = true).await;
    put(&world.origin, "raw/db/t/dt=2026-11-20/f", 10).await;
    put(&world.origin, "raw/db/u/g", 10).await;
    let report = world.landing.poll().await.unwrap();
    assert_eq!((report.version, report.came.len(), report.rewritten.len()), (0, 0, 1));
    assert_eq!(world.store().versions(9).await.unwrap().len(), 1);
    assert_eq!(world.worker.preloaded_last(), ["hive.db.u"]);
}

#[tokio::test]
async fn a_worker_that_was_away_is_told_again() {
    let mut world = World::new(|_| ()).await;
    let up = world.landing.night.workers.clone();
    let down = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    world.landing.night.workers = Some(vec![down]);
    put(&world.origin, "raw/db/t/dt=2026-11-20/f", 10).await;
    let report = world.landing.poll().await.unwrap();
    assert!(report.version == 2 && report.workers[0].problem.as_ref().unwrap().contains("refused"), "{report:?}");
    world.landing.night.workers = up;
    let report = world.landing.poll().await.unwrap();
    assert_eq!((report.version, report.rewritten.len()), (0, 1), "it is held, and was not loaded");
    assert_eq!(world.worker.preloaded_last(), [NEXT]);
}

#[tokio::test]
async fn partitions_of_several_levels_are_found_beside_the_newest() {
    let world = World::new(|_| ()).await;
    for hour in ["dt=2026-11-19/h=22", "dt=2026-11-19/h=23", "dt=2026-11-20/h=00"] {
        put(&world.origin, &format!("raw/db/x/{hour}/f"), 10).await;
    }
    let mut whitelist = document(&["hive.db.x/dt=2026-11-19/h=22"]);
    whitelist.items[0].locations = vec![Location { bucket: "wh".into(), prefix: "db/x/dt=2026-11-19/h=22/".into() }];
    (whitelist.items[0].objects, whitelist.items[0].value_seconds) = (1, 500.0);
    world.store().add_version(whitelist, VersionStatus::Published, None).await.unwrap();
    let came = world.landing.poll().await.unwrap().came;
    let came: Vec<String> = came.iter().map(ToString::to_string).collect();
    assert_eq!(came, ["hive.db.x/dt=2026-11-19/h=23", "hive.db.x/dt=2026-11-20/h=00"]);
}

#[tokio::test]
async fn a_bucket_that_cannot_be_listed_is_named_and_changes_nothing() {
    let mut world = World::new(|_| ()).await;
    world.landing.lister = Lister::new(&[]);
    let report = world.landing.poll().await.unwrap();
    assert!(report.version == 0 && report.problems.iter().any(|problem| problem.contains("`wh` is not served")));
}
