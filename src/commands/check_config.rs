//! `larder check-config`.

use anyhow::{Result, bail};

use super::{Context, table};
use crate::config::{Config, Problem};

pub(super) fn run(context: &Context) -> Result<()> {
    let loaded = Config::load(context.path.as_deref())?;
    let name = context.path.as_ref().map_or("the embedded defaults".to_owned(), |path| path.display().to_string());
    for warning in &loaded.warnings {
        table::say(format!("{name}: warning: {warning}"));
    }
    if !loaded.unknown.is_empty() {
        let unknown: Vec<String> =
            loaded.unknown.iter().map(Problem::to_string).map(|p| format!("{name}: {p}")).collect();
        bail!("{}", unknown.join("\n        "));
    }
    let buckets: Vec<&str> = loaded.config.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    table::say(format!("{name}: good ({} buckets: {})", buckets.len(), buckets.join(", ")));
    Ok(())
}
