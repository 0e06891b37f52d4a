// The preloads of nights gone by.

import { csvPath } from "../../api/client";
import type { PreloadRun } from "../../api/types";
import type { Known } from "../../api/use";
import { Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { NOTHING } from "../../text/format";
import { stopWords } from "../../text/said";
import { useWords } from "../../text/words";

export function History({ runs }: { runs: Known<PreloadRun[]> }) {
  const { t, f } = useWords();
  return (
    <Section title={t.preload.history} csv={csvPath("nights/preloads", { limit: 1000, items: false })}>
      <Loaded of={runs} height={320}>
        {(all) =>
          all.length === 0 ? (
            <Empty height={200}>{t.preload.noHistory}</Empty>
          ) : (
            <Table
              label={t.preload.history}
              maxHeight={480}
              rows={all}
              rowKey={(run) => `${run.night_id} ${run.worker_url}`}
              columns={[
                { key: "started", name: t.words.when, render: (run) => f.moment(run.status.started ?? run.updated) },
                {
                  key: "worker",
                  name: t.words.worker,
                  wide: true,
                  grows: true,
                  render: (run) => run.worker_url.replace(/^https?:\/\//, ""),
                },
                { key: "version", name: t.words.version, number: true, render: (run) => `v${run.version}` },
                {
                  key: "loaded",
                  name: t.preload.loaded,
                  number: true,
                  render: (run) => f.size(run.status.bytes_loaded),
                },
                {
                  key: "resident",
                  name: t.preload.wasThere,
                  number: true,
                  wide: true,
                  render: (run) => f.size(run.status.bytes_resident),
                },
                {
                  key: "out",
                  name: t.preload.leftOut,
                  number: true,
                  render: (run) => f.count(run.total.failed + run.total.left_out),
                },
                { key: "took", name: t.preload.took, number: true, wide: true, render: (run) => took(run, f.duration) },
                {
                  key: "stopped",
                  name: t.words.note,
                  wide: true,
                  render: (run) => (
                    <span className="soft clip" title={run.status.stopped?.words ?? ""}>
                      {run.status.stopped ? stopWords(run.status.stopped, t, f) : ""}
                    </span>
                  ),
                },
              ]}
            />
          )
        }
      </Loaded>
    </Section>
  );
}

function took({ status }: PreloadRun, say: (seconds: number) => string): string {
  if (!status.started || !status.finished) return NOTHING;
  return say((Date.parse(status.finished) - Date.parse(status.started)) / 1000);
}
