//! Small choices with known answers, and properties over many random ones.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Not held, and loaded for nothing.
pub(super) fn candidate(name: &str, bytes: u64, value_seconds: f64) -> Candidate {
    let item = format!("a.b.{name}").parse().unwrap();
    Candidate { item, bytes, value_seconds, load_seconds: 0.0, held: false, ruling: None }
}

pub(super) fn ruled_by(kind: RulingKind, candidate: Candidate) -> Candidate {
    let ruling = Ruling { kind, by: "ana".into(), because: "month end".into() };
    Candidate { ruling: Some(ruling), ..candidate }
}

pub(super) fn taken(candidates: &[Candidate], choice: &Choice) -> Vec<String> {
    choice.taken.iter().map(|at| candidates[*at].item.table.table().to_owned()).collect()
}

fn reason(candidates: &[Candidate], choice: &Choice, at: usize) -> String {
    capped_reason(candidates, choice, &Caps::default(), at)
}

fn capped_reason(candidates: &[Candidate], choice: &Choice, caps: &Caps, at: usize) -> String {
    Reason { candidate: &candidates[at], verdict: &choice.verdicts[at], caps, of: candidates.len() }.to_string()
}

#[test]
fn the_densest_come_first_and_what_does_not_fit_is_passed_over() {
    let candidates = [
        candidate("big", 80, 160.0),
        candidate("dense", 30, 300.0),
        candidate("small", 10, 5.0),
        candidate("huge", 500, 1e4),
    ];
    let choice = choose(&candidates, 100);
    assert_eq!(taken(&candidates, &choice), ["dense", "small"]);
    assert_eq!((choice.taken_bytes, choice.taken_value_seconds, choice.cut_density), (40, 305.0, 0.5));
    assert_eq!(
        reason(&candidates, &choice, 0),
        "saves 160.0 s, rank 3 of 4 by value per byte, below the cut: 80 B do not fit into 70 B left"
    );
    assert_eq!(reason(&candidates, &choice, 1), "saves 300.0 s, rank 2 of 4 by value per byte, above the cut");
    assert!(reason(&candidates, &choice, 3).ends_with("but its 500 B are more than the whole budget"));
}

#[test]
fn people_decide_before_value_does() {
    let candidates = [
        ruled_by(RulingKind::Deny, candidate("denied", 10, 1e6)),
        ruled_by(RulingKind::Pin, candidate("pinned", 60, 0.0)),
        candidate("dense", 50, 500.0),
        ruled_by(RulingKind::Pin, candidate("late", 50, 0.0)),
        ruled_by(RulingKind::Pin, candidate("gone", 0, 0.0)),
    ];
    let choice = choose(&candidates, 100);
    assert_eq!(taken(&candidates, &choice), ["dense", "late"], "of two pins that tie, the first by name has its space");
    let choice = choose(&candidates, 110);
    assert_eq!(taken(&candidates, &choice), ["late", "pinned"]);
    assert_eq!(reason(&candidates, &choice, 0), "denied by ana because month end");
    assert_eq!(reason(&candidates, &choice, 1), "pinned by ana because month end");
    assert!(reason(&candidates, &choice, 2).contains("below the cut"));
    assert!(reason(&candidates, &choice, 4).ends_with("but the origin holds no bytes of it"));
    let choice = choose(&candidates, 55);
    assert!(reason(&candidates, &choice, 1).ends_with("but 60 B do not fit into 5 B left"));
}

#[test]
fn the_cut_is_the_price_of_space() {
    let candidates = [candidate("a", 10, 30.0), candidate("b", 10, 20.0), candidate("c", 10, 0.0)];
    assert_eq!(choose(&candidates, 100).cut_density, 0.0, "everything of value fitted");
    assert_eq!(choose(&candidates, 10).cut_density, 3.0);
    assert_eq!(choose(&candidates, 0).cut_density, 3.0, "no room at all: dearer than the best left out");
    assert_eq!(choose(&[], 10), Choice::default());
    assert!(reason(&candidates, &choose(&candidates, 10), 2).starts_with("no value"));
}

#[test]
fn a_choice_depends_on_nothing_but_its_input() {
    for seed in 0..200 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut candidates: Vec<Candidate> = (0..random.random_range(0..12))
            .map(|i| {
                let made = candidate(&format!("t{i}"), random.random_range(0..6), f64::from(random.random_range(0..5)));
                match random.random_range(0..8) {
                    0 => ruled_by(RulingKind::Pin, made),
                    1 => ruled_by(RulingKind::Deny, made),
                    _ => made,
                }
            })
            .collect();
        let budget = random.random_range(0..25);
        let choice = choose(&candidates, budget);
        let bytes: u64 = choice.taken.iter().map(|at| candidates[*at].bytes).sum();
        assert!(bytes == choice.taken_bytes && bytes <= budget, "seed {seed}");
        assert!(choice.taken.iter().all(|at| choice.verdicts[*at].outcome != Outcome::Denied), "seed {seed}");
        assert!(choice.cut_density.is_finite() && choice.cut_density >= 0.0, "seed {seed}");
        let before = taken(&candidates, &choice);
        candidates.reverse();
        assert_eq!(before, taken(&candidates, &choose(&candidates, budget)), "seed {seed}");
    }
}

#[test]
fn a_table_takes_no_more_than_its_cap_nor_an_owner_than_theirs() {
    let tables = |patterns: &[&str]| patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
    let caps = Caps(vec![
        Cap { of: CapOf::Table, tables: tables(&["a.b.t*"]), bytes: 50 },
        Cap { of: CapOf::Owner("web".into()), tables: tables(&["a.b.t2", "a.b.u"]), bytes: 60 },
    ]);
    let part = |name: &str, bytes, value| {
        let made = candidate("x", bytes, value);
        Candidate { item: format!("a.b.{name}").parse().unwrap(), ..made }
    };
    let candidates = [
        part("t1/d=1", 40, 400.0),
        part("t1/d=2", 40, 390.0),
        part("t1/d=3", 10, 10.0),
        part("t2/d=1", 40, 380.0),
        part("u", 30, 200.0),
        part("free", 200, 100.0),
    ];
    let choice = Ranking::with_caps(&candidates, &caps).choose(1000);
    let names: Vec<String> = choice.taken.iter().map(|at| candidates[*at].item.to_string()).collect();
    assert_eq!(names, ["a.b.t1/d=1", "a.b.t2/d=1", "a.b.t1/d=3", "a.b.free"], "each table has its own cap");
    assert_eq!(choice.cut_density, 0.0, "a cap says nothing about the price of space");
    let reason = |at| capped_reason(&candidates, &choice, &caps, at);
    assert!(
        reason(1).ends_with("but its table's cap of 50 B is full: 40 B do not fit into 10 B left"),
        "{}",
        reason(1)
    );
    assert!(reason(4).ends_with("but the cap of 60 B of its owner web is full: 30 B do not fit into 20 B left"));

    // A pin stands above the cap, and uses it up.
    let mut pinned = candidates.to_vec();
    pinned[1] = ruled_by(RulingKind::Pin, pinned[1].clone());
    let choice = Ranking::with_caps(&pinned, &caps).choose(1000);
    assert_eq!(choice.verdicts[1].outcome, Outcome::Pinned);
    assert_eq!(choice.verdicts[0].outcome, Outcome::Capped { cap: 0, left: 10 });
}

#[test]
fn what_saves_less_than_its_loading_costs_is_left_out() {
    let costly = Candidate { load_seconds: 9.0, ..candidate("costly", 10, 8.0) };
    let choice = choose(std::slice::from_ref(&costly), 100);
    assert_eq!(choice.verdicts[0].outcome, Outcome::NotWorthLoading);
    assert_eq!(
        reason(&[costly], &choice, 0),
        "saves 8.0 s for 9.0 s of loading, rank 1 of 1 by value per byte, but that is less than loading it costs"
    );
}
