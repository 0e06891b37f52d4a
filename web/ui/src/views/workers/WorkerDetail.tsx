// One worker: its tiers, and what it says is wrong with them.

import type { FleetWorker } from "../../api/types";
import { Parts } from "../../parts/figures";
import { useWords } from "../../text/words";
import { unfitTiers } from "./health";
import { configHref } from "./place";
import { TierErrors } from "./TierErrors";

export function WorkerDetail({ worker }: { worker: FleetWorker }) {
  const { t, f } = useWords();
  const { status } = worker;
  const href = configHref(worker.admin_url);
  return (
    <div className="worker-detail">
      <p>
        {href ? (
          <a href={href} title={t.workers.itsConfig}>
            <code>{worker.admin_url}</code>
          </a>
        ) : (
          <code>{worker.admin_url}</code>
        )}{" "}
        <span className="soft">{t.workers.seenAt(f.moment(worker.last_seen))}</span>
      </p>
      {status ? (
        <>
          {unfitTiers(status.tiers).map(({ tier, state, tone }) => (
            <p key={tier} className={tone}>
              <strong>{t.workers.ofTier(t.tiers[tier], t.tierStates[state])}</strong> {t.workers.unfit[state]}
            </p>
          ))}
          <div className="columns">
            {status.tiers.map((tier) => (
              <Parts
                key={tier.tier}
                label={t.workers.ofTier(t.tiers[tier.tier], t.tierStates[tier.state])}
                parts={[
                  { name: t.words.used, colour: "blue", amount: tier.used_bytes, text: f.size(tier.used_bytes) },
                  {
                    name: t.words.free,
                    colour: "faint",
                    amount: Math.max(tier.capacity_bytes - tier.used_bytes, 0),
                    text: f.size(Math.max(tier.capacity_bytes - tier.used_bytes, 0)),
                  },
                ]}
              />
            ))}
          </div>
          <TierErrors worker={worker} since={status.started} />
          {status.access_records_dropped > 0 ? (
            <p className="warn">{t.notices.recordsDropped(worker.id, f.count(status.access_records_dropped))}</p>
          ) : null}
          {status.preloading ? <p>{t.workers.preloading}</p> : null}
        </>
      ) : (
        <p className="soft">{t.workers.noStatus}</p>
      )}
    </div>
  );
}
