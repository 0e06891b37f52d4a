import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { App } from "./App";
import { fixture } from "./fixture";

vi.mock("./Chart", () => ({ Chart: ({ label }: { label: string }) => <div>{label}</div>, colour: () => "#888" }));

beforeAll(() => {
  globalThis.ResizeObserver ??= class {
    observe() {}
    unobserve() {}
    disconnect() {}
  };
});
afterEach(cleanup);

describe("the page", () => {
  it("says that it asks, then what the cache earns", async () => {
    render(<App load={async () => fixture()} />);
    expect(screen.getByText(/Asking the daemon/)).toBeTruthy();
    expect(await screen.findByText("90.0 s")).toBeTruthy();
    expect(screen.getByText("80%")).toBeTruthy();
    expect(screen.getByText("hive.tpch.lineitem/m=1")).toBeTruthy();
  });

  it("finds items", async () => {
    render(<App load={async () => fixture()} />);
    fireEvent.change(await screen.findByLabelText("Find an item"), { target: { value: "orders" } });
    expect(screen.queryByText("hive.tpch.lineitem/m=1")).toBeNull();
    expect(screen.getByText("hive.tpch.orders/m=2")).toBeTruthy();
  });

  it("is honest when there is nothing yet", async () => {
    render(<App load={async () => ({ ...fixture(), whitelist: null, tables: [], curve: null, nights: [] })} />);
    expect(await screen.findByText(/No table has been read yet/)).toBeTruthy();
    expect(screen.getByText("no night has run yet")).toBeTruthy();
  });

  it("says when the daemon does not answer", async () => {
    render(
      <App
        load={async () => {
          throw new Error("connection refused");
        }}
      />,
    );
    expect((await screen.findByRole("alert")).textContent).toContain("connection refused");
  });
});
