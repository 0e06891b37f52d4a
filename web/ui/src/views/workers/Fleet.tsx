// All workers; one unfolds to its tiers and problems.

import { csvPath } from "../../api/client";
import type { FleetWorker } from "../../api/types";
import type { Known } from "../../api/use";
import { Figure, Figures } from "../../parts/figures";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { NOTHING } from "../../text/format";
import { useWords } from "../../text/words";
import { useParam } from "../../url/location";
import { text } from "../../url/params";
import { lastMoment } from "../overview/notices";
import { healthOf, isFault, tierErrorsOf, unfitTiers } from "./health";
import { WorkerDetail } from "./WorkerDetail";

const CHOSEN = text();

export function Fleet({ workers }: { workers: Known<FleetWorker[]> }) {
  const { t } = useWords();
  return (
    <Loaded of={workers} height={320}>
      {(all) => (all.length === 0 ? <Empty height={240}>{t.workers.none}</Empty> : <Rows workers={all} />)}
    </Loaded>
  );
}

function Rows({ workers }: { workers: FleetWorker[] }) {
  const { t, f } = useWords();
  const [chosen, choose] = useParam("worker", CHOSEN);
  const now = lastMoment(workers);
  const well = workers.filter((worker) => healthOf(worker, now) === "well").length;
  const sum = (of: (worker: FleetWorker) => number) => workers.reduce((all, worker) => all + of(worker), 0);
  const tierUsed = (worker: FleetWorker) => worker.status?.tiers.find((tier) => tier.tier === "ssd");
  const used = sum((worker) => tierUsed(worker)?.used_bytes ?? 0);
  const room = sum((worker) => tierUsed(worker)?.capacity_bytes ?? 0);
  const versions = [...new Set(workers.flatMap((worker) => worker.status?.version ?? []))];
  return (
    <>
      <Figures label={t.views.workers}>
        <Figure
          name={t.workers.well}
          value={`${f.count(well)} / ${f.count(workers.length)}`}
          {...(well < workers.length ? { tone: "warn" as const } : {})}
        />
        <Figure
          name={t.workers.ssd}
          value={f.size(used)}
          share={room > 0 ? used / room : null}
          note={t.workers.ofRoom(f.size(room))}
        />
        <Figure
          name={t.workers.errors}
          value={f.count(sum((worker) => worker.status?.errors ?? 0))}
          note={t.workers.ofRequests(f.compact(sum((worker) => worker.status?.requests ?? 0)))}
        />
        <Figure
          name={t.workers.versions}
          value={versions.join(", ") || NOTHING}
          {...(versions.length > 1 ? { tone: "warn" as const, note: t.workers.mixed } : {})}
        />
      </Figures>
      <Section title={t.workers.tabs.fleet} csv={csvPath("workers")}>
        <Table
          label={t.workers.tabs.fleet}
          rows={workers}
          rowKey={(worker) => worker.id}
          selected={chosen || null}
          detail={(worker) => <WorkerDetail worker={worker} />}
          columns={[
            {
              key: "id",
              name: t.words.worker,
              grows: true,
              render: (worker) => (
                <button
                  type="button"
                  className="link"
                  aria-expanded={chosen === worker.id}
                  onClick={() => choose(chosen === worker.id ? "" : worker.id)}
                >
                  {worker.id}
                </button>
              ),
            },
            {
              key: "health",
              name: t.workers.health,
              render: (worker) => {
                const health = healthOf(worker, now);
                return <span className={`state ${health}`}>{t.workers.healths[health]}</span>;
              },
            },
            ...(["memory", "ssd"] as const).map((name) => ({
              key: name,
              name: t.tiers[name],
              number: true,
              render: (worker: FleetWorker) => {
                const tier = worker.status?.tiers.find((known) => known.tier === name);
                if (!tier) return NOTHING;
                const [unfit] = unfitTiers([tier]);
                const used = f.percent(tier.capacity_bytes > 0 ? tier.used_bytes / tier.capacity_bytes : null);
                return (
                  <>
                    {unfit ? <strong className={unfit.tone}>{t.tierStates[unfit.state]} </strong> : null}
                    {used}
                  </>
                );
              },
            })),
            {
              key: "requests",
              name: t.words.requests,
              number: true,
              wide: true,
              render: (worker) => (worker.status ? f.count(worker.status.requests) : NOTHING),
            },
            {
              key: "errors",
              name: t.workers.errors,
              number: true,
              render: (worker) =>
                worker.status ? (
                  <span className={worker.status.errors > worker.status.requests / 1000 ? "bad" : ""}>
                    {f.count(worker.status.errors)}
                  </span>
                ) : (
                  NOTHING
                ),
            },
            {
              key: "tier-errors",
              name: t.workers.tierErrors,
              number: true,
              wide: true,
              render: (worker) => {
                const errors = tierErrorsOf(worker);
                if (!errors) return NOTHING;
                const all = errors.reduce((sum, error) => sum + error.count, 0);
                return <span className={errors.some(isFault) ? "bad" : ""}>{f.count(all)}</span>;
              },
            },
            {
              key: "whitelist",
              name: t.words.whitelist,
              number: true,
              wide: true,
              render: (worker) => (worker.status ? `v${worker.status.whitelist_version}` : NOTHING),
            },
            {
              key: "version",
              name: t.words.version,
              wide: true,
              render: (worker) => worker.status?.version ?? NOTHING,
            },
            {
              key: "uptime",
              name: t.workers.uptime,
              number: true,
              wide: true,
              render: (worker) =>
                worker.status ? f.duration((now - Date.parse(worker.status.started)) / 1000) : NOTHING,
            },
            { key: "seen", name: t.workers.seen, wide: true, render: (worker) => f.moment(worker.last_seen) },
          ]}
        />
      </Section>
    </>
  );
}
