import { describe, expect, it } from "vitest";
import type { Snapshot } from "./api";
import { arrange, attention, byteHitRatio, density, duration, percent, rows, size } from "./derive";
import { fixture } from "./fixture";

describe("figures", () => {
  it("are said in the unit that fits", () => {
    expect([0, 1023, 1024, 5 * 2 ** 30].map(size)).toEqual(["0 B", "1023 B", "1.0 KiB", "5.0 GiB"]);
    expect([0.012, 5, 300, 7200].map(duration)).toEqual(["12 ms", "5.0 s", "5.0 min", "2.0 h"]);
    expect([null, 0, 0.051, 1].map(percent)).toEqual(["–", "0%", "5.1%", "100%"]);
    expect(density(10 / 2 ** 30)).toBe("10.0 s/GiB");
  });

  it("have no hit ratio before the first read", () => {
    const { stat } = fixture();
    expect(byteHitRatio({ ...stat, bytes_memory: 0, bytes_ssd: 0, bytes_origin: 0, bytes_direct: 0 })).toBeNull();
    expect(byteHitRatio({ ...stat, bytes_memory: 50, bytes_ssd: 25, bytes_origin: 20, bytes_direct: 5 })).toBe(0.75);
  });
});

describe("the list", () => {
  it("joins the whitelist with residency", () => {
    const list = rows(fixture());
    expect(list.map((row) => row.resident)).toEqual([1, 0.5]);
    expect(rows({ ...fixture(), whitelist: null })).toEqual([]);
  });

  it("is searched and sorted", () => {
    const list = rows(fixture());
    expect(arrange(list, "ORDERS", "item", false).map((row) => row.item)).toEqual(["hive.tpch.orders/m=2"]);
    expect(arrange(list, "", "value", false)[0]?.value).toBe(10);
    expect(arrange(list, "", "value", true)[0]?.value).toBe(20);
  });
});

describe("attention", () => {
  const texts = (snapshot: Snapshot) => attention(snapshot).map((notice) => notice.text);

  it("is asked for what is wrong, the worst first", () => {
    const broken = fixture();
    broken.residency.tiers[1]!.state = "out_of_use";
    const said = texts(broken);
    expect(said[0]).toContain("ssd tier fails");
    expect(said).toContainEqual(expect.stringContaining("1 of 2 whitelisted items are not resident"));
  });

  it("is not asked for when all is well", () => {
    const well = fixture();
    well.residency.items[1]!.resident_bytes = well.residency.items[1]!.bytes;
    expect(attention(well)).toEqual([]);
  });

  it("says that there is no whitelist yet", () => {
    expect(texts({ ...fixture(), whitelist: null })[0]).toContain("no whitelist yet");
  });
});
