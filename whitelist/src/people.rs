//! What people do: pins and denies, approvals, going back. Each is done and recorded with who, when and why.

use larder_model::{Clock, ItemName, Whitelist};

use crate::choice::{Ruling, RulingKind};
use crate::publish;
use crate::store::{Activity, Decision, Deed, Store, StoreError};

/// Who acts, and why.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// Their name.
    pub who: &'a str,
    /// Their reason, in their own words.
    pub because: &'a str,
}

impl Actor<'_> {
    async fn record(self, store: &Store, clock: &dyn Clock, what: Deed, target: String) -> Result<(), StoreError> {
        let (who, because) = (self.who.to_owned(), self.because.to_owned());
        store.record(&Activity { at: clock.now(), who, what, target, because }).await
    }
}

/// Pins or denies an item or a whole table, from the next night on.
pub async fn decide(
    store: &Store,
    clock: &dyn Clock,
    actor: Actor<'_>,
    target: ItemName,
    kind: RulingKind,
) -> Result<Decision, StoreError> {
    let ruling = Ruling { kind, by: actor.who.to_owned(), because: actor.because.to_owned() };
    let decision = Decision { target, ruling, decided: clock.now() };
    store.decide(&decision).await?;
    let deed = match kind {
        RulingKind::Pin => Deed::Pin,
        RulingKind::Deny => Deed::Deny,
    };
    actor.record(store, clock, deed, decision.target.to_string()).await?;
    Ok(decision)
}

/// Takes a decision back; says whether there was one.
pub async fn undecide(
    store: &Store,
    clock: &dyn Clock,
    actor: Actor<'_>,
    target: &ItemName,
) -> Result<bool, StoreError> {
    let was = store.undecide(target).await?;
    if was {
        actor.record(store, clock, Deed::Undecide, target.to_string()).await?;
    }
    Ok(was)
}

/// Puts a proposed version in force.
pub async fn approve(
    store: &Store,
    clock: &dyn Clock,
    actor: Actor<'_>,
    version: u64,
) -> Result<Whitelist, StoreError> {
    let published = publish::approve(store, clock, version, actor.who).await?;
    actor.record(store, clock, Deed::Approve, version.to_string()).await?;
    Ok(published)
}

/// Publishes the items of an earlier version again.
pub async fn rollback(store: &Store, clock: &dyn Clock, actor: Actor<'_>, to: u64) -> Result<Whitelist, StoreError> {
    let published = publish::rollback(store, clock, to, actor.who).await?;
    actor.record(store, clock, Deed::Rollback, to.to_string()).await?;
    Ok(published)
}

/// Records that somebody had a night run or planned out of turn.
pub async fn asked_for_a_night(
    store: &Store,
    clock: &dyn Clock,
    actor: Actor<'_>,
    plan: bool,
) -> Result<(), StoreError> {
    actor.record(store, clock, if plan { Deed::Plan } else { Deed::Night }, String::new()).await
}

#[cfg(test)]
mod tests {
    use larder_model::ManualClock;

    use super::*;
    use crate::store::tests::scratch;
    use crate::test_support::time;

    #[tokio::test]
    async fn what_people_do_is_recorded_with_who_when_and_why() {
        let (_folder, store) = scratch().await;
        let clock = ManualClock::new(time("2026-11-20T09:00:00Z"));
        let target: ItemName = "a.b.t".parse().unwrap();
        let actor = Actor { who: "ops", because: "the Monday report" };
        decide(&store, &clock, actor, target.clone(), RulingKind::Pin).await.unwrap();
        clock.set(time("2026-11-20T10:00:00Z"));
        assert!(undecide(&store, &clock, actor, &target).await.unwrap());
        assert!(!undecide(&store, &clock, actor, &target).await.unwrap(), "there is nothing left to take back");
        assert!(rollback(&store, &clock, actor, 7).await.is_err(), "what was refused is not recorded");
        let deeds = store.activity(10).await.unwrap();
        let deeds: Vec<_> = deeds.iter().map(|deed| (deed.what, deed.target.as_str(), deed.who.as_str())).collect();
        assert_eq!(deeds, [(Deed::Undecide, "a.b.t", "ops"), (Deed::Pin, "a.b.t", "ops")]);
        assert_eq!(store.activity(1).await.unwrap()[0].because, "the Monday report");
    }
}
