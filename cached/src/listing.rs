//! Listings reused for a time: a configured one, or within whitelisted folders that of the bucket's freshness rule. Any
//! write through Larder to a bucket ends all of its listings, and so does a new whitelist. What a listing says of objects
//! is remembered as their metadata, so that a read that follows asks nothing more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_model::Clock;
use moka::future::Cache;
use parking_lot::RwLock;

use crate::engine::Engine;
use crate::metadata::Metadata;
use crate::origin::{ListPage, ListRequest, Origin, OriginError};
use crate::settings::Consistency;

/// Entries of all remembered pages together.
const ENTRIES_MAX: u64 = 250_000;

#[derive(Debug, PartialEq, Eq, Hash)]
struct PageKey {
    bucket: String,
    /// The number of writes to the bucket when the page was asked for.
    writes: u64,
    /// The whitelist in force when the page was asked for.
    whitelist: u64,
    request: ListRequest,
}

/// Pages by bucket and request.
#[derive(Debug)]
pub(crate) struct Listings {
    metadata: Arc<Metadata>,
    clock: Arc<dyn Clock>,
    /// Each with the time at which it was asked for.
    pages: Cache<PageKey, (Instant, Arc<ListPage>)>,
    writes: RwLock<HashMap<String, u64>>,
}

impl Engine {
    /// A page of keys, from the origin or from as long ago as the bucket's rules allow.
    pub(crate) async fn list(&self, origin: &Origin, request: &ListRequest) -> Result<Arc<ListPage>, OriginError> {
        let (named, whitelist) = self.names_all(origin.name(), &request.prefix);
        let age_max = age_max(origin.consistency(), origin.list_cache(), named);
        self.listings.page(origin, request, age_max, whitelist).await
    }
}

/// How old a listing may be, which is of objects in one whitelisted folder or is not.
fn age_max(consistency: Consistency, list_cache: Duration, named: bool) -> Duration {
    match consistency {
        Consistency::Revalidate(limit) if named => limit.max(list_cache),
        // That objects never change does not say that none are added.
        Consistency::Revalidate(_) | Consistency::Immutable | Consistency::Strict => list_cache,
    }
}

impl Listings {
    pub(crate) fn new(metadata: Arc<Metadata>, clock: Arc<dyn Clock>) -> Self {
        let weight = |_: &PageKey, (_, page): &(Instant, Arc<ListPage>)| {
            u32::try_from(1 + page.entries.len() + page.common_prefixes.len()).unwrap_or(u32::MAX)
        };
        let pages = Cache::builder().weigher(weight).max_capacity(ENTRIES_MAX).build();
        Self { metadata, clock, pages, writes: RwLock::default() }
    }

    async fn page(
        &self,
        origin: &Origin,
        request: &ListRequest,
        age_max: Duration,
        whitelist: u64,
    ) -> Result<Arc<ListPage>, OriginError> {
        if age_max.is_zero() {
            return self.ask(origin, request).await;
        }
        let writes = self.writes.read().get(origin.name()).copied().unwrap_or(0);
        let key = PageKey { bucket: origin.name().to_owned(), writes, whitelist, request: request.clone() };
        let now = self.clock.instant();
        if let Some((asked, page)) = self.pages.get(&key).await
            && now.saturating_duration_since(asked) <= age_max
        {
            // What it says of objects is as old as it is, and was remembered when it came.
            return Ok(page);
        }
        let page = self.ask(origin, request).await?;
        // A write that came meanwhile has raised the count, so this page is never found again.
        self.pages.insert(key, (now, Arc::clone(&page))).await;
        Ok(page)
    }

    async fn ask(&self, origin: &Origin, request: &ListRequest) -> Result<Arc<ListPage>, OriginError> {
        let (epoch, asked) = (self.metadata.epoch(), Instant::now());
        let page = origin.list(request).await?;
        self.metadata.learn(origin, &page.entries, asked, epoch).await;
        Ok(Arc::new(page))
    }

    /// Ends a bucket's listings.
    pub(crate) fn forget(&self, bucket: &str) {
        *self.writes.write().entry(bucket.to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_says_how_old_a_listing_may_be() {
        let (none, minute, hour) = (Duration::ZERO, Duration::from_secs(60), Duration::from_secs(3600));
        let revalidate = Consistency::Revalidate(minute);
        assert_eq!(age_max(revalidate, none, true), minute);
        assert_eq!(age_max(revalidate, none, false), none);
        for consistency in [Consistency::Strict, Consistency::Immutable] {
            assert_eq!(age_max(consistency, none, true), none, "{consistency:?}");
        }
        // What is configured counts where it is longer.
        for consistency in [revalidate, Consistency::Strict, Consistency::Immutable] {
            assert_eq!(age_max(consistency, hour, true), hour, "{consistency:?}");
            assert_eq!(age_max(consistency, hour, false), hour, "{consistency:?}");
        }
        assert_eq!(age_max(Consistency::Revalidate(hour), minute, true), hour);
    }
}
