// The head of every page: the views, the language, and who is here.

import { useRef } from "react";
import { useInSight } from "../parts/inSight";
import { Link } from "../parts/Link";
import { useWords } from "../text/words";
import { hrefOf, VIEW_KEYS, VIEWS, type View } from "../url/views";
import { useViewer } from "./session";

export function Header({ view, onKeys }: { view: View | null; onKeys(): void }) {
  const { t } = useWords();
  return (
    <header className="bar">
      <Link href="/" className="brand">
        Larder
      </Link>
      <Nav view={view} />
      <div className="bar-end">
        <Person />
        <Languages />
        <button type="button" className="quiet" onClick={onKeys} aria-label={t.shell.keys} title={t.shell.keys}>
          ?
        </button>
      </div>
    </header>
  );
}

function Nav({ view }: { view: View | null }) {
  const { t } = useWords();
  const here = useRef<HTMLAnchorElement>(null);
  useInSight(here, view);
  return (
    <nav aria-label={t.shell.views}>
      {VIEWS.map((name) => (
        <Link
          key={name}
          ref={name === view ? here : undefined}
          href={hrefOf(name)}
          aria-current={name === view ? "page" : undefined}
          aria-keyshortcuts={`g ${VIEW_KEYS[name]}`}
        >
          {t.views[name]}
        </Link>
      ))}
    </nav>
  );
}

function Languages() {
  const { t, language, setLanguage } = useWords();
  const other = language === "en" ? "zh" : "en";
  return (
    <button type="button" className="quiet" lang={other === "zh" ? "zh-CN" : "en"} onClick={() => setLanguage(other)}>
      {t.shell.otherLanguage}
    </button>
  );
}

function Person() {
  const { t } = useWords();
  const { session, signOut } = useViewer();
  if (!session?.sign_in || !session.person) return null;
  return (
    <span className="person">
      <span>
        {session.person.name} <small>{t.shell.roles[session.person.role]}</small>
      </span>
      <button type="button" className="quiet" onClick={signOut}>
        {t.shell.signOut}
      </button>
    </span>
  );
}
