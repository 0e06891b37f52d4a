import { describe, expect, it } from "vitest";
import type { NightOutcome, NotLoaded, PreloadStop, Warning } from "../api/types";
import { en } from "./en";
import { formatOf } from "./format";
import { causeWords, notLoadedWords, outcomeWords, stepWords, stopWords, warningWords } from "./said";
import { zh } from "./zh";

const f = formatOf("en");
const z = formatOf("zh");
const GIB = 2 ** 30;

describe("what the daemon says by codes", () => {
  it("is said in the reader's language, in the reader's units", () => {
    const budget: Warning = {
      words: "the daemon's",
      code: "budget",
      size: "small",
      budget_bytes: GIB,
      wanted_bytes: 8 * GIB,
      advised_percent_min: 30,
      advised_percent_max: 70,
    };
    expect(warningWords(budget, en, f)).toBe(
      "the budget of 1.0 GiB holds 13% of what is worth holding (8.0 GiB), 30% to 70% is advised: more would pay",
    );
    expect(warningWords(budget, zh, z)).toContain("建议为 30% 至 70%");
    expect(warningWords({ ...budget, size: "holds_all" }, en, f)).toContain("less would do");
    const stop: PreloadStop = { words: "the daemon's", code: "worn", written_bytes: 3 * GIB, limit_bytes: 2 * GIB };
    expect(stopWords(stop, zh, z)).toBe("预加载一天内写入 3.0 GiB，为保护 SSD，上限为 2.0 GiB");
    const outcome: NightOutcome = { words: "the daemon's", code: "not_published", refusal: "nothing_read" };
    expect(outcomeWords(outcome, zh)).toBe("没有发布新版本：历史中没有读取，也没有固定条目。");
  });

  it("names days, the first of them where there are many", () => {
    const missing: Warning = { words: "the daemon's", code: "days_missing", days: 2, first: ["2026-11-13", "2026-11-14"] };
    expect(warningWords(missing, en, f)).toBe(
      "days without logs (2), taken for unknown and not for days without reads: 13 Nov and 14 Nov",
    );
    expect(warningWords({ ...missing, days: 1200 }, en, f)).toContain("(1,200)");
    expect(warningWords({ ...missing, days: 1200 }, en, f)).toContain(": 13 Nov, 14 Nov, …");
    const ahead: Warning = { words: "the daemon's", code: "days_ahead", days: 1, first: ["2026-12-24"] };
    expect(warningWords(ahead, en, f)).toContain("see to the workers' clocks: 24 Dec");
    expect(warningWords(ahead, zh, z)).toContain("请检查节点的时钟");
    const rows: Warning = { words: "the daemon's", code: "rows_ahead", rows: 90, days: 1, first: ["2026-11-19"] };
    expect(warningWords(rows, en, f)).toContain("(90), left out until their time has come");
    expect(warningWords(rows, zh, z)).toContain("有 90 行在未来");
  });

  it("says within a saying why, also where that is only in the daemon's words", () => {
    const broken: NotLoaded = { words: "403 from the origin", code: "failed", problem: "403 from the origin" };
    const warning: Warning = {
      words: "the daemon's",
      code: "not_resident",
      worker: "http://w:9001",
      items: 1,
      first: "hive.web.hits/dt=1",
      why: broken,
    };
    expect(notLoadedWords(broken, zh, z)).toBe("403 from the origin");
    expect(warningWords(warning, en, f)).toBe(
      "not resident as a whole on http://w:9001: 1 item, first hive.web.hits/dt=1 (403 from the origin)",
    );
  });

  it("falls back to the daemon's words for a code that it does not know", () => {
    const unknown = { words: "the disk sings", code: "singing" };
    expect(warningWords(unknown as unknown as Warning, zh, z)).toBe("the disk sings");
    expect(stopWords(unknown as unknown as PreloadStop, zh, z)).toBe("the disk sings");
    expect(outcomeWords(unknown as unknown as NightOutcome, zh)).toBe("the disk sings");
    expect(causeWords(null, "imported", en, f)).toBe("imported");
  });

  it("tells why a version exists", () => {
    expect(causeWords({ code: "night", night: "2026-11-21" }, "", en, f)).toBe("the night of 21 Nov");
    const landing = { landed: { first: "a.b.c/d=1", more: 2 }, rewritten: null, displaced: { first: "a.b.x", more: 0 } };
    expect(causeWords({ code: "landing", ...landing }, "", en, f)).toBe("landed: a.b.c/d=1 and 2 more; displaced: a.b.x");
    const approved = { code: "approval", by: "bo", of: { code: "plan", by: "ana" } } as const;
    expect(causeWords(approved, "", en, f)).toBe("planned by ana, approved by bo");
    expect(causeWords(approved, "", zh, z)).toBe("ana 规划，bo 批准");
  });

  it("tells how far a night is", () => {
    expect(stepWords({ step: "ingest", done: 2, total: 30 }, en, f)).toBe("reading logs 2/30");
    expect(stepWords({ step: "choose", done: null, total: null }, zh, z)).toBe("选择条目");
    expect(stepWords({ step: null, done: null, total: null }, en, f)).toBeNull();
  });
});
