// The answer in two sentences, for someone who sees Larder for the first time.

import type { Table, Usage } from "../../api/types";
import { savedShare } from "../../derive";
import { Link } from "../../parts/Link";
import { useWords } from "../../text/words";
import type { Range } from "../../url/range";
import { hrefOf } from "../../url/views";

export function Lead({ usage, range, tables }: { usage: Usage; range: Range; tables: Table[] | undefined }) {
  const { t, f } = useWords();
  const share = savedShare(usage.total);
  const best = tables?.reduce<Table | null>(
    (most, table) => (table.whitelisted_value_seconds > (most?.whitelisted_value_seconds ?? 0) ? table : most),
    null,
  );
  const held = tables?.reduce((sum, table) => sum + table.whitelisted_value_seconds, 0) ?? 0;
  if (share === null) return <p className="lead">{t.overview.nothingRead}</p>;
  return (
    <p className="lead">
      {t.overview.saved(f.duration(usage.total.saved_seconds), rangeWords(range, t.overview, f.day), f.percent(share))}{" "}
      {best && held > 0 ? (
        <>
          <Link href={hrefOf("value", {}, best.table)}>{best.table}</Link>
          {t.overview.earnsMost(f.percent(best.whitelisted_value_seconds / held))}
        </>
      ) : null}
    </p>
  );
}

interface RangeText {
  today: string;
  lastDays(days: number): string;
  between(from: string, to: string): string;
}

/** A range as a part of a sentence. */
export function rangeWords(range: Range, text: RangeText, day: (date: string) => string): string {
  if ("from" in range) return text.between(day(range.from), day(range.to));
  return range.days === 1 ? text.today : text.lastDays(range.days);
}
