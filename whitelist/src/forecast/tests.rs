use super::*;

const T: u32 = 1;

fn key(slot: u32, date: Option<i32>) -> Key {
    Key { table: T, slot, date }
}

/// Learns days on which `reads` says what is read.
fn learned(days: i32, reads: impl Fn(i32) -> Vec<(Key, f64)>) -> Forecast {
    let mut forecast = Forecast::new(ForecastSettings::default());
    for day in 0..days {
        let of_day: Vec<DayReads> =
            reads(day).into_iter().map(|(key, reads)| DayReads { key, reads, first: reads / 2.0 }).collect();
        forecast.observe(day, &of_day);
    }
    forecast
}

fn expected(forecast: &Forecast, key: Key, day: i32) -> f64 {
    forecast.factors(key, day).expected().reads
}

#[test]
fn tomorrows_partition_has_a_forecast_before_it_exists() {
    let forecast = learned(30, |day| vec![(key(0, Some(day - 1)), 4.0)]);
    let factors = forecast.factors(key(0, Some(29)), 30);
    assert!((3.0..4.5).contains(&factors.expected().reads), "{factors:?}");
    assert!((factors.expected().first - factors.expected().reads / 2.0).abs() < 1e-9, "{factors:?}");
    assert_eq!(factors.by_item.reads, 0.0);
    assert!(factors.age_share > 0.9, "it is read by its age: {factors:?}");
    assert!(expected(&forecast, key(0, Some(28)), 30) < 0.5, "the one before is read no more");
    assert!((3.0..4.5).contains(&expected(&forecast, key(0, Some(30)), 31)), "nor is this the day after");
}

#[test]
fn a_partition_that_people_keep_coming_back_to_is_known_by_itself() {
    let forecast = learned(30, |_| vec![(key(0, Some(3)), 5.0)]);
    let factors = forecast.factors(key(0, Some(3)), 30);
    assert!((3.0..6.0).contains(&factors.expected().reads), "{factors:?}");
    assert!(factors.age_share < 0.5, "{factors:?}");
    assert!(expected(&forecast, key(0, Some(4)), 30) < 1.0);
}

#[test]
fn tables_without_dates_go_by_their_items() {
    let forecast = learned(10, |_| vec![(key(1, None), 2.0), (key(2, None), 0.5)]);
    let (often, seldom) = (expected(&forecast, key(1, None), 10), expected(&forecast, key(2, None), 10));
    assert!((1.5..2.5).contains(&often) && (often / seldom - 4.0).abs() < 1e-9, "{often} {seldom}");
    assert_eq!(expected(&forecast, key(3, None), 10), 0.0);
    assert_eq!(expected(&forecast, Key { table: 9, ..key(1, None) }, 10), 0.0);
}

#[test]
fn columns_are_told_apart() {
    let forecast = learned(20, |day| vec![(key(1, Some(day - 1)), 8.0), (key(2, Some(day - 1)), 2.0)]);
    let ratio = expected(&forecast, key(1, Some(19)), 20) / expected(&forecast, key(2, Some(19)), 20);
    assert!((3.0..5.0).contains(&ratio), "{ratio}");
    assert_eq!(expected(&forecast, key(3, Some(19)), 20), 0.0, "a column that nobody reads");
}

#[test]
fn what_ends_is_forgotten_and_days_without_reads_teach() {
    let mut forecast = learned(20, |day| vec![(key(0, Some(day - 1)), 4.0)]);
    let before = expected(&forecast, key(0, Some(19)), 20);
    for day in 20..30 {
        forecast.observe(day, &[]);
    }
    let after = expected(&forecast, key(0, Some(29)), 30);
    assert!(after < 0.3 * before, "two half-lives: {before} {after}");
}

#[test]
fn days_that_are_missing_are_no_days_without_reads() {
    let reads = [DayReads { key: key(0, None), reads: 6.0, first: 3.0 }];
    let learn = |days: &[i32]| {
        let mut forecast = Forecast::new(ForecastSettings::default());
        days.iter().for_each(|day| forecast.observe(*day, &reads));
        forecast
    };
    let whole: Vec<i32> = (0..25).collect();
    let with_a_gap: Vec<i32> = (0..20).chain(27..32).collect();
    let (whole, with_a_gap) = (learn(&whole).factors(key(0, None), 25), learn(&with_a_gap).factors(key(0, None), 32));
    assert!(whole.expected().reads > 5.0, "{whole:?}");
    assert_eq!(with_a_gap, whole, "the week between taught nothing");
}

#[test]
fn weekdays_differ_where_they_were_seen_to() {
    let forecast = learned(42, |day| if day % 7 >= 5 { vec![] } else { vec![(key(0, None), 7.0)] });
    // Day 42 begins a week; 47 is its sixth day.
    let (workday, weekend) = (forecast.factors(key(0, None), 42), forecast.factors(key(0, None), 47));
    assert!(workday.weekday > 1.1 && weekend.weekday < 0.6, "{workday:?} {weekend:?}");
    assert_eq!(learned(10, |_| vec![(key(0, None), 7.0)]).factors(key(0, None), 10).weekday, 1.0);
}

#[test]
fn a_table_that_was_forecast_wrong_for_a_week_is_trusted_less() {
    let mut forecast = learned(20, |_| vec![(key(0, None), 10.0)]);
    let before = forecast.factors(key(0, None), 20).trust;
    assert!((0.9..1.2).contains(&before), "{before}");
    for day in 20..27 {
        forecast.observe(day, &[DayReads { key: key(0, None), reads: 1.0, first: 1.0 }]);
    }
    let after = forecast.factors(key(0, None), 27).trust;
    assert!(after < 0.5, "{after}");
    assert!(after >= 0.25, "but never given up: {after}");
}

#[test]
fn learning_does_not_depend_on_the_order_within_a_day() {
    let reads = |day: i32| (0..20).map(|slot| (key(slot, Some(day - 1)), 1.0 + f64::from(slot))).collect::<Vec<_>>();
    let forward = learned(10, reads);
    let backward = learned(10, |day| reads(day).into_iter().rev().collect());
    for slot in 0..20 {
        let (a, b) = (expected(&forward, key(slot, Some(9)), 10), expected(&backward, key(slot, Some(9)), 10));
        assert!((a - b).abs() < 1e-9, "{slot}: {a} {b}");
    }
}

#[test]
fn ages_share_bins_the_more_the_older_they_are() {
    for age in 0..32 {
        assert_eq!(bin(age), (age as usize, 1.0));
    }
    assert_eq!(bin(-1).0, 0, "clocks differ");
    let (mut last, mut ages) = (bin(31).0, 0.0);
    for age in 32..3000 {
        let (at, width) = bin(age);
        assert!(at == last || at == last + 1, "{age}");
        if at != last {
            ages = 0.0;
        }
        ages += 1.0;
        assert!(ages <= width, "{age}: {ages} of {width}");
        last = at;
    }
}
