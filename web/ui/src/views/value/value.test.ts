import { describe, expect, it } from "vitest";
import { item, table } from "../../test/daemon";
import { ageBins, ageName } from "./ageBins";
import { HEAT_ROWS, heatRows, heatTop } from "./heatCells";
import { columnNodes, itemNodes, tableNodes } from "./tree";

describe("the treemap", () => {
  it("has tables by value or size, with the share that is kept near", () => {
    const nodes = tableNodes(
      [table("a.b.small", 10, 5), table("a.b.large", 100, 100), table("a.b.none", 0, 0)],
      "value",
    );
    expect(nodes.map((node) => [node.name, node.amount, node.kept])).toEqual([
      ["a.b.large", 100, 1],
      ["a.b.small", 10, 0.5],
    ]);
    expect(tableNodes([table("a.b.none", 0, 0)], "bytes")).toMatchObject([{ amount: 1000, kept: 0.5 }]);
  });

  it("puts the items that were not fetched into one area", () => {
    const whole = { ...table("a.b.c", 250, 100), items: 10, bytes: 5 * 2 ** 20 };
    const nodes = itemNodes(
      [item("a.b.c/d=1", 1, true), item("a.b.c/d=2", 2, false)],
      whole,
      "value",
      (left) => `${left} others`,
    );
    expect(nodes.map((node) => [node.name, node.amount, node.target])).toEqual([
      ["d=1", 100, "a.b.c/d=1"],
      ["d=2", 50, "a.b.c/d=2"],
      ["8 others", 100, null],
    ]);
  });

  it("has columns by their share of the table", () => {
    const columns = [
      { column: "a", byte_share: 0.9, value_share: 0.1, held: false },
      { column: "b", byte_share: 0.1, value_share: 0.9, held: true },
    ];
    expect(
      columnNodes(columns, table("a.b.c", 100, 1), "value").map((node) => [node.name, node.amount, node.kept]),
    ).toEqual([
      ["b", 90, 1],
      ["a", 10, 0],
    ]);
  });
});

describe("heat", () => {
  const partition = (name: string, requests: number[]) => ({
    partition: name,
    bytes: 1,
    whitelisted: true,
    requests,
    read_bytes: requests,
    hit_bytes: requests,
  });
  const days = {
    table: "a.b.c",
    days: ["2026-11-21", "2026-11-22"],
    partitions: Array.from({ length: 50 }, (_, i) => partition(`d=${i}`, [i, 0])),
    partitions_total: 90,
    ages: [],
    forecast: [],
  };

  it("shows the newest partitions, or all", () => {
    expect(heatRows(days, undefined, false)).toHaveLength(HEAT_ROWS);
    expect(heatRows(days, undefined, false).at(-1)?.partition).toBe("d=49");
    expect(heatRows(days, undefined, true)).toHaveLength(50);
  });

  it("knows what is resident, and what the whitelist does not hold", () => {
    const residency = {
      tiers: [],
      items: [
        { item: "a.b.c/d=49", bytes: 4, resident_bytes: 1 },
        { item: "x.y.z", bytes: 1, resident_bytes: 1 },
      ],
    };
    expect(
      heatRows(days, residency, false)
        .slice(-2)
        .map((row) => row.resident),
    ).toEqual([null, 0.25]);
    const whole = { ...days, table: "x.y.z", partitions: [partition("", [1, 2])] };
    expect(heatRows(whole, residency, false)[0]?.resident).toBe(1);
  });

  it("knows what part of each day's bytes came from the cache, and on which days nothing was read", () => {
    const half = { ...partition("d=1", [4, 0]), read_bytes: [400, 0], hit_bytes: [100, 0] };
    expect(heatRows({ ...days, partitions: [half] }, undefined, false)[0]?.cached).toEqual([0.25, null]);
  });

  it("does not let one hot cell pale the rest", () => {
    const requests = [...Array.from({ length: 20 }, () => 10), 5000];
    const rows = [{ partition: "a", requests, cached: [], resident: null }];
    expect(heatTop(rows)).toBe(10);
    expect(heatTop([])).toBe(1);
  });
});

describe("ages", () => {
  const age = (days: number, requests: number) => ({ age_days: days, requests, read_bytes: requests * 10 });

  it("are single days at first, then more and more of them", () => {
    const bins = ageBins([age(-136, 1), age(0, 2), age(8, 3), age(13, 4), age(1212, 5)]);
    expect(bins.map((bin) => ageName(bin, "ahead"))).toEqual([
      "ahead",
      "0",
      "1",
      "2",
      "3",
      "4",
      "5",
      "6",
      "7–13",
      "14–29",
      "30–89",
      "90–364",
      "365+",
    ]);
    expect(bins.map((bin) => bin.requests)).toEqual([1, 2, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 5]);
    expect(bins[8]?.readBytes).toBe(70);
  });

  it("end where reads end", () => {
    expect(ageBins([age(2, 1)]).map((bin) => bin.from)).toEqual([0, 1, 2]);
    expect(ageBins([])).toEqual([]);
  });
});
