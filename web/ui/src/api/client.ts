// The one client of the daemon's API, typed by its OpenAPI document.

import createClient from "openapi-fetch";
import type { paths as Paths } from "./schema";

/** Paths that can be read. */
export type ReadPath = {
  [Path in keyof Paths]: Paths[Path] extends { get: { responses: { 200: unknown } } } ? Path : never;
}[keyof Paths];

type Get<Path extends ReadPath> = Paths[Path] extends { get: infer Operation } ? Operation : never;

/** What a path answers. */
export type Answer<Path extends ReadPath> =
  Get<Path> extends { responses: { 200: { content: { "application/json": infer Body } } } } ? Body : never;

type Given<All> = {
  [Key in keyof All]-?: Key extends "path" | "query" ? (NonNullable<All[Key]> extends never ? never : Key) : never;
}[keyof All];

/** What is null is not sent. */
type Lax<Query> = { [Key in keyof Query]: Query[Key] | null };

/** The path and query parameters that a path takes. */
export type Parameters<Path extends ReadPath> =
  Get<Path> extends { parameters: infer All }
    ? { [Key in keyof Pick<All, Given<All>>]: Key extends "query" ? Lax<NonNullable<All[Key]>> : All[Key] }
    : object;

/** What the daemon said instead of an answer; status 0 when nothing answered at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Called whenever the daemon asks for a sign-in. */
let onSignInNeeded: () => void = () => {};
export function whenSignInIsNeeded(then: () => void): void {
  onSignInNeeded = then;
}

/** Writes carry this, which no form or link of another site can send. */
const headers = { "X-Larder-Request": "1" };

const base = typeof location === "undefined" ? "http://localhost" : location.origin;
const client = createClient<Paths>({ baseUrl: base, fetch: (request) => globalThis.fetch(request) });

interface Raw {
  data?: unknown;
  error?: unknown;
  response: Response;
}

async function settled(asked: Promise<Raw>): Promise<unknown> {
  let raw: Raw;
  try {
    raw = await asked;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, error instanceof Error ? error.message : String(error));
  }
  if (raw.response.ok) return raw.data;
  if (raw.response.status === 401) onSignInNeeded();
  const said = (raw.error as { error?: unknown } | undefined)?.error;
  throw new ApiError(
    raw.response.status,
    typeof said === "string" ? said : raw.response.statusText || String(raw.response.status),
  );
}

/** Reads a path. The casts are here, once, because a generic path hides from the compiler which parameters are its own. */
export async function read<Path extends ReadPath>(
  path: Path,
  params: Parameters<Path>,
  signal?: AbortSignal,
): Promise<Answer<Path>> {
  return (await settled(client.GET(path as never, { params, signal } as never) as Promise<Raw>)) as Answer<Path>;
}

/** Everything that the page can change. A path or a field that the API does not have does not compile. */
export const writes = {
  decide: (target: string, kind: "pin" | "deny", because: string) =>
    settled(client.PUT("/api/v1/whitelist/decisions", { headers, body: { target, kind, because } })),
  undecide: (target: string, because: string) =>
    settled(client.DELETE("/api/v1/whitelist/decisions", { headers, params: { query: { target, because } } })),
  approve: (version: number, because: string) =>
    settled(client.POST("/api/v1/whitelist/approve", { headers, body: { version, because } })),
  rollBack: (version: number, because: string) =>
    settled(client.POST("/api/v1/whitelist/rollback", { headers, body: { version, because } })),
  night: (plan: boolean, because: string) =>
    settled(client.POST("/api/v1/nights", { headers, body: { plan, because } })),
  simulate: () => settled(client.POST("/api/v1/simulation", { headers })),
  signIn: (token: string) => settled(client.POST("/api/v1/session", { headers, body: { token } })),
  signOut: () => settled(client.DELETE("/api/v1/session", { headers })),
};

/** Rows that the API gives at most of items, of queries and their groups, and of versions and deeds. */
export const ITEMS_MAX = 1_000_000;
export const QUERIES_MAX = 100_000;
export const ROWS_MAX = 10_000;

/** The same rows as a file for spreadsheets. */
export function csvPath(
  path: string,
  query: Record<string, string | number | boolean | null | undefined> = {},
): string {
  const said = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(said.map(([key, value]) => [key, String(value)])).toString();
  return `/api/v1/${path}.csv${text ? `?${text}` : ""}`;
}
