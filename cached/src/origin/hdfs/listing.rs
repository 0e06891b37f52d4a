//! Listings. One folder is one call to the NameNode for each thousand of its entries.
//!
//! Pages in S3's order are cut from a walk that visits folders in that order and leaves out those that lie before the page:
//! a page costs the folders it shows and those above them, however large the tree is. Folders count as common prefixes
//! also when nothing is in them.

use std::cmp::Ordering;
use std::vec::IntoIter;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use hdfs_native::HdfsError;
use hdfs_native::client::FileStatus;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta, Result};

use super::draft::is_draft;
use super::error::{absent_below_a_file, converted};
use super::{Hdfs, described};

/// Entries of a page, where nothing is said.
const PAGE_ENTRIES: usize = 1000;

/// An entry of a folder.
struct Entry {
    /// Its path without the leading slash; a folder's ends with one, as S3 sorts it.
    key: String,
    status: FileStatus,
}

/// A file's place as the seam writes it. What cannot be written there is left out, as it cannot be asked for either.
fn file(entry: &Entry) -> Option<ObjectMeta> {
    Path::parse(&entry.key).ok().map(|location| described(location, &entry.status))
}

impl Hdfs {
    /// What is in a folder, in S3's order; nothing if there is no such folder. Drafts are left out.
    async fn entries(&self, folder: &str) -> Result<Vec<Entry>> {
        let path = format!("/{}", folder.trim_end_matches('/'));
        let (number, client) = self.name_node.client();
        let found = client.list_status_iter(&path, false);
        let mut entries = Vec::new();
        while let Some(next) = self.name_node.in_time(number, found.next()).await? {
            let status = match next {
                Ok(status) => status,
                // Deleted before it was looked into, or in the middle.
                Err(HdfsError::FileNotFound(_)) => return Ok(Vec::new()),
                Err(error) => match absent_below_a_file(converted(error, &path)) {
                    object_store::Error::NotFound { .. } => return Ok(Vec::new()),
                    error => return Err(error),
                },
            };
            // A file lists as itself.
            if status.path == path && !status.isdir {
                return Ok(Vec::new());
            }
            let name = status.path.rsplit('/').next().unwrap_or_default();
            if !is_draft(name) {
                let key = format!("{}{}", &status.path[1..], if status.isdir { "/" } else { "" });
                entries.push(Entry { key, status });
            }
        }
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }

    /// Every file below a folder, in no order.
    pub(super) fn files_below(&self, folder: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let first = folder.map(Path::to_string).unwrap_or_default();
        let folders = stream::try_unfold((self.clone(), vec![first]), |(files, mut left)| async move {
            let Some(folder) = left.pop() else { return Ok::<_, object_store::Error>(None) };
            let entries = files.entries(&folder).await?;
            left.extend(entries.iter().filter(|entry| entry.status.isdir).map(|entry| entry.key.clone()));
            let found: Vec<_> = entries.iter().filter(|entry| !entry.status.isdir).filter_map(file).map(Ok).collect();
            Ok(Some((stream::iter(found), (files, left))))
        });
        folders.try_flatten().boxed()
    }

    /// The files and folders in one folder.
    pub(super) async fn one_folder(&self, folder: Option<&Path>) -> Result<ListResult> {
        let mut listed = ListResult { common_prefixes: Vec::new(), objects: Vec::new() };
        for entry in self.entries(folder.map_or("", Path::as_ref)).await? {
            if entry.status.isdir {
                listed.common_prefixes.extend(Path::parse(&entry.key).ok());
            } else {
                listed.objects.extend(file(&entry));
            }
        }
        Ok(listed)
    }
}

/// What becomes of an entry of the walk.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Skip,
    /// Its entries come next.
    Descend,
    /// It is in the common prefix.
    RollUp(&'a str),
    Show,
}

/// Decides about an entry. The page begins behind `after`; all keys begin with `prefix`.
fn step<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>, after: &str) -> Step<'a> {
    if !key.starts_with(prefix) {
        return Step::Skip;
    }
    let is_folder = key.ends_with('/');
    // A folder lies before the page only if all that can be in it does.
    if key.cmp(after) != Ordering::Greater && !(is_folder && after.starts_with(key)) {
        return Step::Skip;
    }
    let rolled = delimiter.and_then(|delimiter| {
        let end = key[prefix.len()..].find(delimiter)?;
        Some(&key[..prefix.len() + end + delimiter.len()])
    });
    match rolled {
        Some(rolled) if rolled == after => Step::Skip,
        Some(rolled) => Step::RollUp(rolled),
        None if is_folder => Step::Descend,
        None => Step::Show,
    }
}

#[async_trait]
impl PaginatedListStore for Hdfs {
    async fn list_paginated(&self, prefix: Option<&str>, options: PaginatedListOptions) -> Result<PaginatedListResult> {
        let prefix = prefix.unwrap_or_default();
        let delimiter = options.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let entries_max = options.max_keys.unwrap_or(PAGE_ENTRIES);
        // Where the last entry of the page is, and at first where the page begins.
        let mut last = options.offset.max(options.page_token).unwrap_or_default();
        let mut page = ListResult { common_prefixes: Vec::new(), objects: Vec::new() };
        let folder = prefix.rfind('/').map_or("", |end| &prefix[..end]);
        let mut walk: Vec<IntoIter<Entry>> = vec![self.entries(folder).await?.into_iter()];
        while let Some(folder) = walk.last_mut() {
            let Some(entry) = folder.next() else {
                walk.pop();
                continue;
            };
            let step = step(&entry.key, prefix, delimiter, &last);
            let is_full = page.objects.len() + page.common_prefixes.len() >= entries_max;
            match step {
                Step::Skip => {}
                Step::Descend => walk.push(self.entries(&entry.key).await?.into_iter()),
                Step::RollUp(_) | Step::Show if is_full => {
                    return Ok(PaginatedListResult { result: page, page_token: Some(last) });
                }
                Step::RollUp(rolled) => {
                    page.common_prefixes.extend(Path::parse(rolled).ok());
                    rolled.clone_into(&mut last);
                }
                Step::Show => {
                    page.objects.extend(file(&entry));
                    last = entry.key;
                }
            }
        }
        Ok(PaginatedListResult { result: page, page_token: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_behind_what_was_shown() {
        for (key, delimiter, after, expected) in [
            ("t/a", None, "", Step::Show),
            ("u/a", None, "", Step::Skip),
            ("t/a", None, "t/a", Step::Skip),
            ("t/b", None, "t/a", Step::Show),
            ("t/d/", None, "", Step::Descend),
            ("t/d/", None, "t/d/x", Step::Descend),
            ("t/d/", None, "t/e", Step::Skip),
            ("t/d/", Some("/"), "", Step::RollUp("t/d/")),
            ("t/d/", Some("/"), "t/d/x", Step::RollUp("t/d/")),
            ("t/d/", Some("/"), "t/d/", Step::Skip),
            ("t/k=1/", Some("="), "", Step::RollUp("t/k=")),
            ("t/k=2/", Some("="), "t/k=", Step::Skip),
        ] {
            assert_eq!(step(key, "t/", delimiter, after), expected, "{key} after {after}");
        }
    }
}
