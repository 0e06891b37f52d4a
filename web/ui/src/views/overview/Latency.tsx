// How long reads take from each tier.

import { csvPath } from "../../api/client";
import type { Usage } from "../../api/types";
import type { Known } from "../../api/use";
import { Section } from "../../parts/Section";
import { Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { NOTHING } from "../../text/format";
import { useWords } from "../../text/words";
import type { Range } from "../../url/range";
import { rangeWords } from "./Lead";

const TIERS = ["memory", "ssd", "origin"] as const;
const QUANTILES = ["p50_seconds", "p95_seconds", "p99_seconds"] as const;

export function Latency({
  usage,
  range,
  asked,
}: {
  usage: Known<Usage>;
  range: Range;
  asked: Record<string, string> | undefined;
}) {
  const { t, f } = useWords();
  return (
    <Section
      title={t.overview.latency}
      note={rangeWords(range, t.overview, f.day)}
      csv={csvPath("usage", asked)}
      csvWhy={t.overview.latencyCsvWhy}
    >
      <Loaded of={usage} height={140}>
        {({ total }) => (
          <Table
            label={t.overview.latency}
            rows={[...TIERS]}
            rowKey={(tier) => tier}
            columns={[
              { key: "tier", name: t.words.tier, render: (tier) => t.tiers[tier] },
              ...QUANTILES.map((quantile) => ({
                key: quantile,
                name: quantile.slice(0, 3),
                number: true,
                render: (tier: (typeof TIERS)[number]) => {
                  const known = total.latency[tier];
                  return known ? f.duration(known[quantile]) : NOTHING;
                },
              })),
              {
                key: "requests",
                name: t.words.requests,
                number: true,
                wide: true,
                render: (tier) => f.count(total.latency[tier]?.requests ?? 0),
              },
            ]}
          />
        )}
      </Loaded>
    </Section>
  );
}
