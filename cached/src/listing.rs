//! Listings reused for a configured time. Any write through Larder to a bucket ends all of its listings. What a listing
//! says of objects is remembered as their metadata, so that a read that follows asks nothing more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use moka::future::Cache;
use parking_lot::RwLock;

use crate::metadata::Metadata;
use crate::origin::{ListPage, ListRequest, Origin, OriginError};

/// Entries of all remembered pages together.
const ENTRIES_MAX: u64 = 1_000_000;

#[derive(Debug, PartialEq, Eq, Hash)]
struct PageKey {
    bucket: String,
    /// The number of writes to the bucket when the page was asked for.
    writes: u64,
    request: ListRequest,
}

/// Pages by bucket and request.
#[derive(Debug)]
pub(crate) struct Listings {
    metadata: Arc<Metadata>,
    pages: Cache<PageKey, (Instant, Arc<ListPage>)>,
    writes: RwLock<HashMap<String, u64>>,
}

impl Listings {
    pub(crate) fn new(metadata: Arc<Metadata>) -> Self {
        let weight = |_: &PageKey, (_, page): &(Instant, Arc<ListPage>)| {
            u32::try_from(1 + page.entries.len() + page.common_prefixes.len()).unwrap_or(u32::MAX)
        };
        let pages = Cache::builder().weigher(weight).max_capacity(ENTRIES_MAX).build();
        Self { metadata, pages, writes: RwLock::default() }
    }

    /// A page, from the origin or from a time that the bucket's rule allows.
    pub(crate) async fn page(&self, origin: &Origin, request: &ListRequest) -> Result<Arc<ListPage>, OriginError> {
        if origin.list_cache().is_zero() {
            return self.ask(origin, request, Instant::now()).await;
        }
        let writes = self.writes.read().get(origin.name()).copied().unwrap_or(0);
        let key = PageKey { bucket: origin.name().to_owned(), writes, request: request.clone() };
        if let Some((asked, page)) = self.pages.get(&key).await
            && asked.elapsed() <= origin.list_cache()
        {
            return Ok(page);
        }
        let asked = Instant::now();
        let page = self.ask(origin, request, asked).await?;
        // A write that came meanwhile has raised the count, so this page is never found again.
        self.pages.insert(key, (asked, Arc::clone(&page))).await;
        Ok(page)
    }

    async fn ask(&self, origin: &Origin, request: &ListRequest, asked: Instant) -> Result<Arc<ListPage>, OriginError> {
        let epoch = self.metadata.epoch();
        let page = origin.list(request).await?;
        self.metadata.learn(origin, &page.entries, asked, epoch).await;
        Ok(Arc::new(page))
    }

    /// Ends a bucket's listings.
    pub(crate) fn forget(&self, bucket: &str) {
        *self.writes.write().entry(bucket.to_owned()).or_default() += 1;
    }
}
