// The fleet's own history, replayed with many policies at equal capacity.

import { useEffect, useRef, useState } from "react";
import { writes } from "../../api/client";
import type { PolicyResult, Simulation } from "../../api/types";
import { askAnew, useApi } from "../../api/use";
import { Bar } from "../../parts/figures";
import { csvOf } from "../../parts/csv";
import { CsvLink, Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { useViewer } from "../../shell/session";
import { useWords } from "../../text/words";

const NO_PARAMETERS = {};
const WATCH = { everyMs: 3000 };

export function Policies() {
  const { t, f } = useWords();
  const simulation = useApi("/api/v1/simulation", NO_PARAMETERS, WATCH);
  const ran = useRef(false);
  useEffect(() => {
    if (simulation.state !== "ready") return;
    if (ran.current && !simulation.data.running) askAnew();
    ran.current = simulation.data.running;
  }, [simulation]);
  const result = simulation.state === "ready" ? simulation.data.result : null;
  return (
    <Section
      title={t.whatIf.policies}
      note={
        result?.history
          ? t.whatIf.policiesNote(
              f.day(result.history.first),
              f.day(result.history.last),
              f.size(result.capacity_bytes),
            )
          : undefined
      }
      tools={
        <>
          {simulation.state === "ready" ? <Run simulation={simulation.data} /> : null}
          {result ? <CsvLink href={csvOf(result.policies.map(figuresOf))} name="policies.csv" /> : null}
        </>
      }
    >
      <Loaded of={simulation} height={280}>
        {(data) => (
          <>
            {data.problem ? (
              <p className="bad" role="alert">
                {data.problem}
              </p>
            ) : null}
            {data.result ? (
              <Results policies={data.result.policies} possible={data.result.io_time_possible} />
            ) : (
              <Empty height={160}>{t.whatIf.noPolicies}</Empty>
            )}
          </>
        )}
      </Loaded>
    </Section>
  );
}

function Run({ simulation }: { simulation: Simulation }) {
  const { t, f } = useWords();
  const { mayWrite } = useViewer();
  const [problem, setProblem] = useState<string | null>(null);
  if (simulation.running) {
    return (
      <span>
        <span className="pulse" aria-hidden="true" />{" "}
        {t.whatIf.running(simulation.started ? f.hour(simulation.started) : "")}
      </span>
    );
  }
  if (!mayWrite) return null;
  const run = () => {
    setProblem(null);
    writes
      .simulate()
      .then(askAnew, (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)));
  };
  return (
    <>
      {problem ? (
        <span className="bad" role="alert">
          {problem}
        </span>
      ) : null}
      <button type="button" onClick={run}>
        {t.whatIf.run}
      </button>
    </>
  );
}

/** The policy that Larder itself follows. */
const OURS = "whitelist";

function Results({ policies, possible }: { policies: PolicyResult[]; possible: number }) {
  const { t, f } = useWords();
  const share = (policy: PolicyResult) => (possible > 0 ? policy.io_time_saved / possible : 0);
  const best = [...policies].sort((a, b) => b.io_time_saved - a.io_time_saved);
  return (
    <Table
      label={t.whatIf.policies}
      rows={best}
      rowKey={(policy) => policy.name}
      selected={OURS}
      columns={[
        {
          key: "name",
          name: t.words.policy,
          render: (policy) => t.whatIf.names[policy.name as keyof typeof t.whatIf.names] ?? policy.name,
        },
        {
          key: "bar",
          name: t.words.share,
          plain: true,
          wide: true,
          grows: true,
          render: (policy) => <Bar share={share(policy)} tone={policy.name === OURS ? "accent" : "grey"} />,
        },
        {
          key: "saved",
          name: t.whatIf.ioSaved,
          number: true,
          wide: true,
          render: (policy) => f.duration(policy.io_time_saved),
        },
        { key: "share", name: t.queries.ofPossible, number: true, render: (policy) => f.percent(share(policy)) },
        {
          key: "regret",
          name: t.words.regret,
          number: true,
          render: (policy) => f.percent(Math.max(policy.regret_b0, 0)),
        },
        {
          key: "bytes",
          name: t.whatIf.byteHits,
          number: true,
          wide: true,
          render: (policy) => f.percent(policy.byte_hit_ratio),
        },
        {
          key: "origin",
          name: t.whatIf.originBytes,
          number: true,
          wide: true,
          render: (policy) => f.size(policy.origin_bytes),
        },
        {
          key: "written",
          name: t.whatIf.written,
          number: true,
          wide: true,
          render: (policy) => f.size(policy.written_bytes),
        },
      ]}
    />
  );
}

/** What the table shows, as a file has it. */
function figuresOf({ name, io_time_saved, regret_b0, byte_hit_ratio, origin_bytes, written_bytes }: PolicyResult) {
  return { name, io_time_saved, regret_b0, byte_hit_ratio, origin_bytes, written_bytes };
}
