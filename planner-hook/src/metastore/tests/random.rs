//! Messages by seeds: of any values, and broken in any way.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::made::{Message, Value, partition, storage, table, text};
use super::{COLD, HOT, WHOLE, pass, to_cache, to_origin, try_pass};
use crate::metastore::stream::Side;
use crate::metastore::thrift::Kind;

const NAMES: [&str; 6] =
    ["get_table", "get_partitions", "get_partitions_pspec", "create_table", "add_partitions_req", "something_else"];

/// Any value, often one that the metastore has.
fn value(rng: &mut ChaCha8Rng, depth: usize) -> Value {
    let place = *[HOT, COLD, WHOLE, "", "no place"].choose(rng).expect("some");
    let below = |rng: &mut ChaCha8Rng| value(rng, depth + 1);
    match rng.random_range(0..if depth > 4 { 8 } else { 15 }) {
        0 => Value::Bool(rng.random()),
        1 => Value::Byte(rng.random()),
        2 => Value::I16(rng.random()),
        3 => Value::I32(rng.random()),
        4 => Value::I64(rng.random()),
        5 => Value::Double(rng.random()),
        6 => text(place),
        7 => Value::Bytes((0..rng.random_range(0..40)).map(|_| rng.random()).collect()),
        8 | 9 => Value::Struct((0..rng.random_range(0..6)).map(|_| (rng.random_range(0..13), below(rng))).collect()),
        10 => {
            let one = below(rng);
            Value::List(vec![one; rng.random_range(0..4)])
        }
        11 => {
            let one = below(rng);
            Value::Set(vec![one; rng.random_range(0..3)])
        }
        12 => {
            let (key, one) = (below(rng), below(rng));
            Value::Map(vec![(key, one); rng.random_range(0..3)])
        }
        13 => table(storage(place), &[], ["VIRTUAL_VIEW", "MANAGED_TABLE"].choose(rng).expect("some")),
        _ => partition(place),
    }
}

fn messages(rng: &mut ChaCha8Rng) -> Vec<Message> {
    let message = |rng: &mut ChaCha8Rng| {
        let result = match rng.random_range(0..3) {
            0 => Value::List(
                (0..rng.random_range(0..5)).map(|_| partition([HOT, COLD][rng.random_range(0..2)])).collect(),
            ),
            1 => table(storage(WHOLE), &[], "MANAGED_TABLE"),
            _ => value(rng, 0),
        };
        let kind = *[Kind::Reply, Kind::Reply, Kind::Call, Kind::Exception, Kind::OneWay].choose(rng).expect("some");
        let name = (*NAMES.choose(rng).expect("some")).to_owned();
        Message { kind, name, body: Value::Struct(vec![(rng.random_range(0..2), result)]) }
    };
    (0..rng.random_range(1..5)).map(|_| message(rng)).collect()
}

fn bytes(rng: &mut ChaCha8Rng) -> (Vec<u8>, bool) {
    let (strict, framed) = (rng.random_bool(0.7), rng.random_bool(0.5));
    (messages(rng).iter().flat_map(|message| message.bytes(strict, framed)).collect(), framed)
}

#[test]
fn without_rewriting_what_comes_out_is_what_went_in() {
    for seed in 0..3000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (input, _) = bytes(&mut rng);
        let piece = rng.random_range(1..200);
        for side in [Side::Requests, Side::Answers] {
            let (out, passed, _) = pass(side, None, &input, piece);
            assert!(out == input && passed.not_understood.is_none(), "seed {seed}: {:?}", passed.not_understood);
        }
    }
}

#[test]
fn to_the_cache_and_back_again_is_what_went_in() {
    let mut rewritten = 0;
    for seed in 0..3000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (input, _) = bytes(&mut rng);
        let (there, passed, _) = pass(Side::Answers, to_cache(), &input, rng.random_range(1..200));
        let (back, _, _) = pass(Side::Requests, to_origin(), &there, rng.random_range(1..200));
        assert!(back == input, "seed {seed}");
        rewritten += passed.rewritten;
        assert_eq!(there == input, passed.rewritten == 0, "seed {seed}");
    }
    assert!(rewritten > 100, "only {rewritten} locations were rewritten");
}

#[test]
fn cut_off_at_any_byte_it_passes_as_far_as_it_came() {
    for seed in 0..30 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (input, _) = bytes(&mut rng);
        for end in 0..input.len().min(3000) {
            let (out, _, _) = pass(Side::Answers, None, &input[..end], 64);
            assert!(out == input[..end], "seed {seed}, cut at {end}");
            let (there, _, _) = pass(Side::Answers, to_cache(), &input[..end], 64);
            let (back, _, _) = pass(Side::Requests, to_origin(), &there, 64);
            assert!(back == input[..end], "seed {seed}, cut at {end}");
        }
    }
}

/// Breaks some bytes.
fn broken(mut input: Vec<u8>, rng: &mut ChaCha8Rng) -> Vec<u8> {
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..input.len());
        match rng.random_range(0..4) {
            0 => input[at] = rng.random(),
            1 => input[at] = [0, 0x7f, 0x80, 0xff][rng.random_range(0..4)],
            2 => drop(input.drain(at..(at + rng.random_range(1..9)).min(input.len()))),
            _ => input.insert(at, rng.random()),
        }
        if input.is_empty() {
            input.push(0x80);
        }
    }
    input
}

#[test]
fn broken_in_any_way_nothing_is_lost_and_nothing_added() {
    let mut rewritten = [0, 0];
    for seed in 0..20_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (whole, _) = bytes(&mut rng);
        // What a client says that was told of the cache.
        let (said, _, _) = pass(Side::Answers, to_cache(), &whole, 200);
        let piece = rng.random_range(1..200);
        for (at, (side, rewrite, input)) in
            [(Side::Answers, to_cache(), whole), (Side::Requests, to_origin(), said)].into_iter().enumerate()
        {
            let input = broken(input, &mut rng);
            let (out, _, _) = pass(side, None, &input, piece);
            assert!(out == input, "seed {seed}, {side:?}");
            let Ok((out, passed, _)) = try_pass(side, rewrite, &input, piece) else {
                // A broken length: what cannot be mapped back must not be told.
                assert_eq!(side, Side::Requests, "seed {seed}");
                continue;
            };
            // A location is longer in the cache than at the origin by as much as the bucket's name and folder differ.
            let differs = passed.rewritten as usize * ("raw/hive".len().abs_diff("warehouse".len()));
            assert_eq!(out.len().abs_diff(input.len()), differs, "seed {seed}, {side:?}");
            rewritten[at] += passed.rewritten;
        }
    }
    assert!(rewritten.iter().all(|count| *count > 100), "{rewritten:?} locations were rewritten");
}
