// Endpoints that the OpenAPI document does not describe yet. An entry goes once `npm run api` brings it.

import type { components } from "./schema";

type Schemas = components["schemas"];
type Json<Body> = { content: { "application/json": Body } };
type Query<Names extends string> = { query?: { [Name in Names]?: string | number | boolean | undefined } };
type Reads<Answer, Parameters = object> = {
  parameters: Parameters;
  responses: { 200: Json<Answer>; 404: Json<Schemas["Problem"]> };
};
type Writes<Body, Answer = unknown> = {
  requestBody: Json<Body>;
  responses: { 200: Json<Answer>; 409: Json<Schemas["Problem"]> };
};

/** How long reads from one tier took. */
export interface Quantiles {
  requests: number;
  p50_seconds: number;
  p95_seconds: number;
  p99_seconds: number;
}

/** What the fleet did in one hour or day. */
export interface UsagePoint {
  start: string;
  requests: number;
  errors: number;
  bytes_memory: number;
  bytes_ssd: number;
  bytes_origin: number;
  bytes_direct: number;
  origin_bytes_demand: number;
  origin_bytes_preload: number;
  saved_seconds: number;
  missed_seconds: number;
  latency: { memory: Quantiles | null; ssd: Quantiles | null; origin: Quantiles | null };
}

export interface Usage {
  step: "hour" | "day";
  points: UsagePoint[];
  total: UsagePoint;
}

export interface ItemsPage {
  total: number;
  offset: number;
  items: Schemas["ItemAnswer"][];
}

/** One partition, its arrays parallel to the days of the answer. */
export interface PartitionDays {
  partition: string;
  bytes: number;
  whitelisted: boolean;
  requests: number[];
  read_bytes: number[];
  hit_bytes: number[];
}

export interface TableDays {
  table: string;
  days: string[];
  partitions: PartitionDays[];
  partitions_total: number;
  ages: { age_days: number; requests: number; read_bytes: number }[];
  forecast: { day: string; predicted_seconds: number; read_seconds: number; realised_seconds: number }[];
}

export interface QueryRow {
  query_id: string;
  engine: string;
  user: string;
  created: string;
  seconds: number;
  succeeded: boolean;
  query: string | null;
  read_bytes: number;
  /** From 0 to 1; null where no read of it was seen. */
  cached_share: number | null;
  missed_seconds: number;
  reads: { table: string; partitions: string[]; read_bytes: number; whitelisted: number }[];
  advice: string[];
}

export interface QueryGroup {
  name: string;
  queries: number;
  seconds: number;
  read_bytes: number;
  missed_seconds: number;
}

export interface Queries {
  total: number;
  queries: QueryRow[];
  by_user: QueryGroup[];
  by_engine: QueryGroup[];
  by_table: QueryGroup[];
  skipped_files: number;
}

export interface OwnerBill {
  /** Null for tables that are nobody's. */
  owner: string | null;
  tables: string[];
  cap_bytes: number | null;
  held_bytes: number;
  value_seconds: number;
  saved_seconds: number;
  missed_seconds: number;
  read_bytes: number;
  hit_bytes: number;
  queries: number;
}

export interface Bill {
  from: string;
  to: string;
  owners: OwnerBill[];
}

export interface ChosenItem {
  item: string;
  bytes: number;
  value_seconds: number;
}

/** What would be held at another capacity, beside today's list. */
export interface Choice {
  capacity_bytes: number;
  items: number;
  bytes: number;
  value_seconds: number;
  cut_density: number;
  added: ChosenItem[];
  removed: ChosenItem[];
  added_count: number;
  removed_count: number;
}

export interface PolicyResult {
  name: string;
  io_time_saved: number;
  byte_hit_ratio: number;
  request_hit_ratio: number;
  origin_bytes: number;
  written_bytes: number;
  regret_b0: number;
}

export interface Simulation {
  running: boolean;
  started: string | null;
  problem: string | null;
  result: null | { capacity_bytes: number; span: { first: string; last: string }; policies: PolicyResult[] };
}

export interface Activity {
  at: string;
  who: string;
  what: string;
  target: string;
  because: string;
}

export interface WorkerStatus {
  version: string;
  started: string;
  ready: boolean;
  whitelist_version: number;
  uptime_seconds: number;
  requests: number;
  errors: number;
  tiers: Schemas["TierUse"][];
  problems: string[];
}

export type FleetWorker = Schemas["Worker"] & { status?: WorkerStatus | null };

export interface Settings {
  file: string | null;
  settings: { [key: string]: unknown };
}

/** A preload as its events tell it: the items that changed since the last event only. */
export type PreloadEvent = Omit<Schemas["PreloadStatus"], "items"> & {
  items_done: number;
  items_total: number;
  changed: Schemas["PreloadItemStatus"][];
};

export interface Person {
  name: string;
  role: "reader" | "operator";
}

export interface Session {
  /** False where everyone is an operator: on loopback without tokens. */
  sign_in: boolean;
  person: Person | null;
}

export interface ComingPaths {
  "/api/v1/usage": { get: Reads<Usage, Query<"from" | "to" | "step">> };
  "/api/v1/items": {
    get: Reads<ItemsPage, Query<"search" | "table" | "whitelisted" | "sort" | "descending" | "offset" | "limit">>;
  };
  "/api/v1/tables/{table}/days": { get: Reads<TableDays, Query<"days"> & { path: { table: string } }> };
  "/api/v1/queries": { get: Reads<Queries, Query<"from" | "to" | "user" | "engine" | "table" | "sort" | "limit">> };
  "/api/v1/bill": { get: Reads<Bill, Query<"from" | "to">> };
  "/api/v1/choice": { get: Reads<Choice, { query: { capacity_bytes: number } }> };
  "/api/v1/simulation": { get: Reads<Simulation>; post: Writes<object> };
  "/api/v1/activity": { get: Reads<Activity[], Query<"limit">> };
  "/api/v1/workers": { get: Reads<FleetWorker[]> };
  "/api/v1/config": { get: Reads<Settings> };
  "/api/v1/nights/running": { get: Reads<{ running: boolean; step: string | null }> };
  "/api/v1/session": {
    get: Reads<Session>;
    post: Writes<{ token: string }, Session>;
    delete: { responses: { 200: Json<unknown> } };
  };
  "/api/v1/whitelist/approve": { post: Writes<{ version: number; because: string }> };
  "/api/v1/whitelist/rollback": { post: Writes<{ version: number; because: string }> };
}
