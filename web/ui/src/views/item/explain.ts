// An explanation in words and figures. Pure.

import type { Explanation, ItemExplanation, WhatIf } from "../../api/types";
import type { Text } from "../../text/en";
import type { Format } from "../../text/format";

/** In or out, and its place beside the cut. */
export function verdictWords(
  item: ItemExplanation,
  { choice }: Pick<Explanation, "choice">,
  t: Text,
  f: Format,
): string {
  const { verdict } = item;
  if (!verdict || !choice) return item.reason;
  const say = t.explain;
  const rank = f.count(verdict.rank);
  const of = f.count(choice.candidates);
  const cut = f.count(choice.cut_rank);
  const where = item.whitelisted ? say.isIn : say.isOut;
  if (verdict.ruling) return `${where} ${say.byRuling(t.items.rulings[verdict.ruling])}`;
  if (verdict.rank <= choice.cut_rank) return `${where} ${say.aboveCut(rank, of, cut)}`;
  return `${where} ${say.belowCut(rank, of, cut)}`;
}

/** One change that would turn the verdict. */
export function changeWords(change: WhatIf, t: Text, f: Format): string {
  const say = t.explain.change;
  switch (change.change) {
    case "more_budget":
      return say.moreBudget(f.size(change.bytes));
    case "less_budget":
      return say.lessBudget(f.size(change.bytes));
    case "higher_cap":
      return say.higherCap(f.size(change.bytes));
    case "more_value":
      return say.moreValue(change.factor ? f.plain(change.factor) : null, f.duration(change.value_seconds));
    case "less_value":
      return say.lessValue(f.plain(change.factor), f.duration(change.value_seconds));
    case "denial":
      return say.denial(change.item);
    case "no_ruling":
      return say.noRuling(change.taken);
    default:
      return (change as WhatIf).words;
  }
}

/** A factor in its unit. */
export function factorText({ value, unit }: { value: number; unit: string }, f: Format): string {
  if (unit === "seconds") return f.duration(value);
  if (unit === "bytes") return f.size(value);
  if (unit === "requests") return f.count(value);
  return f.plain(value);
}
