import { describe, expect, it } from "vitest";
import type { PreloadItem, PreloadStatus } from "../../api/types";
import { merged } from "./live";
import { arranged } from "./PreloadItems";
import { leftOut, rateOf, sampled, secondsLeft, writtenByDay } from "./progress";

const item = (name: string, state: PreloadItem["state"], loaded = 0): PreloadItem => ({
  item: name,
  state,
  bytes: 10,
  bytes_loaded: loaded,
  bytes_resident: 0,
  why: null,
});
const status = (items: PreloadItem[], run = 1): PreloadStatus => ({
  run,
  version: 3,
  running: true,
  stopped: null,
  started: null,
  finished: null,
  bytes_total: 100,
  bytes_loaded: 20,
  bytes_resident: 10,
  items,
});

describe("events of a preload", () => {
  const event = (run: number, changed: PreloadItem[]) => ({
    ...status([], run),
    held_back_seconds: 0,
    bytes_loaded: 50,
    items_done: 1,
    items_total: 2,
    changed,
  });

  it("change the items that they name, and keep the order", () => {
    const after = merged(status([item("a", "loading"), item("b", "waiting")]), event(1, [item("a", "done", 10)]));
    expect(after.items.map((each) => [each.item, each.state])).toEqual([
      ["a", "done"],
      ["b", "waiting"],
    ]);
    expect(after.bytes_loaded).toBe(50);
    expect(after).not.toHaveProperty("changed");
  });

  it("begin anew with another run, and tell all where nothing was known", () => {
    expect(merged(null, event(1, [item("a", "done")])).items).toHaveLength(1);
    expect(
      merged(status([item("a", "done")]), event(2, [item("c", "loading")])).items.map((each) => each.item),
    ).toEqual(["c"]);
  });
});

describe("progress", () => {
  it("has a rate once two moments are known, of the last seconds only", () => {
    let samples = sampled([], { atMs: 0, loadedBytes: 0 });
    expect(rateOf(samples)).toBeNull();
    samples = sampled(samples, { atMs: 10_000, loadedBytes: 1000 });
    expect(rateOf(samples)).toBe(100);
    samples = sampled(samples, { atMs: 20_000, loadedBytes: 5000 });
    expect(rateOf(samples)).toBe(400);
  });

  it("forgets the rate when another run begins", () => {
    expect(sampled([{ atMs: 0, loadedBytes: 500 }], { atMs: 1000, loadedBytes: 5 })).toEqual([
      { atMs: 1000, loadedBytes: 5 },
    ]);
  });

  it("has a time left only where something moves", () => {
    expect(secondsLeft(status([]), 7)).toBe(10);
    expect([secondsLeft(status([]), null), secondsLeft(status([]), 0)]).toEqual([null, null]);
  });

  it("knows what was left out", () => {
    expect(leftOut([item("a", "done"), item("b", "failed"), item("c", "left_out")]).map((each) => each.item)).toEqual([
      "b",
      "c",
    ]);
  });

  it("is found and sorted", () => {
    const items = [item("Lake.a", "done", 10), item("lake.b", "failed", 0), item("other", "loading", 5)];
    expect(arranged(items, "LAKE", { key: "order", descending: false }).map((each) => each.item)).toEqual([
      "Lake.a",
      "lake.b",
    ]);
    expect(arranged(items, "", { key: "progress", descending: true }).map((each) => each.item)).toEqual([
      "Lake.a",
      "other",
      "lake.b",
    ]);
    expect(arranged(items, "", { key: "state", descending: false })[0]?.state).toBe("failed");
  });
});

describe("wear", () => {
  it("is what was loaded on each day, over all workers", () => {
    const run = (started: string, loaded: number) => ({
      night_id: "n",
      worker_url: "w",
      version: 1,
      updated: started,
      status: { ...status([]), started, bytes_loaded: loaded },
      total: { items: 2, waiting: 0, loading: 0, done: 2, failed: 0, left_out: 0 },
    });
    const days = writtenByDay([
      run("2026-11-22T02:00:00Z", 5),
      run("2026-11-21T02:00:00Z", 1),
      run("2026-11-22T03:00:00Z", 7),
    ]);
    expect(days).toEqual([
      { day: "2026-11-21", bytes: 1 },
      { day: "2026-11-22", bytes: 12 },
    ]);
  });
});
