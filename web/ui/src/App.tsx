// Asks the daemon every few seconds, and says so when it does not answer.

import { useEffect, useState } from "react";
import { type Snapshot, snapshot as ask } from "./api";
import { Overview } from "./Overview";

const ASK_EVERY_MS = 5000;

export function App({ load = ask }: { load?: () => Promise<Snapshot> }) {
  const [snapshot, setSnapshot] = useState<Snapshot | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      try {
        const newest = await load();
        if (gone) return;
        setSnapshot(newest);
        setProblem(null);
      } catch (error) {
        if (gone) return;
        setProblem(error instanceof Error ? error.message : String(error));
      }
      timer = setTimeout(look, ASK_EVERY_MS);
    };
    void look();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [load]);
  return (
    <>
      <header className="bar">
        <h1>Larder</h1>
        <nav>
          <a href="/api/">API</a> <a href="/metrics">Metrics</a>
        </nav>
      </header>
      <main>
        {problem ? (
          <p role="alert" className="problem">
            The daemon does not answer ({problem}). {snapshot ? "What you see is from before." : "Trying again."}
          </p>
        ) : null}
        {snapshot ? <Overview snapshot={snapshot} /> : problem ? null : <p className="empty">Asking the daemon…</p>}
      </main>
    </>
  );
}
