import { describe, expect, it } from "vitest";
import type { Fate } from "../../api/types";
import { item } from "../../test/daemon";
import { en, type Text } from "../../text/en";
import { formatOf } from "../../text/format";
import { zh } from "../../text/zh";
import { changeWords, factorText, verdictWords } from "./explain";
import { itemQuery } from "./useItems";

const f = formatOf("en");
const choice = { version: 1, budget_bytes: 1, taken_bytes: 1, cut_density: 1, candidates: 170, cut_rank: 30 };
const known = { choice, version: 1 };
const explained = (rank: number, whitelisted: boolean, ruling: "pin" | "deny" | null = null) => ({
  item: "a.b.c",
  whitelisted,
  reason: "by the daemon",
  changes: [],
  verdict: { ...item("a.b.c", rank, whitelisted), ruling },
});

describe("an explanation", () => {
  it("sets the rank beside the cut", () => {
    expect(verdictWords(explained(3, true), known, en, f)).toBe(
      "On the whitelist: rank 3 of 170 by density, above the cut at 30.",
    );
    expect(verdictWords(explained(46, false), known, en, f)).toBe(
      "Not on the whitelist: rank 46 of 170 by density, below the cut at 30.",
    );
  });

  it("names the ruling where a person decided", () => {
    expect(verdictWords(explained(99, true, "pin"), known, en, f)).toBe("On the whitelist: pinned by a person.");
    expect(verdictWords(explained(1, false, "deny"), known, zh, formatOf("zh"))).toContain("已禁止");
  });

  it("leaves the word to the daemon where nothing was chosen", () => {
    expect(
      verdictWords(
        { item: "a", whitelisted: false, reason: "never read", changes: [] },
        { ...known, choice: null },
        en,
        f,
      ),
    ).toBe("never read");
  });

  it("says why an item is out, where its place alone does not", () => {
    const out = (fate: Fate) => verdictWords({ ...explained(3, false), fate }, known, en, f);
    expect(out({ code: "no_room", left_bytes: 2 ** 20 })).toMatch(/do not fit into the 1.0 MiB that were left\./);
    expect(out({ code: "capped", cap_bytes: 2 ** 30, owner: "risk", left_bytes: 0 })).toBe(
      "Not on the whitelist: risk may hold 1.0 GiB, of which 0 B were left. By density it has rank 3 of 170; the cut is at 30.",
    );
    expect(out({ code: "no_value" })).toContain("no faster from the SSD");
    const below = { ...explained(46, false), fate: { code: "no_room" as const, left_bytes: 0 } };
    expect(verdictWords(below, known, en, f)).toContain("below the cut");
  });

  it("says of an item without a verdict that it was not weighed: it landed, or was rolled back in", () => {
    const landed = { item: "a", whitelisted: true, reason: "landed, worth ...", changes: [] };
    expect(verdictWords(landed, { choice, version: 4 }, zh, formatOf("zh"))).toBe(
      "在白名单中： 版本 4 包含它。上次夜间任务没有评估它：它在之后到达，或随该版本恢复。",
    );
    const before = { ...landed, reason: "rank 3 of 170" };
    expect(verdictWords(before, { choice, version: 4 }, en, f)).toBe(
      "On the whitelist: version 4 holds it. The last night did not weigh it: it landed later, or came back with that version.",
    );
  });

  it("names both versions where what is in force is not what the last night chose", () => {
    type Versions = [inForce: number, chosen: number];
    const differs = (whitelisted: boolean, ruling: "pin" | null, [version, chosen]: Versions, words: Text = en) => {
      const of = explained(whitelisted ? 46 : 3, whitelisted, ruling);
      const item = { ...of, verdict: { ...of.verdict, taken: !whitelisted } };
      const versions = { choice: { ...choice, version: chosen }, version };
      return verdictWords(item, versions, words, formatOf(words === en ? "en" : "zh"));
    };
    // Rolled away.
    expect(differs(false, null, [6, 5])).toBe(
      "Not on the whitelist: the last night chose it for version 5, but version 6 does not hold it. By density it has rank 3 of 170; the cut is at 30.",
    );
    expect(differs(false, null, [6, 5], zh)).toContain("上次夜间任务为版本 5 选了它，但版本 6 不包含它。");
    // Pinned by a plan that was approved: it is the night before that left it out.
    expect(differs(true, null, [4, 3])).toBe(
      "On the whitelist: version 4 holds it, but the last night did not choose it for version 3. By density it has rank 46 of 170; the cut is at 30.",
    );
    expect(differs(true, "pin", [4, 3], zh)).toContain("版本 4 包含它，但上次夜间任务没有为版本 3 选它。");
    // A proposal waits.
    expect(differs(false, null, [4, 5])).toContain("version 5 proposes it, and waits for approval.");
    expect(differs(true, null, [4, 5])).toContain("version 4 holds it; version 5, which waits for approval, does not.");
  });

  it("says what would change it", () => {
    expect(changeWords({ change: "more_budget", bytes: 2 ** 30, words: "" }, en, f)).toBe(
      "With 1.0 GiB more budget it would be taken.",
    );
    expect(changeWords({ change: "more_value", factor: 10.45, value_seconds: 8, words: "" }, en, f)).toContain(
      "10.5 times its reads",
    );
    expect(changeWords({ change: "more_value", factor: null, value_seconds: 8, words: "" }, en, f)).toBe(
      "If its reads saved 8.0 s it would be taken.",
    );
    expect(changeWords({ change: "new_kind", words: "as the daemon says" } as never, en, f)).toBe("as the daemon says");
  });

  it("shows factors in their units", () => {
    expect(
      [
        { value: 0.032, unit: "seconds" },
        { value: 2048, unit: "bytes" },
        { value: 1234, unit: "requests" },
        { value: 0.9312, unit: "" },
      ].map((factor) => factorText(factor, f)),
    ).toEqual(["32 ms", "2.0 KiB", "1,234", "0.931"]);
  });
});

describe("the question for items", () => {
  it("leaves out what is not asked", () => {
    expect(itemQuery({ search: "", sort: { key: "rank", descending: false } })).toEqual({
      search: null,
      table: null,
      listed: null,
      sort: "rank",
      descending: false,
    });
  });
});
