import { describe, expect, it } from "vitest";
import { en } from "./en";
import { formatOf } from "./format";
import { firstLanguage } from "./words";
import { zh } from "./zh";

/** Every text by its path; functions are called with numbered words. */
function texts(part: unknown, path = ""): [string, string, number][] {
  if (typeof part === "string") return [[path, part, 0]];
  if (typeof part === "function")
    return [[path, String(part(...Array.from({ length: part.length }, (_, i) => `<${i}>`))), part.length]];
  if (typeof part === "object" && part !== null)
    return Object.entries(part).flatMap(([key, value]) => texts(value, `${path}.${key}`));
  return [];
}

describe("the dictionaries", () => {
  const english = texts(en);
  const chinese = new Map(texts(zh).map(([path, text, given]) => [path, { text, given }]));

  it("have the same texts, none of them empty, with the same figures in them", () => {
    expect(english.length).toBeGreaterThan(300);
    expect(chinese.size).toBe(english.length);
    for (const [path, text, given] of english) {
      const other = chinese.get(path);
      // Where there is nothing to do there are no words for it, in no language.
      expect(other?.text.trim() === "", path).toBe(text.trim() === "");
      expect(other?.given, path).toBe(given);
      for (let i = 0; i < given; i += 1) if (text.includes(`<${i}>`)) expect(other?.text, path).toContain(`<${i}>`);
    }
  });

  it("are in Chinese where they are not names", () => {
    const kept = [...chinese]
      .filter(([, { text }]) => /[a-z]/i.test(text) && !/[\u4e00-\u9fff]/.test(text))
      .map(([path]) => path);
    expect(kept.filter((path) => !path.startsWith(".whatIf.names."))).toEqual([".shell.otherLanguage", ".tiers.ssd"]);
  });
});

describe("the first language", () => {
  it("is what was chosen, else what the browser prefers, else English", () => {
    expect(firstLanguage("zh", ["en-GB"])).toBe("zh");
    expect(firstLanguage(null, ["fr", "zh-TW", "en"])).toBe("zh");
    expect(firstLanguage("klingon", ["de"])).toBe("en");
  });
});

describe("figures", () => {
  const f = formatOf("en");
  const z = formatOf("zh");

  it("are said in the unit that fits", () => {
    expect([0, 1023, 1024, 5 * 2 ** 30, 300 * 2 ** 40].map(f.size)).toEqual([
      "0 B",
      "1,023 B",
      "1.0 KiB",
      "5.0 GiB",
      "300 TiB",
    ]);
    expect([0, -0, 1e-40, 0.0004, 0.012, 5, 300, 7200, 3.6e6].map(f.duration)).toEqual([
      "0 s",
      "0 s",
      "0 s",
      "400 µs",
      "12 ms",
      "5.0 s",
      "5.0 min",
      "2.0 h",
      "1,000 h",
    ]);
    expect([null, 0, 0.051, 1, Number.NaN].map(f.percent)).toEqual(["–", "0%", "5.1%", "100%", "–"]);
    expect(f.density(10 / 2 ** 30)).toBe("10.0 s/GiB");
    expect([9999, 1.42e9].map(f.compact)).toEqual(["9,999", "1.42B"]);
  });

  it("are said in Chinese", () => {
    expect([5, 300, 7200].map(z.duration)).toEqual(["5.0 秒", "5.0 分钟", "2.0 小时"]);
    expect(z.compact(1.42e9)).toBe("14.2亿");
    expect(z.day("2026-11-22")).toBe("11月22日");
  });

  it("are in UTC, whatever the browser's zone", () => {
    expect(f.day("2026-11-22")).toBe("22 Nov");
    expect(f.moment("2026-11-22T23:59:00Z")).toBe("22 Nov 23:59");
  });

  it("stand on axes in round steps of one unit", () => {
    const hours = f.durationTicks(417 * 3600);
    expect([hours.step / 3600, hours.end / 3600, hours.format(200 * 3600)]).toEqual([100, 500, "200 h"]);
    const bytes = f.sizeTicks(3.8 * 2 ** 20);
    expect([bytes.step / 2 ** 20, bytes.end / 2 ** 20, bytes.format(2 ** 21)]).toEqual([1, 4, "2 MiB"]);
    expect(f.durationTicks(0).step).toBeGreaterThan(0);
    for (const max of [1e-4, 0.7, 59, 119, 121, 7300, 1e7, 3e12]) {
      const { step, end } = f.durationTicks(max);
      expect(end).toBeGreaterThanOrEqual(max * 0.999);
      expect(end / step).toBeLessThan(7);
    }
  });
});
