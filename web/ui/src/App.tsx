// The page: which view its URL means, and what stands around it. Views load when they are first seen.

import { type ComponentType, lazy, Suspense, useCallback, useEffect, useRef, useState } from "react";
import { Empty, Skeleton } from "./parts/states";
import { Link } from "./parts/Link";
import { Header } from "./shell/Header";
import { useKeys } from "./shell/keys";
import { KeysDialog } from "./shell/KeysDialog";
import { ViewerProvider } from "./shell/session";
import { useWords, WordsProvider } from "./text/words";
import { usePath } from "./url/location";
import { placeOf, type View } from "./url/views";
import Overview from "./views/overview/Overview";

const VIEW_PARTS: Record<View, ComponentType> = {
  overview: Overview,
  value: lazy(() => import("./views/value/Value")),
  whitelist: lazy(() => import("./views/whitelist/Whitelist")),
  "what-if": lazy(() => import("./views/what-if/WhatIf")),
  preload: lazy(() => import("./views/preload/Preload")),
  queries: lazy(() => import("./views/queries/Queries")),
  workers: lazy(() => import("./views/workers/Workers")),
};
const TableValue = lazy(() => import("./views/value/TableValue"));
const SignIn = lazy(() => import("./shell/SignIn"));

export function App() {
  return (
    <WordsProvider>
      <ViewerProvider>
        <Page />
      </ViewerProvider>
    </WordsProvider>
  );
}

function Page() {
  const path = usePath();
  const place = placeOf(path);
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  const { t } = useWords();
  const [keys, setKeys] = useState(false);
  useKeys(useCallback(() => setKeys(true), []));
  const view = place.view === "sign-in" || place.view === "nowhere" ? null : place.view;
  const name = view ? t.views[view] : null;
  useEffect(() => {
    document.title = name ? `${name} · Larder` : "Larder";
  }, [name]);
  useEffect(() => {
    // A new view is read from its beginning.
    if (before.current !== path) main.current?.focus({ preventScroll: true });
    before.current = path;
  }, [path]);
  return (
    <>
      <a className="skip" href="#main">
        {t.shell.skip}
      </a>
      <Header view={view} onKeys={() => setKeys(true)} />
      <main id="main" ref={main} tabIndex={-1}>
        {name ? <h1 className="unseen">{name}</h1> : null}
        <Suspense fallback={<Skeleton height={480} />}>
          <Content place={place} />
        </Suspense>
      </main>
      <footer>
        <a href="/api/">API</a>
        <a href="/metrics">{t.shell.metrics}</a>
        <span>{t.shell.utc}</span>
      </footer>
      {keys ? <KeysDialog onClose={() => setKeys(false)} /> : null}
    </>
  );
}

function Content({ place }: { place: ReturnType<typeof placeOf> }) {
  const { t } = useWords();
  if (place.view === "sign-in") return <SignIn />;
  if (place.view === "nowhere") {
    return (
      <Empty height={320}>
        {t.shell.nowhere} <Link href="/">{t.views.overview}</Link>
      </Empty>
    );
  }
  if (place.view === "value" && place.table !== null) return <TableValue key={place.table} table={place.table} />;
  const Part = VIEW_PARTS[place.view];
  return <Part />;
}
