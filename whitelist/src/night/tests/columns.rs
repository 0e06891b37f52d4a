//! Nights over tables of which few columns are read.

use larder_model::{QueryEvent, TableRead};

use super::*;
use crate::logs::write_events;
use crate::test_support::parquet_of;

const COLUMNS: [&str; 8] = ["id", "price", "note", "c3", "c4", "c5", "c6", "c7"];

/// Two partitions of eight columns each, and a budget for a little over one of them.
async fn wide() -> (World, u64) {
    let world = World::new().await;
    let file = parquet_of(COLUMNS, 100_000);
    for d in 1..=2 {
        let path = ObjectPath::from(format!("raw/db/wide/d={d}/f.parquet"));
        world.origin.put(&path, file.clone().into()).await.unwrap();
    }
    let size = file.len() as u64;
    let settings = NightlySettings { budget: ByteSize(size * 5 / 4), ..world.night.settings.clone() };
    (World { night: Night { settings, ..world.night }, ..world }, size)
}

/// Reads of the chunks of the first two columns, as often as is said of each, as the access log has them.
async fn log_reads(world: &World, date: &str, size: u64, times: [usize; 2]) {
    let mut records = Vec::new();
    for d in 1..=2 {
        let path = ObjectPath::from(format!("raw/db/wide/d={d}/f.parquet"));
        let meta = world.origin.head(&path).await.unwrap();
        let version = larder_model::Version::new(meta.e_tag.as_deref(), meta.size, meta.last_modified);
        for (at, times) in (0_u64..).zip(times) {
            // A little less than a chunk, because the footer takes some of the object.
            let (partition, chunk) = (format!("d={d}"), size / 8);
            let length = chunk - 4096;
            let read = AccessRecord {
                key: format!("db/wide/{partition}/f.parquet"),
                version: version.as_str().to_owned(),
                offset: at * chunk,
                length,
                ..get("hive.db.wide", &partition, length)
            };
            records.extend(std::iter::repeat_n(read, times));
        }
    }
    write_access(world.logs.path(), day(date), "wide.parquet", &records);
}

/// Queries of both partitions that name these columns.
fn query_events(world: &World, queries: usize, columns: &[&str], bytes: u64) {
    let event = |n: usize| QueryEvent {
        query_id: format!("q{n}"),
        engine: "trino".into(),
        user: "ana".into(),
        created: time("2026-11-19T09:00:00Z"),
        ended: time("2026-11-19T09:00:05Z"),
        succeeded: true,
        query: None,
        reads: vec![TableRead {
            table: "hive.db.wide".parse().unwrap(),
            partitions: vec!["d=1".into(), "d=2".into()],
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            bytes,
        }],
        unattributed_bytes: 0,
    };
    write_events(world.logs.path(), &(0..queries).map(event).collect::<Vec<_>>()).unwrap();
}

async fn list(world: &World) -> Whitelist {
    world.night.store.whitelist_in_force().await.unwrap().unwrap()
}

fn columns_of(list: &Whitelist) -> Vec<String> {
    list.columns.get(&"hive.db.wide".parse().unwrap()).map_or_else(Vec::new, |held| held.columns.clone())
}

#[tokio::test]
async fn the_columns_that_the_access_log_saw_are_held_of_more_partitions() {
    let (world, size) = wide().await;
    log_reads(&world, "2026-11-19", size, [20, 20]).await;
    let report = world.run("2026-11-19").await;
    let list = list(&world).await;
    assert_eq!(columns_of(&list), ["id", "price"], "{list:?}");
    let listed: Vec<String> = list.items.iter().map(|item| item.item.to_string()).collect();
    assert_eq!(listed.len(), 2, "both partitions fit: {listed:?}");
    let held = &list.columns[&"hive.db.wide".parse().unwrap()];
    assert!((0.2..0.3).contains(&held.byte_share) && held.value_share > 0.95, "{held:?}");
    assert!(list.bytes() < size * 6 / 10, "{} of {}", list.bytes(), 2 * size);
    assert_eq!((report.columns[0].columns, report.columns[0].of), (2, 8));
    let again = world.run("2026-11-19").await;
    assert_eq!(again.outcome, Some(NightOutcome::Unchanged.into()), "the same night again changes nothing");
}

#[tokio::test]
async fn queries_that_name_columns_are_enough() {
    let (world, _) = wide().await;
    // As engines write them: a field of a struct, a partition key, capitals.
    query_events(&world, 30, &["ID", "price.amount", "d"], 40_000_000);
    world.run("2026-11-19").await;
    assert_eq!(columns_of(&list(&world).await), ["id", "price"]);
}

/// Two partitions of which `id` is read twenty times as often as `price`, and so much else that is read, less often than `id`
/// and more often than `price`, that not all of it fits beside both columns or one of them.
async fn wide_and_read_in_part() -> World {
    let (mut world, size) = wide().await;
    log_reads(&world, "2026-11-19", size, [20, 1]).await;
    for d in 1..=3 {
        world.reads("2026-11-19", &format!("t{d}.parquet"), &format!("d={d}"), 5);
    }
    // A quarter of each wide partition, and one of the others.
    world.night.settings.budget = ByteSize(size / 2 + 1_200_000);
    world
}

#[tokio::test]
async fn a_column_that_earns_less_than_its_place_is_left_where_nothing_says_that_it_is_read_with_others() {
    let world = wide_and_read_in_part().await;
    world.run("2026-11-19").await;
    assert_eq!(columns_of(&list(&world).await), ["id"]);
}

#[tokio::test]
async fn columns_that_queries_always_name_together_are_held_together() {
    let world = wide_and_read_in_part().await;
    query_events(&world, 20, &["price", "id"], 2);
    world.run("2026-11-19").await;
    let list = list(&world).await;
    assert_eq!(columns_of(&list), ["id", "price"], "{list:?}");
    let (columns, _) = world.night.store.column_shares(day("2026-11-19"), day("2026-11-19")).await.unwrap();
    let shares = &columns[&"hive.db.wide".parse().unwrap()];
    let grouped: Vec<&str> =
        shares.iter().filter(|share| share.group.as_deref() == Some("id")).map(|share| share.column.as_str()).collect();
    assert_eq!(grouped, ["id", "price"], "{shares:?}");
}

#[tokio::test]
async fn ranges_of_another_version_say_nothing_of_columns() {
    let (world, size) = wide().await;
    log_reads(&world, "2026-11-19", size, [20, 20]).await;
    for d in 1..=2 {
        let path = ObjectPath::from(format!("raw/db/wide/d={d}/f.parquet"));
        world.origin.put(&path, parquet_of(COLUMNS, 100_001).into()).await.unwrap();
    }
    world.run("2026-11-19").await;
    let list = list(&world).await;
    assert!(list.columns.is_empty() && !list.items.is_empty(), "{list:?}");
}

#[tokio::test]
async fn a_pin_holds_all_columns_of_its_table() {
    let (world, size) = wide().await;
    log_reads(&world, "2026-11-19", size, [20, 20]).await;
    let ruling = Ruling { kind: RulingKind::Pin, by: "ana".into(), because: "the board looks at all of it".into() };
    let target = "hive.db.wide/d=1".parse().unwrap();
    let decision = Decision { target, ruling, decided: time("2026-11-19T08:00:00Z") };
    world.night.store.decide(&decision).await.unwrap();
    world.run("2026-11-19").await;
    let list = list(&world).await;
    assert!(list.columns.is_empty(), "{list:?}");
    assert_eq!(list.items[0].bytes, size);
}
