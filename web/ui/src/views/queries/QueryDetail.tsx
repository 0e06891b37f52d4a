// One query: what it said, what it read, and what would have helped it.

import type { QueryRow } from "../../api/types";
import { ItemName } from "../../parts/ItemName";
import { Link } from "../../parts/Link";
import { useWords } from "../../text/words";
import { hrefOf } from "../../url/views";
import { adviceOf } from "./advice";

const PARTITIONS_SHOWN = 8;

export function QueryDetail({ query }: { query: QueryRow }) {
  const { t, f } = useWords();
  const advice = adviceOf(query, t);
  return (
    <div className="query-detail">
      <p>
        <code>{query.query_id}</code> {t.queries.by(query.user, query.engine)}{" "}
        {query.succeeded ? "" : <strong className="bad">{t.queries.failed}</strong>}
      </p>
      <p>
        {advice.words} {advice.act ? <Link href={advice.act.href}>{advice.act.words}</Link> : null}
      </p>
      <ul className="plain">
        {query.reads.map((read, i) => (
          <li key={read.table}>
            <Link href={hrefOf("value", {}, read.table)}>
              <ItemName item={read.table} />
            </Link>{" "}
            <span className="soft">
              {t.queries.read(
                f.size(read.read_bytes),
                f.count(query.whitelisted[i] ?? 0),
                f.count(Math.max(read.partitions_total, 1)),
              )}
            </span>{" "}
            {read.partitions.slice(0, PARTITIONS_SHOWN).map((partition) => (
              <Link key={partition} className="chip" href={hrefOf("value", { item: `${read.table}/${partition}` })}>
                {partition}
              </Link>
            ))}
            {read.partitions_total > PARTITIONS_SHOWN ? (
              <span className="soft"> {t.parts.more(f.count(read.partitions_total - PARTITIONS_SHOWN))}</span>
            ) : null}
          </li>
        ))}
      </ul>
      {query.query ? <pre>{query.query}</pre> : <p className="soft">{t.queries.noText}</p>}
    </div>
  );
}
