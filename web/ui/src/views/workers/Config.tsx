// The configuration in force of the worker that serves this page. Secrets never leave it.

import { useApi } from "../../api/use";
import { Search } from "../../parts/controls";
import { csvOf } from "../../parts/csv";
import { CsvLink, Section } from "../../parts/Section";
import { Empty, Loaded } from "../../parts/states";
import { Table } from "../../parts/table/Table";
import { useWords } from "../../text/words";
import { useParam } from "../../url/location";
import { text } from "../../url/params";
import { found, settingsOf } from "./settings";

const NO_PARAMETERS = {};
const SEARCH = text();

export function Config() {
  const { t } = useWords();
  const [search, setSearch] = useParam("search", SEARCH, true);
  const config = useApi("/api/v1/config", NO_PARAMETERS);
  return (
    <Section
      title={config.state === "ready" ? t.workers.configOf(config.data.worker) : t.workers.tabs.config}
      note={config.state === "ready" ? (config.data.file ?? t.workers.noFile) : undefined}
      tools={
        <>
          <Search label={t.workers.searchConfig} value={search} onChange={setSearch} />
          {config.state === "ready" ? (
            <CsvLink
              href={csvOf(settingsOf(config.data.settings).map((setting) => ({ ...setting })))}
              name="settings.csv"
            />
          ) : null}
        </>
      }
    >
      <Loaded of={config} height={400}>
        {({ settings }) => {
          const rows = found(settingsOf(settings), search);
          if (rows.length === 0) return <Empty height={160}>{t.workers.noSetting}</Empty>;
          return (
            <Table
              label={t.workers.tabs.config}
              rows={rows}
              rowKey={(row) => row.key}
              columns={[
                { key: "key", name: t.workers.key, render: (row) => <code>{row.key}</code> },
                {
                  key: "value",
                  name: t.workers.setting,
                  grows: true,
                  render: (row) => <code className="setting">{row.value}</code>,
                },
              ]}
            />
          );
        }}
      </Loaded>
    </Section>
  );
}
