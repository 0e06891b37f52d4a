//! Ingesting: the logs of days that are new or have changed are aggregated, and days that are missing or lie in the future
//! are named.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};

use super::report::NAMED_MAX;
use super::{Night, NightError, NightReport, OnProgress, Progress, Warning, at};
use crate::accesses::aggregate;
use crate::footers::Footers;
use crate::logs::FUTURE_MAX;

impl Night {
    pub(super) async fn ingest(
        &self,
        report: &mut NightReport,
        footers: &mut Footers<'_>,
        progress: OnProgress<'_>,
    ) -> Result<(), NightError> {
        let now = self.clock.now();
        let (first, last) = (self.first_day(report.night), report.night);
        let mut days = self.engine.days(&self.logs, first, last).await.map_err(NightError::Ingest)?;
        let known = self.store.day_fingerprints().await.map_err(at("read what was ingested"))?;
        days.retain(|files| known.get(&files.day) != Some(&files.fingerprint()));
        let mut rows_ahead: BTreeMap<NaiveDate, u64> = BTreeMap::new();
        let total = days.len();
        for (done, files) in days.iter().enumerate() {
            progress(Progress::Day { day: files.day, done, total });
            let day = aggregate(&self.engine, files, now).await.map_err(NightError::Ingest)?;
            // Before the day itself, which says that all of it is known.
            self.keep_columns(&day, footers).await?;
            let speeds: Vec<_> = [("origin", day.origin), ("ssd", day.ssd)]
                .into_iter()
                .filter_map(|(tier, measured)| measured.map(|measured| (tier, measured)))
                .collect();
            let kept = self.store.replace_queries(files.day, &day.queries, &day.query_groups).await;
            kept.map_err(at("keep a day's queries"))?;
            self.store.replace_day(&day.summary, &day.items, &speeds).await.map_err(at("keep a day's reads"))?;
            report.days_ingested.push(files.day);
            report.rows_ingested += day.summary.log_rows;
            if day.rows_ahead > 0 {
                rows_ahead.insert(files.day, day.rows_ahead);
            }
        }
        self.store.forget_days_before(first).await.map_err(at("forget old days"))?;
        self.store.forget_old_usage(now).await.map_err(at("forget old days"))?;
        let mut read_days = Vec::new();
        for day in self.store.days(first, last).await.map_err(at("read the days"))? {
            report.history_days += 1;
            report.unattributed_requests += day.unattributed_requests;
            report.unattributed_bytes += day.unattributed_bytes;
            report.skipped_files.extend(day.skipped_files);
            if day.log_rows > 0 {
                read_days.push(day.day);
            }
        }
        if !report.skipped_files.is_empty() {
            report.warn(Warning::SkippedFiles { files: report.skipped_files.len() as u64 });
        }
        let missing = missing_days(&read_days, last);
        if !missing.is_empty() {
            report.warn(Warning::DaysMissing { days: missing.len() as u64, first: first_of(missing) });
        }
        let ahead = self.days_ahead(last, now).await?;
        if !ahead.is_empty() {
            report.warn(Warning::DaysAhead { days: ahead.len() as u64, first: first_of(ahead) });
        }
        if !rows_ahead.is_empty() {
            let (rows, days) = (rows_ahead.values().sum::<u64>(), rows_ahead.len() as u64);
            report.warn(Warning::RowsAhead { rows, days, first: first_of(rows_ahead.into_keys().collect()) });
        }
        Ok(())
    }

    /// The days of the access log that lie in the future, and that no night has come to.
    async fn days_ahead(&self, last: NaiveDate, now: DateTime<Utc>) -> Result<Vec<NaiveDate>, NightError> {
        let begin = last.max((now + FUTURE_MAX).date_naive()) + Days::new(1);
        let end = NaiveDate::from_ymd_opt(9999, 12, 31).expect("a day of the calendar");
        let ahead = self.engine.days(&self.logs, begin, end).await.map_err(NightError::Ingest)?;
        Ok(ahead.into_iter().filter(|files| !files.access.is_empty()).map(|files| files.day).collect())
    }
}

/// The days from the first that has logs to the last of the night that have none.
fn missing_days(known: &[NaiveDate], last: NaiveDate) -> Vec<NaiveDate> {
    let Some(first) = known.first() else { return Vec::new() };
    first.iter_days().take_while(|day| *day <= last).filter(|day| known.binary_search(day).is_err()).collect()
}

fn first_of(mut days: Vec<NaiveDate>) -> Vec<NaiveDate> {
    days.truncate(NAMED_MAX);
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_missing_between_the_first_with_logs_and_the_last_of_the_night() {
        let day = |of: u32| NaiveDate::from_ymd_opt(2026, 11, of).unwrap();
        assert_eq!(missing_days(&[], day(20)), []);
        assert_eq!(missing_days(&[day(18), day(19), day(20)], day(20)), []);
        assert_eq!(missing_days(&[day(12), day(15), day(16)], day(18)), [13, 14, 17, 18].map(day));
        let many = missing_days(&[day(1), day(20)], day(20));
        assert_eq!((many.len(), first_of(many).len()), (18, NAMED_MAX));
    }
}
