// Plan now, or run a night now; and what of it is under way.

import { useEffect, useRef, useState } from "react";
import { writes } from "../../api/client";
import { askAnew, dataOf, useApi } from "../../api/use";
import { ReasonDialog } from "../../parts/ReasonDialog";
import { useViewer } from "../../shell/session";
import { outcomeWords, stepWords } from "../../text/said";
import { useWords } from "../../text/words";

const NO_PARAMETERS = {};
const WATCH = { everyMs: 2000 };

export function NightButtons() {
  const { t, f } = useWords();
  const { mayWrite } = useViewer();
  const running = dataOf(useApi("/api/v1/nights/now", NO_PARAMETERS, WATCH));
  const [asking, setAsking] = useState<"plan" | "night" | null>(null);
  const ran = useRef(false);
  useEffect(() => {
    if (ran.current && running && !running.running) askAnew();
    ran.current = running?.running ?? false;
  }, [running]);

  if (!mayWrite && !running?.running) return null;
  const action = asking === "plan" ? t.whitelist.planNow : t.whitelist.runNight;
  return (
    <>
      <div className="actions" aria-live="polite">
        {running?.running ? (
          <p>
            <span className="pulse" aria-hidden="true" />{" "}
            {t.whitelist.nightRuns(stepWords(running, t, f))}
          </p>
        ) : (
          <>
            <button type="button" onClick={() => setAsking("plan")}>
              {t.whitelist.planNow}
            </button>
            <button type="button" onClick={() => setAsking("night")}>
              {t.whitelist.runNight}
            </button>
            {running?.problem ? (
              <small className="bad">{running.problem}</small>
            ) : running?.outcome ? (
              <small>{outcomeWords(running.outcome, t)}</small>
            ) : (
              <small>{t.whitelist.nightNote}</small>
            )}
          </>
        )}
        {running?.asked ? (
          <small className="soft">{t.whitelist.nightAsked(running.asked.by, running.asked.because)}</small>
        ) : null}
      </div>
      {asking ? (
        <ReasonDialog
          title={action}
          subject={t.words.whitelist}
          words={asking === "plan" ? t.whitelist.nightNote : t.whitelist.nightDoes}
          action={action}
          onDo={(because) => writes.night(asking === "plan", because)}
          onClose={() => setAsking(null)}
        />
      ) : null}
    </>
  );
}
