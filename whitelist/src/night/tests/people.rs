//! What people decide, and what the nights make of it.

use super::*;

#[tokio::test]
async fn what_is_denied_leaves_also_when_nothing_is_known_of_reads() {
    let world = World::new().await;
    let decide = async |target: &str, kind| {
        let ruling = Ruling { kind, by: "ana".into(), because: "month end".into() };
        let decision = Decision { target: target.parse().unwrap(), ruling, decided: world.night.clock.now() };
        world.night.store.decide(&decision).await.unwrap();
    };
    for item in ["hive.db.t/d=1", "hive.db.t/d=2"] {
        decide(item, RulingKind::Pin).await;
    }
    assert_eq!(world.run("2026-11-19").await.version, 1);
    for item in ["hive.db.t/d=1", "hive.db.t/d=2"] {
        decide(item, RulingKind::Deny).await;
        world.run("2026-11-19").await;
    }
    assert_eq!(world.in_force().await, Vec::<String>::new());
    let report = world.run("2026-11-19").await;
    assert!(
        report.warnings.iter().any(|warning| warning.words.contains("there are no reads in the history")),
        "{report:?}"
    );
}

#[tokio::test]
async fn people_plan_approve_pin_deny_and_roll_back() {
    let world = World::new().await;
    let (store, clock) = (&world.night.store, &*world.night.clock);
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    let (plan, report) = world.night.plan(None, "ana", &|_| ()).await.unwrap();
    assert_eq!((plan.version, report.published), (1, false));
    assert!(world.in_force().await.is_empty() && world.worker.preloads.lock().is_empty());
    let approved = approve(store, clock, 1, "bo").await.unwrap();
    assert_eq!(approved.reason, "planned by ana, approved by bo");
    assert_eq!(world.in_force().await, ["hive.db.t/d=2"]);
    assert!(approve(store, clock, 1, "bo").await.unwrap_err().to_string().contains("published before"));

    let decide = |target: &str, kind| Decision {
        target: target.parse().unwrap(),
        ruling: Ruling { kind, by: "ana".into(), because: "month end".into() },
        decided: clock.now(),
    };
    store.decide(&decide("hive.db.t/d=1", RulingKind::Pin)).await.unwrap();
    store.decide(&decide("hive.db.t/d=2", RulingKind::Deny)).await.unwrap();
    let report = world.run("2026-11-19").await;
    assert_eq!((report.version, world.in_force().await), (2, vec!["hive.db.t/d=1".to_owned()]));
    let in_force = store.whitelist_in_force().await.unwrap();
    let explained = explain(store, in_force.as_ref(), &"hive.db.t".parse().unwrap()).await.unwrap();
    let reasons: Vec<(String, bool, &str)> = explained
        .items
        .iter()
        .map(|item| (item.item.partition.clone(), item.whitelisted, item.reason.as_str()))
        .collect();
    assert_eq!(reasons[0], ("d=2".into(), false, "denied by ana because month end"));
    assert_eq!(reasons[1], ("d=1".into(), true, "pinned by ana because month end"));
    assert!(reasons[2].2.starts_with("no value"), "{reasons:?}");

    let back = rollback(store, clock, 1, "bo").await.unwrap();
    assert_eq!((back.version, back.reason.as_str()), (3, "rolled back to version 1 by bo"));
    assert_eq!(world.in_force().await, ["hive.db.t/d=2"]);
    assert!(rollback(store, clock, 9, "bo").await.unwrap_err().to_string().contains("no such version"));
    let (stale, _) = world.night.plan(None, "ana", &|_| ()).await.unwrap();
    world.run("2026-11-19").await;
    let error = approve(store, clock, stale.version, "bo").await.unwrap_err();
    assert!(error.to_string().contains("a newer version was published since"), "{error}");
}
