import { describe, expect, it } from "vitest";
import { valuesOf } from "../parts/ItemName";
import { oneOf, pressed, sort, text, whole } from "./params";
import { addDays, daysOf, fixed, rangeParam } from "./range";
import { hrefOf, placeOf, searchOf, splitItem, VIEW_KEYS, VIEWS } from "./views";

describe("views", () => {
  it("are found by their paths, and paths by them", () => {
    for (const view of VIEWS) expect(placeOf(hrefOf(view))).toEqual({ view, table: null });
    expect(new Set(Object.values(VIEW_KEYS)).size).toBe(VIEWS.length);
  });

  it("know tables of any name", () => {
    const name = "hive.a b.c/ü%";
    expect(placeOf(hrefOf("value", {}, name))).toEqual({ view: "value", table: name });
    expect(placeOf("/value/%E0%A4%A")).toEqual({ view: "value", table: "%E0%A4%A" });
  });

  it("are nowhere else", () => {
    expect(["/none", "/queries/x", "/value/a/b", "/overview"].map((path) => placeOf(path).view)).toEqual([
      "nowhere",
      "nowhere",
      "nowhere",
      "nowhere",
    ]);
    expect(placeOf("/sign-in")).toEqual({ view: "sign-in" });
  });

  it("have one URL for one state", () => {
    expect(searchOf({ b: 2, a: "x y", c: "", d: null, e: undefined })).toBe("?a=x+y&b=2");
    expect(searchOf({})).toBe("");
  });

  it("split items at the first slash", () => {
    expect(splitItem("a.b.c/x=1/y=2")).toEqual({ table: "a.b.c", partition: "x=1/y=2" });
    expect(splitItem("a.b.c")).toEqual({ table: "a.b.c", partition: "" });
    expect(["x=1/y=2", "x=a%2Fb", "plain", "x=%zz"].map(valuesOf)).toEqual(["1/2", "a/b", "plain", "%zz"]);
  });
});

describe("parameters", () => {
  it("take what they know and else their default", () => {
    const which = oneOf(["a", "b"], "a");
    expect([null, "b", "evil"].map(which.read)).toEqual(["a", "b", "a"]);
    expect([which.write("a"), which.write("b")]).toEqual([null, "b"]);
    expect([null, "12", "-1", "1e9", "9".repeat(30)].map(whole().read)).toEqual([null, 12, null, null, null]);
    expect([text().read(null), text().write("")]).toEqual(["", null]);
  });

  it("sort by a column, and the other way when pressed again", () => {
    const by = sort(["rank", "bytes"], { key: "rank", descending: false });
    expect(by.read("-bytes")).toEqual({ key: "bytes", descending: true });
    expect(by.read("none")).toEqual({ key: "rank", descending: false });
    expect(by.write({ key: "rank", descending: false })).toBeNull();
    expect(by.write({ key: "bytes", descending: true })).toBe("-bytes");
    expect(pressed({ key: "rank", descending: false }, "rank", true)).toEqual({ key: "rank", descending: true });
    expect(pressed({ key: "rank", descending: false }, "bytes", true)).toEqual({ key: "bytes", descending: true });
  });
});

describe("ranges", () => {
  const range = rangeParam(7);

  it("are said by their length or their days", () => {
    expect(range.read(null)).toEqual({ days: 7 });
    expect(range.read("30d")).toEqual({ days: 30 });
    expect(range.read("2026-11-01..2026-11-05")).toEqual({ from: "2026-11-01", to: "2026-11-05" });
    for (const said of ["7d", "30d", "2026-11-01..2026-11-05"])
      expect(range.write(range.read(said)) ?? "7d").toBe(said);
  });

  it("are put right where they can be", () => {
    expect(range.read("2026-11-05..2026-11-01")).toEqual({ from: "2026-11-01", to: "2026-11-05" });
    for (const said of ["0d", "-3d", "2026-02-31..2026-03-01", "now", "9999d"])
      expect(range.read(said)).toEqual({ days: 7 });
  });

  it("end on the last day that is known", () => {
    expect(daysOf({ days: 7 }, "1998-06-28")).toEqual({ from: "1998-06-22", to: "1998-06-28" });
    expect(daysOf({ from: "2026-01-01", to: "2026-01-02" }, "1998-06-28")).toEqual({
      from: "2026-01-01",
      to: "2026-01-02",
    });
    expect(addDays("2024-02-28", 2)).toBe("2024-03-01");
  });

  it("stay where they are once their days are fixed", () => {
    const days = daysOf({ days: 7 }, "1998-06-28");
    expect(daysOf(range.read(fixed(days)), "1999-01-01")).toEqual(days);
  });
});
