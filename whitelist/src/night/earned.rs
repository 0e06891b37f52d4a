//! What the list of the night's day earned, beside what the days before said of it.

use std::collections::HashMap;

use larder_model::{ItemName, Whitelist, WhitelistItem};

use super::foresee::Foresight;
use super::warning::Warning;
use super::{Night, NightError, NightReport, at};
use crate::realised::{Earned, Realised, item_days, missed_seconds, saved_seconds};
use crate::store::{DayItem, StoreError};
use crate::value::Reads;

impl Night {
    /// Compares the night's day with what `foresight`, which has learned the days before and no more, expects of it. Where
    /// no version that was made before was in force, there is nothing to compare.
    pub(super) async fn compare(
        &self,
        report: &mut NightReport,
        foresight: &Foresight,
        items: &[DayItem],
    ) -> Result<(), NightError> {
        let Some(list) = self.list_of_the_day(report).await? else { return Ok(()) };
        let day = report.night;
        // Of some tables only the columns that are worth it are held, and only their reads can be saved.
        let share = |item: &WhitelistItem| foresight.held_share(&list, &item.item);
        let predicted =
            list.items.iter().map(|item| (item.item.clone(), foresight.seconds_on(day, item) * share(item)));
        let mut earned = earned(report, foresight, items);
        for item in &list.items {
            if let Some(earned) = earned.get_mut(&item.item) {
                earned.read_seconds *= share(item);
            }
        }
        let days = item_days(day, predicted, &earned);
        let missed = missed_seconds(&days, earned.iter().filter(|(item, _)| foresight.is_held(item)));
        self.store.replace_realised(day, &days).await.map_err(at("keep what the day realised"))?;
        report.realised = Some(Realised::new(list.version, &days, missed));
        Ok(())
    }

    /// The list in force on the night's day. One that cannot be read any more is as good as none.
    async fn list_of_the_day(&self, report: &mut NightReport) -> Result<Option<Whitelist>, NightError> {
        match self.store.whitelist_of_day(report.night).await {
            Ok(list) => Ok(list),
            Err(broken @ StoreError::Data { .. }) => {
                report.warn(Warning::RealisedUnknown { problem: broken.to_string() });
                Ok(None)
            }
            Err(error) => Err(at("read the day's whitelist")(error)),
        }
    }
}

/// What the day's reads came to, by item.
fn earned(report: &NightReport, foresight: &Foresight, items: &[DayItem]) -> HashMap<ItemName, Earned> {
    let mut earned: HashMap<ItemName, Earned> = HashMap::new();
    for item in items {
        for (name, seconds) in foresight.read_seconds(item) {
            earned.entry(name).or_default().read_seconds += seconds;
        }
        if item.hit_requests > 0 {
            let hits = Reads { requests: item.hit_requests, bytes: item.hit_bytes };
            earned.entry(item.item.clone()).or_default().realised_seconds +=
                saved_seconds(hits, item.hit_seconds, report.origin.speed);
        }
    }
    earned
}
