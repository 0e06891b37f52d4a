//! Listings in S3's form: keys in order, common prefixes, pages.
//!
//! Storages that list in pages do so themselves. Others (a local directory) are walked and the page is cut from the
//! sorted walk by a pure function; such a walk is bounded by [`WALK_KEYS_MAX`].

use std::collections::BTreeMap;

use futures::TryStreamExt;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;

use super::{ObjectState, Origin, OriginError};

/// A walk over more keys than this is refused.
const WALK_KEYS_MAX: usize = 1_000_000;

/// One page that a client asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ListRequest {
    /// Keys begin with this.
    pub prefix: String,
    /// Keys that go on past the first of these after the prefix are rolled up.
    pub delimiter: Option<String>,
    /// Only keys (and common prefixes) behind this one.
    pub after: Option<String>,
    /// Where the page before this one ended.
    pub token: Option<String>,
    /// At most this many keys and common prefixes together.
    pub keys_max: usize,
}

/// One page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListPage {
    /// Objects, by key.
    pub entries: Vec<ListEntry>,
    /// Rolled-up prefixes, each with the delimiter at its end.
    pub common_prefixes: Vec<String>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<String>,
}

/// One object in a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct ListEntry {
    /// The key, relative to the bucket.
    pub key: String,
    /// The object that the key names now.
    pub state: ObjectState,
}

impl Origin {
    /// One page of keys.
    pub async fn list(&self, request: &ListRequest) -> Result<ListPage, OriginError> {
        match &self.paginated {
            Some(store) => {
                let options = PaginatedListOptions {
                    offset: request.after.as_ref().map(|after| self.absolute(after)),
                    delimiter: request.delimiter.clone().map(Into::into),
                    max_keys: Some(request.keys_max),
                    page_token: request.token.clone(),
                    ..PaginatedListOptions::default()
                };
                let prefix = self.absolute(&request.prefix);
                let page = store.list_paginated(Some(&prefix), options).await?;
                let delimiter = request.delimiter.as_deref().unwrap_or_default();
                let entries = page.result.objects.into_iter().filter_map(|meta| self.entry(meta));
                Ok(ListPage {
                    // Where the storage has an object `folder/` the store says `folder`, which nobody asked for.
                    entries: entries.filter(|entry| entry.key.starts_with(&request.prefix)).collect(),
                    common_prefixes: page
                        .result
                        .common_prefixes
                        .iter()
                        .filter_map(|path| self.relative(path))
                        .map(|key| if key.ends_with(delimiter) { key } else { key + delimiter })
                        .collect(),
                    next: page.page_token,
                })
            }
            None => Ok(cut_page(&self.walk(&request.prefix).await?, request)),
        }
    }

    /// Every object below `prefix`, by key.
    pub(crate) async fn walk(&self, prefix: &str) -> Result<Vec<ListEntry>, OriginError> {
        let folder = prefix.rfind('/').map_or("", |end| &prefix[..end]);
        let folder = Path::parse(self.absolute(folder).trim_end_matches('/'))
            .map_err(|_| OriginError::InvalidKey { key: prefix.to_owned() })?;
        let folder = (!folder.as_ref().is_empty()).then_some(folder);
        let mut found = BTreeMap::new();
        let mut objects = self.store.list(folder.as_ref());
        while let Some(meta) = objects.try_next().await? {
            let Some(entry) = self.entry(meta).filter(|entry| entry.key.starts_with(prefix)) else { continue };
            found.insert(entry.key.clone(), entry);
            if found.len() > WALK_KEYS_MAX {
                return Err(OriginError::unavailable(format!("more than {WALK_KEYS_MAX} keys begin with `{prefix}`")));
            }
        }
        Ok(found.into_values().collect())
    }

    fn entry(&self, mut meta: object_store::ObjectMeta) -> Option<ListEntry> {
        let key = self.relative(&meta.location)?;
        if self.lists_bare_etags {
            meta.e_tag = meta.e_tag.map(|etag| format!("\"{}\"", etag.trim_matches('"')));
        }
        Some(ListEntry { key, state: ObjectState::new(&meta) })
    }

    fn absolute(&self, key: &str) -> String {
        if self.prefix.as_ref().is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) }
    }

    /// The key of a path; `None` for what is not below the bucket's prefix.
    fn relative(&self, path: &Path) -> Option<String> {
        let rest = path.as_ref().strip_prefix(self.prefix.as_ref())?;
        let rest = if self.prefix.as_ref().is_empty() { rest } else { rest.strip_prefix('/')? };
        (!rest.is_empty()).then(|| rest.to_owned())
    }
}

/// Cuts a page from entries that are sorted by key.
pub(crate) fn cut_page(sorted: &[ListEntry], request: &ListRequest) -> ListPage {
    let mut page = ListPage::default();
    let begin = [&request.after, &request.token].into_iter().flatten().max();
    let mut last = begin.cloned().unwrap_or_default();
    let before = |entry: &ListEntry| entry.key < request.prefix || begin.is_some_and(|begin| entry.key <= *begin);
    let behind = &sorted[sorted.partition_point(before)..];
    for entry in behind.iter().take_while(|entry| entry.key.starts_with(&request.prefix)) {
        let key = &entry.key;
        let delimiter = request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let rolled = delimiter.and_then(|delimiter| {
            let end = key[request.prefix.len()..].find(delimiter)?;
            Some(&key[..request.prefix.len() + end + delimiter.len()])
        });
        // A page that ended with a common prefix goes on behind all keys that it rolled up.
        if rolled.is_some_and(|prefix| prefix == last || page.common_prefixes.last().is_some_and(|p| p == prefix)) {
            continue;
        }
        if page.entries.len() + page.common_prefixes.len() >= request.keys_max {
            page.next = Some(last);
            return page;
        }
        match rolled {
            Some(prefix) => {
                page.common_prefixes.push(prefix.to_owned());
                prefix.clone_into(&mut last);
            }
            None => {
                page.entries.push(entry.clone());
                key.clone_into(&mut last);
            }
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> Vec<ListEntry> {
        let entry = |key: &str| {
            let meta = object_store::ObjectMeta {
                location: key.into(),
                last_modified: chrono::DateTime::UNIX_EPOCH,
                size: 1,
                e_tag: None,
                version: None,
            };
            ListEntry { key: key.to_owned(), state: ObjectState::new(&meta) }
        };
        keys.iter().map(|key| entry(key)).collect()
    }

    fn pages(sorted: &[ListEntry], mut request: ListRequest) -> Vec<(Vec<String>, Vec<String>)> {
        let mut all = Vec::new();
        loop {
            let page = cut_page(sorted, &request);
            all.push((page.entries.into_iter().map(|e| e.key).collect(), page.common_prefixes));
            match page.next {
                Some(next) => request.token = Some(next),
                None => return all,
            }
        }
    }

    #[test]
    fn pages_meet_without_gap_or_overlap() {
        let sorted = keys(&["a", "b/1", "b/2", "b/3", "c", "d/1", "e"]);
        for keys_max in 1..8 {
            let request = ListRequest { delimiter: Some("/".into()), keys_max, ..ListRequest::default() };
            let all = pages(&sorted, request);
            let entries: Vec<_> = all.iter().flat_map(|(entries, _)| entries.clone()).collect();
            let prefixes: Vec<_> = all.iter().flat_map(|(_, prefixes)| prefixes.clone()).collect();
            assert_eq!(entries, ["a", "c", "e"], "{keys_max}");
            assert_eq!(prefixes, ["b/", "d/"], "{keys_max}");
            assert!(all.iter().all(|(e, p)| e.len() + p.len() <= keys_max));
        }
    }

    #[test]
    fn start_after_leaves_out_what_is_not_behind_it() {
        let sorted = keys(&["p/a", "p/b", "p/c"]);
        let request =
            ListRequest { prefix: "p/".into(), after: Some("p/a".into()), keys_max: 10, ..ListRequest::default() };
        assert_eq!(pages(&sorted, request), [(vec!["p/b".to_owned(), "p/c".to_owned()], vec![])]);
    }

    #[test]
    fn a_page_holds_only_what_begins_with_its_prefix() {
        let sorted = keys(&["o/z", "p", "p/a", "p/b/1", "p/b/2", "p0", "q/a"]);
        let request = ListRequest { prefix: "p/".into(), keys_max: 10, ..ListRequest::default() };
        let all = ["p/a", "p/b/1", "p/b/2"].map(str::to_owned).to_vec();
        assert_eq!(pages(&sorted, request.clone()), [(all.clone(), vec![])]);
        // To begin before the prefix is to begin with it.
        assert_eq!(pages(&sorted, ListRequest { after: Some("a".into()), ..request.clone() }), [(all, vec![])]);
        let rolled = (vec!["p/a".to_owned()], vec!["p/b/".to_owned()]);
        assert_eq!(pages(&sorted, ListRequest { delimiter: Some("/".into()), ..request }), [rolled]);
    }

    #[test]
    fn an_empty_page_is_the_last() {
        let request = ListRequest { keys_max: 0, ..ListRequest::default() };
        assert_eq!(cut_page(&keys(&[]), &request), ListPage::default());
    }
}
