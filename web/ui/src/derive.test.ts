import { describe, expect, it } from "vitest";
import type { Curve } from "./api/types";
import { avoidedBytes, byteHitRatio, hoursAt, marginalHours, nextStep, savedOver, savedShare } from "./derive";
import { point } from "./test/daemon";

describe("usage", () => {
  it("has no ratios before the first read", () => {
    const nothing = point("2026-11-22");
    expect(byteHitRatio(nothing)).toBeNull();
    expect(savedShare(nothing)).toBeNull();
  });

  it("counts bytes from memory and SSD as avoided", () => {
    const some = { ...point("2026-11-22"), bytes_memory: 50, bytes_ssd: 25, bytes_origin: 20, bytes_direct: 5 };
    expect(avoidedBytes(some)).toBe(75);
    expect(byteHitRatio(some)).toBe(0.75);
  });

  it("is summed over the last days only", () => {
    const points = [point("2026-11-20", 100, 1), point("2026-11-21", 10, 2), point("2026-11-22", 1, 3)];
    expect(savedOver(points, 2)).toEqual({ saved_seconds: 11, missed_seconds: 5 });
    expect(savedOver(points, 30).saved_seconds).toBe(111);
  });
});

describe("the curve", () => {
  const curve = (budget: number): Curve => ({
    version: 1,
    budget_bytes: budget,
    points: [
      { budget_percent: 50, capacity_bytes: budget / 2, bytes: 0, items: 1, hours_saved: 10 },
      { budget_percent: 100, capacity_bytes: budget, bytes: 0, items: 2, hours_saved: 15 },
    ],
  });

  it("is a straight line between its points, from nothing on, and flat after the last", () => {
    expect([0, 250, 500, 750, 1000, 9000].map((bytes) => hoursAt(curve(1000), bytes))).toEqual([
      0, 5, 10, 12.5, 15, 15,
    ]);
    expect(hoursAt({ version: 1, budget_bytes: 10, points: [] }, 5)).toBe(0);
  });

  it("is asked about the next 100 GiB, or a tenth of a smaller budget", () => {
    expect(nextStep(curve(1000))).toBe(100);
    expect(nextStep(curve(5000 * 2 ** 30))).toBe(100 * 2 ** 30);
    expect(marginalHours(curve(1000), 400)).toBe(2);
    expect(marginalHours(curve(1000), 1000)).toBe(0);
  });
});
