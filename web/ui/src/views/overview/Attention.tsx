// What needs attention, in words, and what would bring more: each with a link to what to do.

import { Link } from "../../parts/Link";
import { Section } from "../../parts/Section";
import { Skeleton } from "../../parts/states";
import { notLoadedWords, warningWords } from "../../text/said";
import { useWords, type Words } from "../../text/words";
import type { Notice } from "./notices";

/** The worst are in sight, the rest unfold: what to do next is never pushed off the page. */
const SHOWN = 4;

export function Attention({ notices, settled }: { notices: Notice[]; settled: boolean }) {
  const { t, f } = useWords();
  const faults = notices.filter((notice) => notice.level !== "next");
  const next = notices.filter((notice) => notice.level === "next");
  return (
    <Section title={t.overview.attention}>
      {settled ? (
        <div className="attention">
          {faults.length === 0 ? (
            <p className="well">{t.overview.allWell}</p>
          ) : (
            <Notices notices={faults.slice(0, SHOWN)} />
          )}
          {faults.length > SHOWN ? (
            <details>
              <summary>{t.overview.moreNotices(f.count(faults.length - SHOWN))}</summary>
              <Notices notices={faults.slice(SHOWN)} />
            </details>
          ) : null}
          {next.length > 0 ? (
            <>
              <h3>{t.overview.next}</h3>
              <Notices notices={next} />
            </>
          ) : null}
        </div>
      ) : (
        <Skeleton height={240} />
      )}
    </Section>
  );
}

function Notices({ notices }: { notices: Notice[] }) {
  const words = useWords();
  return (
    <ul className="notices">
      {notices.map((notice) => (
        <li key={JSON.stringify(notice)} className={notice.level}>
          <span className="level">{words.t.overview.levels[notice.level]}</span>
          <span>
            {sentence(notice, words)} <Link href={notice.href}>{words.t.notices.act[notice.code]}</Link>
          </span>
        </li>
      ))}
    </ul>
  );
}

/** A notice in words. */
export function sentence(notice: Notice, { t, f }: Pick<Words, "t" | "f">): string {
  const say = t.notices;
  switch (notice.code) {
    case "tier":
      return say.tier(
        notice.worker,
        t.tiers[notice.tier as keyof typeof t.tiers] ?? notice.tier,
        say.tierStates[notice.state],
      );
    case "worker_silent":
      return say.workerSilent(notice.worker);
    case "records_dropped":
      return say.recordsDropped(notice.worker, f.count(notice.records));
    case "worker_behind":
      return say.workerBehind(notice.worker, notice.version, notice.newest);
    case "errors":
      return say.errors(f.count(notice.errors), f.count(notice.requests));
    case "not_asked":
      return say.notAsked(notice.words);
    case "no_whitelist":
      return say.noWhitelist;
    case "proposal":
      return say.proposal(notice.version);
    case "not_resident":
      return say.notResident(f.count(notice.items), f.count(notice.of));
    case "left_out":
      return say.leftOut(f.count(notice.items), notice.first, notice.why ? notLoadedWords(notice.why, t, f) : "");
    case "night_warns":
      return say.nightWarns(warningWords(notice.warning, t, f));
    case "more_space":
      return say.moreSpace(f.size(notice.bytes), f.duration(notice.hours * 3600));
    case "table_left":
      return say.tableLeft(notice.table, f.duration(notice.seconds));
  }
}
