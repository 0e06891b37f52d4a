// The preload of now: how far, how fast, how long.

import { useEffect, useState } from "react";
import type { PreloadStatus } from "../../api/types";
import { Figure, Figures } from "../../parts/figures";
import { Empty } from "../../parts/states";
import { NOTHING } from "../../text/format";
import { stopWords } from "../../text/said";
import { useWords } from "../../text/words";
import { heldBytes, rateOf, type Sample, sampled, secondsLeft } from "./progress";

export function Now({ status, live }: { status: PreloadStatus; live: boolean }) {
  const { t, f } = useWords();
  const [samples, setSamples] = useState<Sample[]>([]);
  useEffect(() => {
    setSamples((before) => sampled(before, { atMs: performance.now(), loadedBytes: heldBytes(status) }));
  }, [status]);
  if (status.run === 0 || status.items.length === 0) return <Empty height={150}>{t.preload.none}</Empty>;
  const share = status.bytes_total > 0 ? heldBytes(status) / status.bytes_total : 1;
  const rate = status.running ? rateOf(samples) : null;
  const left = status.running ? secondsLeft(status, rate) : null;
  const done = status.items.filter((item) => item.state === "done").length;
  return (
    <>
      <p className="lead" aria-live="polite">
        {status.running ? (
          <>
            <span className="pulse" aria-hidden="true" /> {t.preload.running(status.version)}
          </>
        ) : (
          t.preload.finished(status.version, status.finished ? f.moment(status.finished) : NOTHING)
        )}{" "}
        {status.stopped ? <span className="warn">{t.preload.stopped(stopWords(status.stopped, t, f))}</span> : null}
      </p>
      <progress max={1} value={share} aria-label={t.preload.progress} />
      <Figures label={t.preload.progress}>
        <Figure
          name={t.preload.progress}
          value={f.percent(share)}
          note={t.preload.bytesOf(f.size(heldBytes(status)), f.size(status.bytes_total))}
        />
        <Figure
          name={t.words.items}
          value={`${f.count(done)} / ${f.count(status.items.length)}`}
          note={t.preload.residentBefore(f.size(status.bytes_resident))}
        />
        <Figure
          name={t.preload.rate}
          value={rate === null ? NOTHING : f.rate(rate)}
          note={status.running ? (live ? t.preload.live : t.preload.polled) : t.preload.atRest}
        />
        <Figure
          name={t.preload.left}
          value={left === null ? NOTHING : f.duration(left)}
          note={
            status.held_back_seconds ? t.preload.heldBack(f.duration(status.held_back_seconds)) : t.preload.notHeldBack
          }
        />
      </Figures>
    </>
  );
}
