// What went wrong within a worker's tiers, by tier and kind. None of it failed a read.

import type { FleetWorker } from "../../api/types";
import { useWords } from "../../text/words";
import { isFault, tierErrorsOf } from "./health";

export function TierErrors({ worker, since }: { worker: FleetWorker; since: string }) {
  const { t, f } = useWords();
  const errors = tierErrorsOf(worker);
  if (!errors) return <p className="soft">{t.workers.tierErrorsUntold}</p>;
  return (
    <>
      <h3>{t.workers.tierErrorsSince(f.moment(since))}</h3>
      {errors.length === 0 ? (
        <p>{t.workers.noTierErrors}</p>
      ) : (
        <dl className="factors">
          {errors.map((error) => {
            const { name, words } = t.workers.tierErrorKinds[error.kind];
            return (
              <div key={`${error.tier} ${error.kind}`}>
                <dt>{t.workers.ofTier(t.tiers[error.tier], name)}</dt>
                <dd className={isFault(error) ? "bad" : undefined}>{f.count(error.count)}</dd>
                <dd className="soft">{words}</dd>
              </div>
            );
          })}
        </dl>
      )}
    </>
  );
}
