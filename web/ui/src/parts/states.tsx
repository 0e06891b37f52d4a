// What stands where data is not there: being asked for, not there yet, or not to be had. All take the room of the data.

import type { ReactNode } from "react";
import type { Known } from "../api/use";
import { askAnew } from "../api/use";
import { useWords } from "../text/words";

interface LoadedProps<Data> {
  of: Known<Data>;
  /** The height that the data will take, so that nothing jumps. */
  height: number;
  /** What to say where the daemon has nothing yet. */
  absent?: ReactNode;
  children(data: Data): ReactNode;
}

export function Loaded<Data>({ of: known, height, absent, children }: LoadedProps<Data>) {
  if (known.state === "loading") return <Skeleton height={height} />;
  if (known.state === "absent") return <Empty height={height}>{absent ?? known.words}</Empty>;
  if (known.state === "failed")
    return <Failed height={height} status={known.error.status} words={known.error.message} />;
  return (
    <>
      {known.stale ? <Stale words={known.stale.message} /> : null}
      {children(known.data)}
    </>
  );
}

export function Skeleton({ height }: { height: number }) {
  const { t } = useWords();
  return (
    <div className="skeleton" style={{ minHeight: height }} role="status">
      <span className="unseen">{t.states.loading}</span>
    </div>
  );
}

export function Empty({ height, children }: { height?: number; children: ReactNode }) {
  return (
    <div className="empty" style={{ minHeight: height }}>
      <p>{children}</p>
    </div>
  );
}

export function Failed({ height, status, words }: { height?: number; status: number; words: string }) {
  const { t } = useWords();
  return (
    <div className="empty" style={{ minHeight: height }} role="alert">
      <p>
        <strong className="bad">{status === 0 ? t.states.noAnswer : t.states.failed}</strong>
        <br />
        {words}
      </p>
      <button type="button" onClick={askAnew}>
        {t.states.again}
      </button>
    </div>
  );
}

function Stale({ words }: { words: string }) {
  const { t } = useWords();
  return (
    <p className="stale" role="alert">
      {t.states.stale(words)}
    </p>
  );
}
