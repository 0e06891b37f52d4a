import { describe, expect, it } from "vitest";
import { PAGE_ROWS, pagesOf, windowOf } from "./window";

describe("the rows in sight", () => {
  it("are few, however many there are", () => {
    const top = windowOf(0, 560, 32, 100_000);
    expect(top.first).toBe(0);
    expect(top.end).toBeLessThan(40);
    const deep = windowOf(32 * 50_000, 560, 32, 100_000);
    expect(deep.first).toBeGreaterThan(49_980);
    expect(deep.end - deep.first).toBeLessThan(50);
  });

  it("end where the list ends, also when it became shorter", () => {
    expect(windowOf(32 * 99_990, 560, 32, 100_000).end).toBe(100_000);
    expect(windowOf(1e9, 560, 32, 3)).toEqual({ first: 2, end: 3 });
    expect(windowOf(0, 560, 32, 0)).toEqual({ first: 0, end: 0 });
  });

  it("lie on one page or two", () => {
    expect(pagesOf({ first: 0, end: 0 })).toEqual([0]);
    expect(pagesOf({ first: PAGE_ROWS - 1, end: PAGE_ROWS + 1 })).toEqual([0, 1]);
    expect(pagesOf({ first: 5 * PAGE_ROWS, end: 6 * PAGE_ROWS })).toEqual([5]);
  });
});
