//! `larder check-config`.

use anyhow::Result;

use super::{Context, table};
use crate::config::{Config, Problem, failed};

pub(super) fn run(context: &Context) -> Result<()> {
    let loaded = Config::load(context.path.as_deref())?;
    let name = context.path.as_ref().map_or("the embedded defaults".to_owned(), |path| path.display().to_string());
    for warning in &loaded.warnings {
        table::say(format!("{name}: warning: {warning}"));
    }
    let problems: Vec<Problem> = loaded.unknown.into_iter().chain(loaded.unreadable).collect();
    if !problems.is_empty() {
        return Err(failed(context.path.as_deref(), &problems));
    }
    let buckets: Vec<&str> = loaded.config.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    table::say(format!("{name}: good ({} buckets: {})", buckets.len(), buckets.join(", ")));
    Ok(())
}
