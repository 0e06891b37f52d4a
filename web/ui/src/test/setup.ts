// What jsdom lacks of a browser, and a clean start for each test.

import { cleanup } from "@testing-library/react";
import { afterEach, beforeEach, expect, vi } from "vitest";
import { forget } from "../api/use";

vi.mock("../parts/chart/Chart", () => ({
  Chart: ({ label }: { label: string }) => label,
}));

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
globalThis.matchMedia ??= ((query: string) => ({
  matches: false,
  media: query,
  addEventListener() {},
  removeEventListener() {},
})) as unknown as typeof matchMedia;
globalThis.scrollTo = (() => {}) as typeof scrollTo;

let complained: unknown[][] = [];

beforeEach(() => {
  complained = [];
  vi.spyOn(console, "error").mockImplementation((...words) => complained.push(words));
  localStorage.clear();
  forget();
  history.replaceState(null, "", "/");
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  expect(complained, "the console had errors").toEqual([]);
});
