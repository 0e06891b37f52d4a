// An explanation in words and figures. Pure.

import type { Change, Explanation, Fate, ItemExplanation, Verdict } from "../../api/types";
import type { Text } from "../../text/en";
import type { Format } from "../../text/format";

/** In or out, and its place beside the cut; and of which version, where what is in force is not what the night chose. */
export function verdictWords(
  item: ItemExplanation,
  { choice, version }: Pick<Explanation, "choice" | "version">,
  t: Text,
  f: Format,
): string {
  const { verdict } = item;
  const say = t.explain;
  if (item.whitelisted && !verdict) return `${say.isIn} ${t.versions.unweighed(version)}`;
  if (!verdict || !choice) return item.reason;
  const rank = f.count(verdict.rank);
  const of = f.count(choice.candidates);
  const cut = f.count(choice.cut_rank);
  const where = item.whitelisted ? say.isIn : say.isOut;
  if (item.whitelisted !== verdict.taken)
    return `${where} ${versionWords(item.whitelisted, version, choice.version, t)} ${t.fates.place(rank, of, cut)}`;
  const fate = item.whitelisted ? null : fateWords(item.fate, verdict, verdict.rank > choice.cut_rank, t, f);
  if (fate) return `${where} ${fate} ${t.fates.place(rank, of, cut)}`;
  if (verdict.ruling) return `${where} ${say.byRuling(t.items.rulings[verdict.ruling])}`;
  if (verdict.rank <= choice.cut_rank) return `${where} ${say.aboveCut(rank, of, cut)}`;
  return `${where} ${say.belowCut(rank, of, cut)}`;
}

/** What two versions have of an item: the one in force, and that of the last choice, which waits if it is the newer. */
function versionWords(whitelisted: boolean, inForce: number, chosen: number, { versions: say }: Text): string {
  if (chosen > inForce) return whitelisted ? say.wouldLeave(inForce, chosen) : say.wouldCome(chosen);
  return whitelisted ? say.holds(inForce, chosen) : say.lacks(inForce, chosen);
}

/** Why an item is out, where its place alone does not say it. */
function fateWords(
  fate: Fate | null | undefined,
  { bytes, load_seconds: load = 0 }: Verdict,
  belowCut: boolean,
  t: Text,
  f: Format,
): string | null {
  const say = t.fates;
  switch (fate?.code) {
    case "no_room":
      return belowCut ? null : say.noRoom(f.size(bytes), f.size(fate.left_bytes));
    case "pinned_no_room":
      return say.noRoom(f.size(bytes), f.size(fate.left_bytes));
    case "capped": {
      const [cap, left] = [f.size(fate.cap_bytes), f.size(fate.left_bytes)];
      return fate.owner ? say.ownerCap(fate.owner, cap, left) : say.tableCap(cap, left);
    }
    case "too_large":
      return say.tooLarge(f.size(bytes));
    case "not_worth_loading":
      return say.notWorthLoading(f.duration(load));
    case "no_value":
      return say.noValue;
    case "empty":
      return say.empty;
    default:
      return null;
  }
}

/** One change that would turn the verdict. */
export function changeWords(change: Change, t: Text, f: Format): string {
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
      return (change as Change).words;
  }
}

/** A factor in its unit. */
export function factorText({ value, unit }: { value: number; unit: string }, f: Format): string {
  if (unit === "seconds") return f.duration(value);
  if (unit === "bytes") return f.size(value);
  if (unit === "requests") return f.count(value);
  return f.plain(value);
}
