// The parts of the admin API that the page reads: /api/openapi.json describes all of it.

export interface Stat {
  uptime_seconds: number;
  get_requests: number;
  get_errors: number;
  bytes_memory: number;
  bytes_ssd: number;
  bytes_origin: number;
  bytes_direct: number;
  origin_bytes_demand: number;
  origin_bytes_preload: number;
  saved_io_seconds: number;
  fills_in_flight: number;
  whitelist_version: number;
}

export interface TierUse {
  tier: "memory" | "ssd";
  used_bytes: number;
  capacity_bytes: number;
  state: "opening" | "in_use" | "full" | "slow" | "out_of_use";
}

export interface Residency {
  tiers: TierUse[];
  items: { item: string; bytes: number; resident_bytes: number }[];
}

export interface Preload {
  run: number;
  running: boolean;
  stopped: string | null;
  bytes_total: number;
  bytes_loaded: number;
  bytes_resident: number;
  items: { item: string; state: string; message: string | null }[];
}

export interface WhitelistItem {
  item: string;
  bytes: number;
  objects: number;
  value_seconds: number;
  reason: string;
}

export interface Whitelist {
  version: number;
  created: string;
  night: string;
  budget_bytes: number;
  cut_density: number;
  reason: string;
  items: WhitelistItem[];
}

export interface Table {
  table: string;
  items: number;
  bytes: number;
  requests: number;
  read_bytes: number;
  value_seconds: number;
  whitelisted_items: number;
  whitelisted_bytes: number;
  whitelisted_value_seconds: number;
}

export interface Curve {
  budget_bytes: number;
  points: { budget_percent: number; capacity_bytes: number; hours_saved: number }[];
}

export interface Night {
  night: string;
  started: string;
  report: {
    outcome: string;
    warnings: string[];
    realised_seconds: number;
    unattributed_bytes: number;
    added_count: number;
    removed_count: number;
  };
}

/** Everything the page shows. A part that the daemon does not have yet (no whitelist before the first night) is null. */
export interface Snapshot {
  stat: Stat;
  residency: Residency;
  preload: Preload;
  whitelist: Whitelist | null;
  tables: Table[];
  curve: Curve | null;
  nights: Night[];
}

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(`/api/v1/${path}`);
  if (!answer.ok) {
    const problem = (await answer.json().catch(() => null)) as { error?: string } | null;
    throw new ApiError(answer.status, problem?.error ?? answer.statusText);
  }
  return (await answer.json()) as T;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function ifThere<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

export async function snapshot(): Promise<Snapshot> {
  const [stat, residency, preload, whitelist, tables, curve, nights] = await Promise.all([
    get<Stat>("stat"),
    get<Residency>("residency"),
    get<Preload>("preload"),
    ifThere(get<Whitelist>("whitelist")),
    get<Table[]>("tables"),
    ifThere(get<Curve>("curve")),
    get<Night[]>("nights?limit=30"),
  ]);
  return { stat, residency, preload, whitelist, tables, curve, nights };
}
