// The figures: IO time saved over three spans against what was possible, hits, and what the origin was spared.

import type { Usage } from "../../api/types";
import { avoidedBytes, byteHitRatio, savedOver, savedShare } from "../../derive";
import { Figure, Figures } from "../../parts/figures";
import { useWords } from "../../text/words";
import { RANGE_DAYS, type Range } from "../../url/range";
import { rangeWords } from "./Lead";

export function Earned({ month, usage, range }: { month: Usage; usage: Usage | undefined; range: Range }) {
  const { t, f } = useWords();
  const over = rangeWords(range, t.overview, f.day);
  return (
    <Figures label={t.overview.earned}>
      {RANGE_DAYS.map((days) => {
        const sum = savedOver(month.points, days);
        const share = savedShare(sum);
        return (
          <Figure
            key={days}
            name={t.overview.savedIn(days)}
            value={f.duration(sum.saved_seconds)}
            share={share}
            note={
              share === null
                ? t.overview.nothingPossible
                : t.overview.ofPossible(f.percent(share), f.duration(sum.saved_seconds + sum.missed_seconds))
            }
          />
        );
      })}
      <Figure
        name={t.overview.hitRatio}
        value={f.percent(usage ? byteHitRatio(usage.total) : null)}
        share={usage ? byteHitRatio(usage.total) : null}
        note={usage ? t.overview.readsIn(f.compact(usage.total.requests), over) : over}
      />
      <Figure
        name={t.overview.avoided}
        value={usage ? f.size(avoidedBytes(usage.total)) : "–"}
        note={
          usage
            ? t.overview.originRead(
                f.size(usage.total.origin_bytes_demand + usage.total.bytes_direct),
                f.size(usage.total.origin_bytes_preload),
              )
            : null
        }
      />
    </Figures>
  );
}
