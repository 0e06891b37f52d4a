//! Messages made by hand and by seeds, through both directions in pieces of every size.

mod made;
mod proxy;
mod random;

use std::sync::Arc;

use larder_model::{LocationIndex, Whitelist};

use self::made::{Message, Value, map, partition, reply, request, storage, table, text};
use super::rewrite::{Places, Rewrite};
use super::stream::{NotUnderstood, Passed, Side, Stream, TooLarge, frames_room};
use super::thrift::Kind;
use crate::resolve::ResolveBucket;

/// `warehouse` over `s3://raw/hive` and `logs` over HDFS; the whitelist names `db/t/dt=1/` and `db/whole/` in `warehouse`.
fn buckets() -> Vec<ResolveBucket> {
    crate::resolve::tests::buckets()
}

fn whitelist() -> Whitelist {
    let mut whitelist = crate::resolve::tests::whitelist();
    let mut whole = whitelist.items[0].clone();
    whole.item = "hive.db.whole".parse().expect("an item");
    whole.locations[0].prefix = "db/whole/".into();
    whitelist.items.push(whole);
    whitelist
}

fn to_cache() -> Option<Rewrite> {
    let whitelist = whitelist();
    let index = LocationIndex::new(&whitelist);
    let places = Arc::new(Places::new(&buckets(), "s3a"));
    Some(Rewrite::ToCache(places, Arc::new((Arc::new(whitelist), index))))
}

fn to_origin() -> Option<Rewrite> {
    Some(Rewrite::ToOrigin(Arc::new(Places::new(&buckets(), "s3a"))))
}

/// What comes out of a direction that is given `input` in pieces of `piece` bytes, what it counted, and the most it held.
fn pass(side: Side, rewrite: Option<Rewrite>, input: &[u8], piece: usize) -> (Vec<u8>, Passed, usize) {
    try_pass(side, rewrite, input, piece).expect("nothing too large")
}

/// The same, of a direction that may end because a frame says that it is too large.
fn try_pass(
    side: Side,
    rewrite: Option<Rewrite>,
    input: &[u8],
    piece: usize,
) -> Result<(Vec<u8>, Passed, usize), TooLarge> {
    let mut stream = Stream::new(side, frames_room());
    let (mut all, mut total, mut held) = (Vec::new(), Passed::default(), 0);
    for piece in input.chunks(piece) {
        stream.input().extend_from_slice(piece);
        loop {
            let mut out = Vec::new();
            let more = stream.work(&|| rewrite.clone(), &mut out)?;
            all.extend_from_slice(&out);
            let passed = stream.take_passed();
            total.calls += passed.calls;
            total.answers += passed.answers;
            total.rewritten += passed.rewritten;
            total.not_understood = total.not_understood.or(passed.not_understood);
            held = held.max(stream.input().len());
            if !more {
                break;
            }
        }
    }
    stream.give_up(&mut all);
    Ok((all, total, held))
}

#[track_caller]
fn check(side: Side, rewrite: Option<Rewrite>, before: &Message, after: &Message, rewritten: u64) {
    for strict in [true, false] {
        for framed in [true, false] {
            let (before, after) = (before.bytes(strict, framed), after.bytes(strict, framed));
            for piece in [1, 7, before.len()] {
                let (out, passed, _) = pass(side, rewrite.clone(), &before, piece);
                assert_eq!(passed.not_understood, None);
                assert!(out == after, "strict {strict}, framed {framed}, in pieces of {piece}");
                assert_eq!(passed.rewritten, rewritten);
            }
        }
    }
}

#[track_caller]
fn check_answer(before: &Message, after: &Message, rewritten: u64) {
    check(Side::Answers, to_cache(), before, after, rewritten);
    check(Side::Answers, None, before, before, 0);
}

const HOT: &str = "s3a://raw/hive/db/t/dt=1";
const CACHED: &str = "s3a://warehouse/db/t/dt=1";
const COLD: &str = "s3a://raw/hive/db/t/dt=2";
const WHOLE: &str = "s3a://raw/hive/db/whole";
const WHOLE_CACHED: &str = "s3a://warehouse/db/whole";

#[test]
fn a_whitelisted_table_is_rewritten_wherever_its_location_stands() {
    let plain = |place: &str| table(storage(place), &[], "MANAGED_TABLE");
    check_answer(&reply("get_table", plain(WHOLE)), &reply("get_table", plain(WHOLE_CACHED)), 2);
    let within = |place| Value::Struct(vec![(1, plain(place))]);
    check_answer(&reply("get_table_req", within(WHOLE)), &reply("get_table_req", within(WHOLE_CACHED)), 2);
    let several = |place| Value::List(vec![plain("s3a://raw/hive/db/cold"), plain(place)]);
    for (name, wrapped) in [("get_table_objects_by_name", false), ("get_table_objects_by_name_req", true)] {
        let answer =
            |place| reply(name, if wrapped { Value::Struct(vec![(1, several(place))]) } else { several(place) });
        check_answer(&answer(WHOLE), &answer(WHOLE_CACHED), 2);
    }
}

#[test]
fn the_table_of_a_partition_that_is_whitelisted_stays() {
    let answer = reply("get_table", table(storage("s3a://raw/hive/db/t"), &[], "EXTERNAL_TABLE"));
    check_answer(&answer, &answer, 0);
}

#[test]
fn whitelisted_partitions_are_rewritten_and_others_stay() {
    let list = |places: &[&str]| Value::List(places.iter().map(|place| partition(place)).collect());
    let (before, after) = (list(&[COLD, HOT, COLD, HOT]), list(&[COLD, CACHED, COLD, CACHED]));
    for name in ["get_partitions", "get_partitions_ps", "get_partitions_by_names", "get_partitions_by_filter"] {
        check_answer(&reply(name, before.clone()), &reply(name, after.clone()), 4);
    }
    let within = |list: &Value| Value::Struct(vec![(1, list.clone()), (2, Value::Bool(false))]);
    for name in ["get_partitions_by_expr", "get_partitions_req", "add_partitions_req"] {
        check_answer(&reply(name, within(&before)), &reply(name, within(&after)), 4);
    }
    for name in ["get_partition", "get_partition_with_auth", "add_partition"] {
        check_answer(&reply(name, partition(HOT)), &reply(name, partition(CACHED)), 2);
    }
}

#[test]
fn who_may_be_about_to_write_finds_partitions_where_their_table_is() {
    let inside = format!("{WHOLE}/dt=1");
    let list = |places: &[&str]| Value::List(places.iter().map(|place| partition(place)).collect());
    let (before, after) = (list(&[HOT, COLD, &inside]), list(&[HOT, COLD, &format!("{WHOLE_CACHED}/dt=1")]));
    let name = "get_partitions_ps_with_auth";
    check_answer(&reply(name, before.clone()), &reply(name, after.clone()), 2);
    let within = |list| Value::Struct(vec![(1, list)]);
    let name = "get_partitions_ps_with_auth_req";
    check_answer(&reply(name, within(before)), &reply(name, within(after)), 2);
}

#[test]
fn partition_specs_and_skewed_folders_are_rewritten() {
    let spec = |root: &str, place: &str| {
        let shared = Value::Struct(vec![(1, Value::List(Vec::new())), (2, storage(root))]);
        let listed = Value::Struct(vec![(1, Value::List(vec![partition(place)]))]);
        Value::List(vec![Value::Struct(vec![(1, text("db")), (3, text(root)), (4, shared), (5, listed)])])
    };
    let (before, after) = (spec(WHOLE, HOT), spec(WHOLE_CACHED, CACHED));
    check_answer(&reply("get_partitions_pspec", before.clone()), &reply("get_partitions_pspec", after.clone()), 5);
    let within = |spec| Value::Struct(vec![(1, spec)]);
    let name = "get_partitions_with_specs";
    check_answer(&reply(name, within(before)), &reply(name, within(after)), 5);
    let skewed = |place: &str, folder: &str| {
        let folders = Value::Map(vec![(Value::List(vec![text("x")]), text(folder))]);
        let mut storage = storage(place);
        if let Value::Struct(fields) = &mut storage {
            fields.push((11, Value::Struct(vec![(3, folders)])));
        }
        reply("get_table", table(storage, &[], "MANAGED_TABLE"))
    };
    let folder = |place: &str| format!("{place}/x=1");
    check_answer(&skewed(WHOLE, &folder(WHOLE)), &skewed(WHOLE_CACHED, &folder(WHOLE_CACHED)), 3);
}

#[test]
fn views_and_tables_with_lists_of_files_of_their_own_are_left_alone() {
    for (parameters, kind) in [
        (&[("metadata_location", "s3a://raw/hive/db/whole/metadata/1.json")][..], "EXTERNAL_TABLE"),
        (&[("table_type", "ICEBERG")], "EXTERNAL_TABLE"),
        (&[("spark.sql.sources.provider", "delta")], "MANAGED_TABLE"),
        (&[], "VIRTUAL_VIEW"),
        (&[], "MATERIALIZED_VIEW"),
    ] {
        let left = table(storage(WHOLE), parameters, kind);
        check_answer(&reply("get_table", left.clone()), &reply("get_table", left.clone()), 0);
        // One table that is left alone says nothing of its neighbours.
        let several = |place| {
            let other = table(storage(place), &[("spark.sql.sources.provider", "parquet")], "MANAGED_TABLE");
            reply("get_table_objects_by_name", Value::List(vec![other.clone(), left.clone(), other]))
        };
        check_answer(&several(WHOLE), &several(WHOLE_CACHED), 4);
    }
}

#[test]
fn databases_unknown_calls_exceptions_and_unknown_fields_pass_as_they_are() {
    let database = Value::Struct(vec![(1, text("db")), (3, text(WHOLE)), (4, map(&[("path", WHOLE)]))]);
    let mut exception = reply("get_table", table(storage(WHOLE), &[], "MANAGED_TABLE"));
    exception.kind = Kind::Exception;
    let newer = Value::Struct(vec![(77, storage(WHOLE)), (6, text(WHOLE)), (7, Value::List(vec![text(WHOLE)]))]);
    for message in [
        reply("get_database", database),
        reply("get_everything", table(storage(WHOLE), &[], "MANAGED_TABLE")),
        reply("get_partitions", Value::List(vec![newer.clone()])),
        reply("get_table", newer),
        exception,
    ] {
        check_answer(&message, &message, 0);
    }
}

#[test]
fn requests_are_mapped_back_in_every_call_that_stores_locations() {
    let tables = |place: &str| {
        let table = || table(storage(place), &[("metadata_location", "x")], "EXTERNAL_TABLE");
        let in_request = |field| Value::Struct(vec![(1, text("db")), (field, table())]);
        vec![
            request("create_table", vec![(1, table())]),
            request("create_table_with_environment_context", vec![(1, table()), (2, Value::Struct(vec![]))]),
            request("create_table_req", vec![(1, Value::Struct(vec![(1, table())]))]),
            request("alter_table", vec![(1, text("db")), (2, text("t")), (3, table())]),
            request("alter_table_with_environment_context", vec![(1, text("db")), (2, text("t")), (3, table())]),
            request("alter_table_req", vec![(1, in_request(4))]),
            request("add_partition", vec![(1, partition(place))]),
            request("alter_partition", vec![(1, text("db")), (3, partition(place))]),
            request("rename_partition", vec![(3, Value::List(vec![text("1")])), (4, partition(place))]),
            request("rename_partition_req", vec![(1, Value::Struct(vec![(5, partition(place))]))]),
            request("add_partitions", vec![(1, Value::List(vec![partition(place)]))]),
            request("alter_partitions", vec![(3, Value::List(vec![partition(place)]))]),
            request("add_partitions_req", vec![(1, Value::Struct(vec![(3, Value::List(vec![partition(place)]))]))]),
            request("alter_partitions_req", vec![(1, Value::Struct(vec![(4, Value::List(vec![partition(place)]))]))]),
        ]
    };
    for (before, after) in tables("s3a://warehouse/new/t").iter().zip(&tables("s3a://raw/hive/new/t")) {
        check(Side::Requests, to_origin(), before, after, 2);
        check(Side::Requests, to_origin(), after, after, 0);
    }
    let event = |file: &str| {
        let data = Value::Struct(vec![(1, Value::Bool(true)), (2, Value::List(vec![text(file)]))]);
        request(
            "fire_listener_event",
            vec![(1, Value::Struct(vec![(1, Value::Bool(true)), (2, Value::Struct(vec![(1, data)]))]))],
        )
    };
    let (before, after) = (event("s3a://warehouse/db/t/f"), event("s3a://raw/hive/db/t/f"));
    check(Side::Requests, to_origin(), &before, &after, 1);
}

#[test]
fn calls_may_follow_each_other_without_waiting_and_some_have_no_answer() {
    let mut shutdown = request("shutdown", Vec::new());
    shutdown.kind = Kind::OneWay;
    let calls = [request("get_table", vec![(1, text("db"))]), shutdown, request("get_all_databases", Vec::new())];
    let answers =
        [reply("get_table", table(storage(WHOLE), &[], "X")), reply("get_all_databases", Value::List(vec![]))];
    for framed in [true, false] {
        let all = |messages: &[Message]| messages.iter().flat_map(|m| m.bytes(true, framed)).collect::<Vec<u8>>();
        for piece in [1, 5, 1000] {
            let (out, passed, _) = pass(Side::Requests, to_origin(), &all(&calls), piece);
            assert_eq!((out, passed.calls), (all(&calls), 2));
            let (_, passed, _) = pass(Side::Answers, to_cache(), &all(&answers), piece);
            assert_eq!((passed.calls, passed.answers, passed.rewritten), (0, 2, 2));
        }
    }
}

#[test]
fn a_large_answer_streams_and_a_framed_one_is_held_once() {
    let list = |place: &str| reply("get_partitions", Value::List(vec![partition(place); 50_000]));
    let (before, after) = (list(HOT), list(CACHED));
    let (out, passed, held) = pass(Side::Answers, to_cache(), &before.bytes(true, false), 64 << 10);
    assert!(out == after.bytes(true, false), "another answer");
    assert_eq!(passed.rewritten, 100_000);
    assert!(held < 64 << 10, "{held} bytes were held");
    let framed = before.bytes(true, true);
    let (out, passed, held) = pass(Side::Answers, to_cache(), &framed, 64 << 10);
    assert!(out == after.bytes(true, true), "another answer");
    assert_eq!((passed.rewritten, passed.answers), (100_000, 1));
    assert!(held <= framed.len());
}

#[test]
fn a_table_that_is_too_large_to_be_held_passes_as_it_is() {
    let huge = "x".repeat(super::stream::TABLE_BYTES_MAX);
    let several = |place| {
        let large = table(storage(WHOLE), &[("text", &huge)], "MANAGED_TABLE");
        let list = vec![table(storage(place), &[], "X"), large, table(storage(place), &[], "X")];
        reply("get_table_objects_by_name", Value::List(list)).bytes(true, false)
    };
    let (out, passed, _) = pass(Side::Answers, to_cache(), &several(WHOLE), 100_000);
    assert!(out == several(WHOLE_CACHED), "another answer");
    assert_eq!((passed.rewritten, passed.not_understood), (4, None));
}

#[test]
fn a_framed_request_that_cannot_be_held_ends_the_connection_and_an_answer_passes() {
    let create = request("create_table", vec![(1, table(storage(WHOLE_CACHED), &[], "MANAGED_TABLE"))]);
    let answer = reply("get_table", table(storage(WHOLE), &[], "MANAGED_TABLE"));
    // The begin of a frame that is as long as that.
    let too_long = |message: &Message| {
        let length = super::stream::FRAME_HELD_BYTES_MAX as i32;
        [&length.to_be_bytes()[..], &message.bytes(true, false)].concat()
    };
    // A frame that would do, where all others have left no room for it.
    let (enough, none_left) = (frames_room(), Arc::new(tokio::sync::Semaphore::new(0)));
    for (frame, room) in [(too_long(&create), &enough), (create.bytes(true, true), &none_left)] {
        let (mut stream, mut out) = (Stream::new(Side::Requests, Arc::clone(room)), Vec::new());
        stream.input().extend_from_slice(&frame);
        assert!(stream.work(&to_origin, &mut out).is_err());
        assert!(out.is_empty(), "the metastore was told of the cache");
    }
    for (frame, room) in [(too_long(&answer), &enough), (answer.bytes(true, true), &none_left)] {
        let (mut stream, mut out) = (Stream::new(Side::Answers, Arc::clone(room)), Vec::new());
        stream.input().extend_from_slice(&frame);
        assert!(!stream.work(&to_cache, &mut out).expect("answers pass"));
        assert!(out == frame, "another answer");
    }
}

#[test]
fn other_protocols_pass_as_they_are() {
    let compact = [0x82, 0x21, 0x01, 0x09, b'g', b'e', b't', b'_', b't', b'a', b'b', b'l', b'e', 0x00];
    let framed: Vec<u8> = [&[0, 0, 0, 14][..], &compact].concat();
    let sasl = [&[1, 0, 0, 0, 6][..], b"GSSAPI", &[5, 0, 0, 0, 2, 1, 2]].concat();
    for (bytes, why) in
        [(&compact[..], NotUnderstood::Compact), (&framed, NotUnderstood::Compact), (&sasl, NotUnderstood::Sasl)]
    {
        for piece in [1, 3, 100] {
            let (out, passed, _) = pass(Side::Requests, to_origin(), bytes, piece);
            assert_eq!((&out[..], passed.not_understood), (bytes, Some(why)));
        }
    }
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"\x00\x00\x00\x05\x00\x00\x00\x00\x00",
    ] {
        let (out, passed, _) = pass(Side::Requests, to_origin(), bytes, 2);
        assert_eq!(out, bytes);
        assert!(passed.not_understood.is_some());
    }
}

#[test]
fn hostile_sizes_and_depths_pass_without_being_believed() {
    let head = reply("get_partitions", Value::Bool(true)).bytes(true, false);
    let head = &head[..head.len() - 5];
    let deep = [&[12, 0, 0][..]; 100].concat();
    let lists = [&[15, 0, 0, 0, 1][..]; 100].concat();
    for tail in [
        // A list of as many structures as there can be, and of less than none.
        &[15, 0, 0, 12, 0x7f, 0xff, 0xff, 0xff][..],
        &[15, 0, 0, 12, 0xff, 0xff, 0xff, 0xff],
        &[15, 0, 0, 11, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff],
        &[11, 0, 0, 0x80, 0, 0, 0],
        &[13, 0, 0, 11, 12, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &[99, 0, 0, 1, 2, 3],
        &deep,
        &[&[15, 0, 0][..], &lists].concat(),
    ] {
        let bytes = [head, tail, &[0; 40]].concat();
        for piece in [1, 1000] {
            let (out, _, held) = pass(Side::Answers, to_cache(), &bytes, piece);
            assert_eq!(out, bytes);
            assert!(held <= bytes.len());
        }
    }
    let (_, passed, _) = pass(Side::Answers, to_cache(), &[head, &deep].concat(), 1000);
    assert_eq!(passed.not_understood, Some(NotUnderstood::Malformed(super::thrift::Malformed::Depth)));
}
