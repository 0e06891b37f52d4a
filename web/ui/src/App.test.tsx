// The page as a reader sees it, over a daemon that answers what the tests say.

import { fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { App } from "./App";
import { daemon, fleet, point, queries, query, Refusal, table, usage, worker } from "./test/daemon";

const LATE = { timeout: 4000 };

function at(path: string) {
  history.replaceState(null, "", path);
  return render(<App />);
}

describe("the overview", () => {
  it("says what the cache earns, which table earns most, and what to do next", async () => {
    daemon(fleet());
    at("/");
    expect(
      await screen.findByText(/Larder saved 2\.5 h of IO time in the last 7 days: 75% of what was possible/),
    ).toBeTruthy();
    expect(await screen.findByText(/earns most, 100% of what/)).toBeTruthy();
    expect(screen.getAllByText("hive.tpch.lineitem").length).toBeGreaterThan(0);
    expect(await screen.findByText(/of what hive\.tpch\.orders is worth/)).toBeTruthy();
    expect(screen.getByText("Nothing is wrong.")).toBeTruthy();
  });

  it("is honest before the first read", async () => {
    daemon({
      ...fleet(),
      usage: {
        now: "2026-11-22T00:00:00Z",
        step: "hour",
        points: [],
        total: { ...(fleet()["usage"] as { total: object }).total, saved_seconds: 0, missed_seconds: 0, requests: 0 },
      },
      tables: [],
      "whitelist/history": [],
      curve: { version: 0, budget_bytes: 0, points: [] },
    });
    at("/");
    expect((await screen.findAllByText("Nothing was read through Larder in this time.")).length).toBeGreaterThan(0);
    expect(await screen.findByText(/There is no whitelist yet/)).toBeTruthy();
  });

  it("never says that all is well when it could not ask", async () => {
    daemon({ ...fleet(), usage: new Refusal(503, "the store is down") });
    at("/");
    expect(await screen.findByText("Not all could be looked at: the store is down.", { exact: false })).toBeTruthy();
    expect(screen.queryByText("Nothing is wrong.")).toBeNull();
  });

  it("keeps the range in its URL", async () => {
    daemon(fleet());
    at("/?range=30d");
    const thirty = await screen.findByRole("button", { name: "30 days" });
    expect(thirty.getAttribute("aria-pressed")).toBe("true");
    fireEvent.click(screen.getByRole("button", { name: "Today" }));
    expect(location.search).toBe("?range=1d");
  });
});

describe("the language", () => {
  it("is switched, and kept", async () => {
    daemon(fleet());
    at("/");
    fireEvent.click(await screen.findByRole("button", { name: "中文" }));
    expect(screen.getByRole("link", { name: "白名单" })).toBeTruthy();
    expect(localStorage.getItem("larder.language")).toBe("zh");
    expect(document.documentElement.lang).toBe("zh-CN");
  });
});

describe("items", () => {
  it("are found, and the search is in the URL", async () => {
    daemon(fleet());
    at("/value");
    expect(await screen.findByTitle("hive.tpch.lineitem/m=1", {}, LATE)).toBeTruthy();
    fireEvent.change(screen.getByLabelText("Find an item"), { target: { value: "orders" } });
    await waitFor(() => expect(location.search).toBe("?search=orders"), LATE);
    await waitFor(() => expect(screen.queryByTitle("hive.tpch.lineitem/m=1")).toBeNull(), LATE);
    expect(screen.getByTitle("hive.tpch.orders/m=2")).toBeTruthy();
  });

  it("say why they are in, and are pinned with a reason", async () => {
    const written = daemon(fleet());
    at("/whitelist?item=hive.tpch.lineitem%2Fm%3D1");
    const panel = await screen.findByRole("complementary", {}, LATE);
    expect(await within(panel).findByText(/rank 1 of 2 by density, above the cut at 1/)).toBeTruthy();
    expect(within(panel).getByText("With 1.0 MiB less budget it would leave.")).toBeTruthy();
    fireEvent.click(within(panel).getByRole("button", { name: "Pin" }));
    const reason = await screen.findByLabelText("Reason, for those who ask later");
    const pin = screen.getAllByRole<HTMLButtonElement>("button", { name: "Pin", hidden: true }).at(-1)!;
    expect(pin.disabled).toBe(true);
    fireEvent.change(reason, { target: { value: " the board reads it " } });
    fireEvent.click(pin);
    await waitFor(() => expect(written).toHaveLength(1), LATE);
    expect(written[0]).toEqual({
      method: "PUT",
      path: "whitelist/decisions",
      body: { target: "hive.tpch.lineitem/m=1", kind: "pin", because: "the board reads it" },
      marked: true,
    });
  });

  it("offer no change to a reader", async () => {
    daemon({ ...fleet(), session: { sign_in: true, person: { name: "amara", role: "reader" } } });
    at("/whitelist?item=hive.tpch.lineitem%2Fm%3D1");
    expect(await screen.findByText(/above the cut at 1/, {}, LATE)).toBeTruthy();
    expect(screen.getByText("reader")).toBeTruthy();
    for (const name of ["Pin", "Deny", "Plan now", "Run a night now"])
      expect(screen.queryByRole("button", { name })).toBeNull();
  });

  it("keep the dialog open when the daemon refuses", async () => {
    daemon({ ...fleet(), "PUT whitelist/decisions": new Refusal(409, "a night is running") });
    at("/whitelist?item=hive.tpch.lineitem%2Fm%3D1");
    fireEvent.click(await screen.findByRole("button", { name: "Deny" }, LATE));
    fireEvent.change(await screen.findByLabelText("Reason, for those who ask later"), { target: { value: "no" } });
    fireEvent.click(screen.getAllByRole("button", { name: "Deny", hidden: true }).at(-1)!);
    expect(await screen.findByText("a night is running")).toBeTruthy();
  });
});

describe("a table", () => {
  const tables = Array.from({ length: 1500 }, (_, i) => table(`hive.web.t${i}`, 1500 - i, 0));
  const answers = {
    ...fleet(),
    tables: (query: URLSearchParams) => tables.slice(0, Number(query.get("limit") ?? 10_000)),
  };

  it("is found among many", async () => {
    daemon(answers);
    at("/value/hive.web.t1400");
    expect(await screen.findByText("0 of 2 items on the whitelist", {}, LATE)).toBeTruthy();
  });

  it("is shown over as many days as its address says", async () => {
    const asked: (string | null)[] = [];
    daemon({
      ...answers,
      "tables/hive.web.t1/days": (query: URLSearchParams) => {
        asked.push(query.get("days"));
        return { table: "hive.web.t1", days: [], partitions_total: 0, partitions: [], ages: [], forecast: [] };
      },
    });
    at("/value/hive.web.t1?days=90");
    const ninety = await screen.findByRole("button", { name: "90 days" }, LATE);
    expect(ninety.getAttribute("aria-pressed")).toBe("true");
    fireEvent.click(screen.getByRole("button", { name: "7 days" }));
    expect(location.search).toBe("?days=7");
    await waitFor(() => expect(asked).toEqual(["90", "7"]), LATE);
  });

  it("that is none of them is said to be none of them", async () => {
    daemon(answers);
    at("/value/hive.web.none");
    expect(await screen.findByText(/not among the 1,500 tables/, {}, LATE)).toBeTruthy();
  });
});

describe("queries", () => {
  const readTo = (day: string) => ({ ...usage([point("2026-11-22")]), logs_read_to: day });

  it("are those up to the last day that a night has read", async () => {
    const asked: string[] = [];
    daemon({
      ...fleet(),
      usage: readTo("2026-11-20"),
      queries: (query: URLSearchParams) => {
        asked.push(`${query.get("from")}..${query.get("to")}`);
        return queries();
      },
    });
    at("/queries");
    expect(await screen.findByText("logs are read up to 20 Nov", {}, LATE)).toBeTruthy();
    expect(await screen.findByText(/The logs of these days tell of no query/, {}, LATE)).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Last day" }));
    await waitFor(() => expect(asked).toEqual(["2026-11-14..2026-11-20", "2026-11-20..2026-11-20"]), LATE);
  });

  it("are said to be of those that are kept, and so are groups where a filter is on", async () => {
    const ana = { kind: "user" as const, name: "ana", queries: 3, seconds: 9, read_bytes: 10 };
    daemon({ ...fleet(), usage: readTo("2026-11-20"), queries: queries({ total: 400, by_user: [ana] }) });
    at("/queries");
    expect(
      await screen.findByText("the first 0 of 400 queries, of the 200 longest and 200 largest of each day", {}, LATE),
    ).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "User" }));
    expect(await screen.findByText("a name leads to its queries")).toBeTruthy();
    fireEvent.click(screen.getByRole("link", { name: "ana" }));
    fireEvent.click(await screen.findByRole("button", { name: "Engine" }));
    expect(await screen.findByText(/^of the 200 longest and 200 largest queries of each day/)).toBeTruthy();
  });

  it("are not said to be none where their days are not read yet", async () => {
    daemon({ ...fleet(), usage: readTo("2026-11-20"), queries: queries() });
    at("/queries?range=2026-11-21..2026-11-22");
    expect(await screen.findByText(/No night has read these days yet/, {}, LATE)).toBeTruthy();
  });
});

describe("the workers", () => {
  it("each lead to their own configuration, and the one in sight says whose it is", async () => {
    const other = { ...worker("worker-2"), admin_url: "http://10.0.0.7:9001" };
    const config = { worker: "worker-1", file: null, settings: { admin: { listen: "127.0.0.1:9001" } } };
    daemon({ ...fleet(), workers: [worker("worker-1"), other], config });
    at("/workers?worker=worker-2");
    const link = await screen.findByRole("link", { name: "http://10.0.0.7:9001" }, LATE);
    expect(link.getAttribute("href")).toBe("http://10.0.0.7:9001/workers?tab=config");
    fireEvent.click(screen.getByRole("button", { name: "Configuration" }));
    expect(await screen.findByRole("heading", { name: "Configuration in force on worker-1" })).toBeTruthy();
  });

  it("show what went wrong within their tiers, and which is out of use", async () => {
    const failing = worker("worker-2");
    failing.status!.tiers[0]!.state = "out_of_use";
    failing.status!.tier_errors = [
      { tier: "ssd", kind: "read", count: 1234 },
      { tier: "ssd", kind: "checksum", count: 0 },
    ];
    daemon({ ...fleet(), workers: [worker("worker-1"), failing] });
    at("/workers?worker=worker-2");
    expect(await screen.findByText("SSD: not read", {}, LATE)).toBeTruthy();
    expect(screen.queryByText("SSD: wrong checksum")).toBeNull();
    expect(screen.getAllByText("1,234").length).toBe(2);
    expect(screen.getByText(/reads go around it, to the origin/)).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "worker-1" }));
    expect(screen.getByText("Nothing went wrong within its tiers.")).toBeTruthy();
  });
});

describe("a query", () => {
  const answers = { ...fleet(), queries: queries({ total: 2, queries: [query("q1"), query("q2")] }) };

  it("is opened with its days in the address, and closed", async () => {
    daemon(answers);
    at("/queries");
    const [first] = await screen.findAllByRole("button", { name: "20 Nov 09:00" }, LATE);
    fireEvent.click(first!);
    expect(location.search).toBe("?query=q1&range=2026-11-14..2026-11-20");
    expect(screen.getByText("SELECT 'q1'")).toBeTruthy();
    fireEvent.click(screen.getAllByRole("button", { name: "20 Nov 09:00" })[0]!);
    expect(location.search).toBe("?range=2026-11-14..2026-11-20");
    expect(screen.queryByText("SELECT 'q1'")).toBeNull();
  });

  it("is said to be missing where it is not among those shown", async () => {
    daemon(answers);
    at("/queries?query=q3&range=2026-11-14..2026-11-20");
    expect(await screen.findByText(/Query q3 is not among these/, {}, LATE)).toBeTruthy();
    fireEvent.click(screen.getAllByRole("button", { name: "20 Nov 09:00" })[1]!);
    expect(screen.queryByText(/is not among these/)).toBeNull();
  });
});

describe("a list that is cut", () => {
  it("says how many more there are, where that is known", async () => {
    const ana = { kind: "user" as const, name: "ana", queries: 3, seconds: 9, read_bytes: 10 };
    daemon({ ...fleet(), queries: queries({ by_user: [ana], users_total: 612 }) });
    at("/queries?tab=user");
    expect(await screen.findByText("and 611 more", {}, LATE)).toBeTruthy();
    expect(screen.getByRole("link", { name: "CSV" }).getAttribute("href")).toMatch(/groups=100000&rows=by_user$/);
  });

  it("leads to all of them", async () => {
    const item = { item: "a.b.t/d=1", bytes: 10, value_seconds: 5 };
    const choice = { items: 9, bytes: 90, value_seconds: 9, cut_density: 1e-6, added_count: 1234, removed_count: 1 };
    daemon({
      ...fleet(),
      simulation: { running: false },
      choice: { ...choice, capacity_bytes: 1000, added: [item], removed: [item] },
    });
    at("/what-if");
    expect(await screen.findByText("and 1,233 more", {}, LATE)).toBeTruthy();
    expect(screen.getAllByText(/^and .+ more$/)).toHaveLength(1);
    const csv = within(screen.getByRole("heading", { name: /Would come \(1,234\)/ })).getByRole("link");
    expect(csv.getAttribute("href")).toBe("/api/v1/choice.csv?capacity_bytes=1000&limit=1000000&rows=added");
  });

  const deeds = (count: number) => (query: URLSearchParams) =>
    Array.from({ length: Math.min(count, Number(query.get("limit"))) }, (_, n) => ({
      at: new Date(Date.UTC(2026, 10, 22) - n * 1000).toISOString(),
      who: "amara",
      what: "pin",
      target: "a.b.t",
      because: "the board",
    }));

  it("says that it is cut", async () => {
    daemon({ ...fleet(), activity: deeds(1000) });
    at("/whitelist?tab=activity");
    expect(await screen.findByText("the newest 200 only; the CSV has up to 10,000", {}, LATE)).toBeTruthy();
    expect(screen.getAllByText("amara")).toHaveLength(200);
  });

  it("says nothing where it is whole", async () => {
    daemon({ ...fleet(), activity: deeds(200) });
    at("/whitelist?tab=activity");
    expect(await screen.findAllByText("amara", {}, LATE)).toHaveLength(200);
    expect(screen.queryByText(/the newest 200 only/)).toBeNull();
  });
});

describe("a night", () => {
  it("is started with a reason", async () => {
    const written = daemon(fleet());
    at("/whitelist");
    fireEvent.click(await screen.findByRole("button", { name: "Run a night now" }, LATE));
    fireEvent.change(await screen.findByLabelText("Reason, for those who ask later"), { target: { value: "retry" } });
    fireEvent.click(screen.getAllByRole("button", { name: "Run a night now", hidden: true }).at(-1)!);
    await waitFor(() => expect(written).toHaveLength(1), LATE);
    expect(written[0]).toMatchObject({ method: "POST", path: "nights", body: { plan: false, because: "retry" } });
  });

  it("that somebody asked for says who and why", async () => {
    const asked = { by: "amara", because: "the logs came late" };
    daemon({ ...fleet(), "nights/now": { running: true, plan: false, step: "ingest", asked } });
    at("/whitelist");
    expect(await screen.findByText("Asked for by amara: the logs came late", {}, LATE)).toBeTruthy();
  });
});

describe("where there is little room", () => {
  it("the reason of a decision stands below it", async () => {
    vi.stubGlobal("matchMedia", () => ({ matches: true, addEventListener() {}, removeEventListener() {} }));
    const by = { by: "amara", because: "too large", decided: "2026-11-22T02:00:00Z" };
    daemon({ ...fleet(), "whitelist/decisions": [{ target: "hive.tpch.orders", kind: "deny", ...by }] });
    at("/whitelist?tab=decisions");
    const reason = await screen.findByText("too large", {}, LATE);
    expect(reason.closest("tr")?.className).toBe("below");
    expect(screen.queryByRole("columnheader", { name: "Why" })).toBeNull();
  });
});

describe("the sign-in", () => {
  it("is asked for, and leads back", async () => {
    const answers = {
      ...fleet(),
      session: { sign_in: true, person: null } as object,
      "POST session": new Refusal(401, "unknown") as unknown,
    };
    daemon(answers);
    at("/workers?tab=config");
    const token = await screen.findByLabelText("Token", {}, LATE);
    expect(location.pathname + location.search).toBe(`/sign-in?back=${encodeURIComponent("/workers?tab=config")}`);
    fireEvent.change(token, { target: { value: "wrong" } });
    fireEvent.click(screen.getByRole("button", { name: "Sign in" }));
    expect(await screen.findByText("This token is not known.")).toBeTruthy();
    answers["POST session"] = {};
    answers.session = { sign_in: true, person: { name: "amara", role: "operator" } };
    fireEvent.click(screen.getByRole("button", { name: "Sign in" }));
    await waitFor(() => expect(location.pathname + location.search).toBe("/workers?tab=config"), LATE);
    expect(await screen.findByText("amara", { exact: false })).toBeTruthy();
  });
});

describe("the keyboard", () => {
  it("leads to views, and lists its keys", async () => {
    daemon(fleet());
    at("/");
    await screen.findByText(/Larder saved/);
    fireEvent.keyDown(document.body, { key: "g" });
    fireEvent.keyDown(document.body, { key: "k" });
    await waitFor(() => expect(location.pathname).toBe("/workers"));
    fireEvent.keyDown(document.body, { key: "?" });
    expect(await screen.findByText("search in this view")).toBeTruthy();
  });
});

describe("an unknown address", () => {
  it("leads home", async () => {
    daemon(fleet());
    at("/nothing");
    expect(await screen.findByText("There is nothing at this address.", { exact: false })).toBeTruthy();
  });
});
