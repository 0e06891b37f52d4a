// Plan now, or run a night now; and what of it is under way.

import { useEffect, useRef, useState } from "react";
import { writes } from "../../api/client";
import { askAnew, dataOf, useApi } from "../../api/use";
import { useViewer } from "../../shell/session";
import { outcomeWords, stepWords } from "../../text/said";
import { useWords } from "../../text/words";

const NO_PARAMETERS = {};
const WATCH = { everyMs: 2000 };

export function NightButtons() {
  const { t, f } = useWords();
  const { mayWrite } = useViewer();
  const running = dataOf(useApi("/api/v1/nights/now", NO_PARAMETERS, WATCH));
  const [problem, setProblem] = useState<string | null>(null);
  const ran = useRef(false);
  useEffect(() => {
    if (ran.current && running && !running.running) askAnew();
    ran.current = running?.running ?? false;
  }, [running]);

  const start = async (plan: boolean) => {
    setProblem(null);
    try {
      await writes.night(plan);
      askAnew();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  if (!mayWrite && !running?.running) return null;
  return (
    <div className="actions" aria-live="polite">
      {running?.running ? (
        <p>
          <span className="pulse" aria-hidden="true" />{" "}
          {t.whitelist.nightRuns(stepWords(running, t, f))}
        </p>
      ) : (
        <>
          <button type="button" onClick={() => void start(true)}>
            {t.whitelist.planNow}
          </button>
          <button type="button" onClick={() => void start(false)}>
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
      {problem ? (
        <p className="bad" role="alert">
          {problem}
        </p>
      ) : null}
    </div>
  );
}
