//! Listings reused for a time: a configured one, or within whitelisted folders that of the bucket's freshness rule. Any
//! write through Larder to a bucket ends all of its listings, and so does a new whitelist. What a listing says of objects
//! is remembered as their metadata, so that a read that follows asks nothing more. A folder that a preload has listed whole
//! answers the listings within it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_model::Clock;
use moka::future::Cache;
use parking_lot::RwLock;

use crate::engine::Engine;
use crate::metadata::Metadata;
use crate::origin::{ListPage, ListRequest, Origin, OriginError, cut_page};
use crate::settings::Consistency;

/// Entries of all remembered pages together.
const ENTRIES_MAX: u64 = 250_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

    /// Every object below a prefix, by key, asked of the origin now. If the prefix is a folder, listings within it are
    /// answered from that for as long as the bucket's rules allow.
    pub(crate) async fn list_whole(&self, origin: &Origin, prefix: &str) -> Result<Arc<ListPage>, OriginError> {
        let (named, whitelist) = self.names_all(origin.name(), prefix);
        let age_max = age_max(origin.consistency(), origin.list_cache(), named);
        self.listings.whole(origin, prefix, age_max, whitelist).await
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
        let key = self.key(origin, request.clone(), whitelist);
        if let Some(page) = self.known(&key, age_max).await {
            // What it says of objects is as old as it is, and was remembered when it came.
            return Ok(page);
        }
        self.ask(origin, key, age_max, origin.list(request)).await
    }

    async fn whole(
        &self,
        origin: &Origin,
        prefix: &str,
        age_max: Duration,
        whitelist: u64,
    ) -> Result<Arc<ListPage>, OriginError> {
        let walk = async { Ok(ListPage { entries: origin.walk(prefix).await?, ..ListPage::default() }) };
        self.ask(origin, self.key(origin, all_below(prefix), whitelist), age_max, walk).await
    }

    fn key(&self, origin: &Origin, request: ListRequest, whitelist: u64) -> PageKey {
        let writes = self.writes.read().get(origin.name()).copied().unwrap_or(0);
        PageKey { bucket: origin.name().to_owned(), writes, whitelist, request }
    }

    /// A page that was asked for at most so long ago, or can be cut from the whole of a folder that was.
    async fn known(&self, key: &PageKey, age_max: Duration) -> Option<Arc<ListPage>> {
        if age_max.is_zero() {
            return None;
        }
        let now = self.clock.instant();
        let young = |(asked, page)| (now.saturating_duration_since(asked) <= age_max).then_some(page);
        if let Some(page) = self.pages.get(key).await.and_then(young) {
            return Some(page);
        }
        // A page behind the first begins where the origin says so.
        if key.request.token.is_some() {
            return None;
        }
        for (end, _) in key.request.prefix.rmatch_indices('/') {
            let whole = PageKey { request: all_below(&key.request.prefix[..=end]), ..key.clone() };
            if let Some(whole) = self.pages.get(&whole).await.and_then(young) {
                let page = cut_page(&whole.entries, &key.request);
                return page.next.is_none().then(|| Arc::new(page));
            }
        }
        None
    }

    /// The origin's answer, which is remembered if it may be used again.
    async fn ask(
        &self,
        origin: &Origin,
        key: PageKey,
        age_max: Duration,
        answer: impl Future<Output = Result<ListPage, OriginError>>,
    ) -> Result<Arc<ListPage>, OriginError> {
        let (epoch, asked, now) = (self.metadata.epoch(), Instant::now(), self.clock.instant());
        let page = Arc::new(answer.await?);
        self.metadata.learn(origin, &page.entries, asked, epoch).await;
        if !age_max.is_zero() {
            // A write that came meanwhile has raised the count, so this page is never found again.
            self.pages.insert(key, (now, Arc::clone(&page))).await;
        }
        Ok(page)
    }

    /// Ends a bucket's listings.
    pub(crate) fn forget(&self, bucket: &str) {
        *self.writes.write().entry(bucket.to_owned()).or_default() += 1;
    }
}

/// What the whole of a folder is remembered by: a page without end.
fn all_below(prefix: &str) -> ListRequest {
    ListRequest { prefix: prefix.to_owned(), keys_max: usize::MAX, ..ListRequest::default() }
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
