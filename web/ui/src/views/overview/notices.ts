// What a person should look at, the worst first, each with where to go next. Pure.

import type {
  Curve,
  FleetWorker,
  Night,
  NotLoaded,
  PreloadAnswer,
  Residency,
  Table,
  Usage,
  Version,
  Warning,
} from "../../api/types";
import { marginalHours, nextStep } from "../../derive";
import { hrefOf } from "../../url/views";

/** `next` is no fault: what would bring more. */
export type Level = "bad" | "warn" | "next";

type Say =
  | { code: "tier"; tier: string; state: "full" | "slow" | "out_of_use"; worker: string }
  | { code: "worker_silent"; worker: string }
  | { code: "records_dropped"; worker: string; records: number }
  | { code: "worker_behind"; worker: string; version: number; newest: number }
  | { code: "errors"; errors: number; requests: number }
  | { code: "not_asked"; words: string }
  | { code: "no_whitelist" }
  | { code: "proposal"; version: number }
  | { code: "not_resident"; items: number; of: number }
  | { code: "left_out"; items: number; first: string; why: NotLoaded | null }
  | { code: "night_warns"; warning: Warning }
  | { code: "more_space"; bytes: number; hours: number }
  | { code: "table_left"; table: string; seconds: number };

export type Notice = Say & { level: Level; href: string };

/** What the notices are drawn from; what is not known says nothing. */
export interface Seen {
  /** What the daemon said where it could not be asked. */
  failures?: string[];
  usage?: Usage | undefined;
  residency?: Residency | undefined;
  workers?: FleetWorker[] | undefined;
  preload?: PreloadAnswer | undefined;
  /** The newest versions, the newest first. */
  versions?: Version[] | undefined;
  nights?: Night[] | undefined;
  tables?: Table[] | undefined;
  curve?: Curve | undefined;
}

const SILENT_MS = 5 * 60_000;
/** A table is worth a notice when so much of its value is left at the origin, and of all value. */
const LEFT_SHARE = 0.5;
const LEFT_OF_ALL = 0.02;
/** A step of capacity is worth a notice when it brings so much more than is saved now. */
const STEP_BRINGS = 0.01;

export function attention(seen: Seen): Notice[] {
  const notices = [
    ...ofFailures(seen),
    ...ofWorkers(seen),
    ...ofReads(seen),
    ...ofWhitelist(seen),
    ...ofPreload(seen),
    ...ofNight(seen),
    ...ofPlanning(seen),
  ];
  const order: Level[] = ["bad", "warn", "next"];
  return notices.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
}

/** All is well only where all could be asked. */
function ofFailures({ failures = [] }: Seen): Notice[] {
  return [...new Set(failures)].map((words) => ({ code: "not_asked", words, level: "bad", href: hrefOf("workers") }));
}

function ofWorkers({ workers = [], versions = [], usage }: Seen): Notice[] {
  const notices: Notice[] = [];
  const newest = versions.find((version) => version.status === "published")?.version ?? 0;
  const now = lastMoment(workers, usage);
  for (const worker of workers) {
    const href = hrefOf("workers", { worker: worker.id });
    if (now - Date.parse(worker.last_seen) > SILENT_MS) {
      notices.push({ code: "worker_silent", worker: worker.id, level: "bad", href });
      continue;
    }
    for (const { tier, state } of worker.status?.tiers ?? []) {
      if (state === "full" || state === "slow" || state === "out_of_use")
        notices.push({ code: "tier", tier, state, worker: worker.id, level: "bad", href });
    }
    const dropped = worker.status?.access_records_dropped ?? 0;
    if (dropped > 0) {
      notices.push({ code: "records_dropped", worker: worker.id, records: dropped, level: "warn", href });
    }
    const holds = worker.status?.whitelist_version;
    if (holds !== undefined && holds < newest) {
      notices.push({ code: "worker_behind", worker: worker.id, version: holds, newest, level: "warn", href });
    }
  }
  return notices;
}

/** The latest moment that anything tells of: the daemon's clock may be another than the browser's. */
export function lastMoment(workers: FleetWorker[], usage?: Usage): number {
  const said = [...workers.map((worker) => worker.last_seen), usage?.points.at(-1)?.start ?? ""];
  return Math.max(0, ...said.map((at) => Date.parse(at)).filter((at) => !Number.isNaN(at)));
}

function ofReads({ usage }: Seen): Notice[] {
  if (!usage || usage.total.errors === 0) return [];
  const { errors, requests } = usage.total;
  return [
    { code: "errors", errors, requests, level: errors > requests / 100 ? "bad" : "warn", href: hrefOf("workers") },
  ];
}

function ofWhitelist({ versions }: Seen): Notice[] {
  if (!versions) return [];
  if (!versions.some((version) => version.status === "published"))
    return [{ code: "no_whitelist", level: "warn", href: hrefOf("whitelist") }];
  const [newest] = versions;
  if (newest?.status !== "proposed") return [];
  return [
    {
      code: "proposal",
      version: newest.version,
      level: "warn",
      href: hrefOf("whitelist", { tab: "diff", to: newest.version }),
    },
  ];
}

function ofPreload({ residency, preload }: Seen): Notice[] {
  const notices: Notice[] = [];
  const { items, incomplete_items: missing } = residency?.total ?? { items: 0, incomplete_items: 0 };
  if (missing > 0 && preload && !preload.running) {
    notices.push({ code: "not_resident", items: missing, of: items, level: "warn", href: hrefOf("preload") });
  }
  const first = preload?.total.first_not_loaded;
  if (first) {
    notices.push({
      code: "left_out",
      items: preload.total.failed + preload.total.left_out,
      first: first.item,
      why: first.why ?? null,
      level: "warn",
      href: hrefOf("preload", { tab: "left-out" }),
    });
  }
  return notices;
}

function ofNight({ nights }: Seen): Notice[] {
  const warnings = nights?.[0]?.report.warnings ?? [];
  return warnings.map((warning) => ({
    code: "night_warns",
    warning,
    level: "warn",
    href: hrefOf("whitelist", { tab: "versions" }),
  }));
}

function ofPlanning({ tables = [], curve }: Seen): Notice[] {
  const notices: Notice[] = [];
  const left = tables
    .map((table) => ({ table, seconds: table.value_seconds - table.whitelisted_value_seconds }))
    .filter(({ table, seconds }) => seconds > table.value_seconds * LEFT_SHARE && table.value_share > LEFT_OF_ALL)
    .sort((a, b) => b.seconds - a.seconds)[0];
  if (left)
    notices.push({
      code: "table_left",
      table: left.table.table,
      seconds: left.seconds,
      level: "next",
      href: hrefOf("value", {}, left.table.table),
    });
  if (curve && curve.points.length > 0) {
    const hours = marginalHours(curve, curve.budget_bytes);
    const now = curve.points.find((point) => point.capacity_bytes >= curve.budget_bytes)?.hours_saved ?? 0;
    if (hours > now * STEP_BRINGS && hours > 0) {
      notices.push({
        code: "more_space",
        bytes: nextStep(curve),
        hours,
        level: "next",
        href: hrefOf("what-if", { capacity: curve.budget_bytes + nextStep(curve) }),
      });
    }
  }
  return notices;
}
