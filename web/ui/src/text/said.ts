// What the daemon says by codes, in the reader's language. Pure. A code that this page does not know, as of a newer daemon
// elsewhere in the fleet, is said in the daemon's own words.

import type { Cause, NightNow, NightOutcome, NotLoaded, PreloadStop, Several, Warning } from "../api/types";
import type { Text } from "./en";
import type { Format } from "./format";

export function warningWords(warning: Warning, t: Text, f: Format): string {
  const say = t.warnings;
  switch (warning.code) {
    case "no_worker":
      return say.noWorker;
    case "worker":
      return say.worker(warning.worker, warning.problem);
    case "not_resident":
      return say.notResident(warning.worker, f.count(warning.items), warning.first, notLoadedWords(warning.why, t, f));
    case "realised_unknown":
      return say.realisedUnknown(warning.problem);
    case "bucket_not_listed":
      return say.bucketNotListed(warning.bucket, warning.problem);
    case "metastore_unread":
      return say.metastoreUnread(warning.problem);
    case "list_broken":
      return say.listBroken(warning.problem);
    case "not_published":
      return say.notPublished(t.refusals[warning.refusal]);
    case "skipped_files":
      return say.skippedFiles(f.count(warning.files));
    case "days_missing":
      return say.daysMissing(f.count(warning.days), firstDays(warning, f));
    case "days_ahead":
      return say.daysAhead(f.count(warning.days), firstDays(warning, f));
    case "rows_ahead":
      return say.rowsAhead(f.count(warning.rows), firstDays(warning, f));
    case "worn":
      return say.worn(f.size(warning.limit_bytes));
    case "pins_do_not_fit":
      return say.pinsDoNotFit(f.count(warning.items));
    case "speed_assumed":
      return say.speedAssumed(t.tiers[warning.tier as keyof typeof t.tiers] ?? warning.tier);
    case "no_budget":
      return say.noBudget;
    case "budget":
      return budgetWords(warning, t, f);
    case "tables_gone": {
      const more = warning.tables - warning.names.length;
      return say.tablesGone(
        f.count(warning.tables),
        more > 0 ? `${warning.names.join(", ")}, …` : f.list(warning.names),
      );
    }
    case "items_gone":
      return say.itemsGone(f.count(warning.items));
    default:
      return (warning as Warning).words;
  }
}

/** The first of so many days, and whether there are more. */
function firstDays({ days, first }: { days: number; first: string[] }, f: Format): string {
  const names = first.map(f.day);
  return days > names.length ? `${names.join(", ")}, …` : f.list(names);
}

function budgetWords(warning: Extract<Warning, { code: "budget" }>, t: Text, f: Format): string {
  const [budget, wanted] = [f.size(warning.budget_bytes), f.size(warning.wanted_bytes)];
  if (warning.size === "holds_all") return t.warnings.budgetHoldsAll(budget, wanted);
  const share = f.percent(warning.budget_bytes / warning.wanted_bytes);
  const advised = t.warnings.span(
    f.percent(warning.advised_percent_min / 100),
    f.percent(warning.advised_percent_max / 100),
  );
  const say = warning.size === "large" ? t.warnings.budgetLarge : t.warnings.budgetSmall;
  return say(budget, share, wanted, advised);
}

export function outcomeWords(outcome: NightOutcome, t: Text): string {
  const say = t.outcomes;
  switch (outcome.code) {
    case "published":
      return say.published(outcome.version);
    case "proposed":
      return say.proposed(outcome.version);
    case "still_proposed":
      return say.stillProposed(outcome.version);
    case "unchanged":
      return say.unchanged;
    case "not_published":
      return say.notPublished(t.refusals[outcome.refusal]);
    default:
      return (outcome as NightOutcome).words;
  }
}

/** What a night is about, with how much of that is done. */
export function stepWords({ step, done, total }: Pick<NightNow, "step" | "done" | "total">, t: Text, f: Format) {
  if (!step) return null;
  const name = t.nightSteps[step];
  return typeof done === "number" && typeof total === "number" ? `${name} ${f.count(done)}/${f.count(total)}` : name;
}

/** Why a version exists; `otherwise` where that is not known by a code. */
export function causeWords(cause: Cause | null | undefined, otherwise: string, t: Text, f: Format): string {
  const say = t.causes;
  const several = ({ first, more }: Several) => (more > 0 ? say.several(first, f.count(more)) : first);
  switch (cause?.code) {
    case "night":
      return say.night(f.day(cause.night));
    case "denied":
      return say.denied(f.day(cause.night));
    case "landing": {
      const { landed, rewritten, displaced } = cause;
      const parts = [
        landed ? say.landed(several(landed)) : "",
        rewritten ? say.rewritten(several(rewritten)) : "",
        displaced ? say.displaced(several(displaced)) : "",
      ];
      return parts.filter(Boolean).join("; ");
    }
    case "roll_back":
      return say.rollBack(cause.to, cause.by);
    case "plan":
      return say.plan(cause.by);
    case "approval":
      return cause.of ? say.approvalOf(causeWords(cause.of, "", t, f), cause.by) : say.approval(cause.by);
    default:
      return otherwise;
  }
}

export function notLoadedWords(why: NotLoaded, t: Text, f: Format): string {
  const say = t.notLoaded;
  switch (why.code) {
    case "run_ended":
      return say.runEnded;
    case "run_ended_within":
      return say.runEndedWithin;
    case "no_room":
      return say.noRoom(f.size(why.bytes), f.size(why.left));
    case "not_kept":
      return say.notKept(f.size(why.bytes));
    default:
      return why.words;
  }
}

export function stopWords(stop: PreloadStop, t: Text, f: Format): string {
  const say = t.preloadStops;
  switch (stop.code) {
    case "replaced":
      return say.replaced;
    case "shutdown":
      return say.shutdown;
    case "window_closed":
      return say.windowClosed;
    case "worn":
      return say.worn(f.size(stop.written_bytes), f.size(stop.limit_bytes));
    default:
      return (stop as PreloadStop).words;
  }
}
