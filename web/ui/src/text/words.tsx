// The page's language: chosen by the reader and kept in this browser, else the browser's own.

import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import { en, type Text } from "./en";
import { type Format, formatOf, type Language } from "./format";
import { zh } from "./zh";

const TEXTS: Record<Language, Text> = { en, zh };
const KEPT_AS = "larder.language";

export interface Words {
  t: Text;
  f: Format;
  language: Language;
  setLanguage(language: Language): void;
}

const WordsContext = createContext<Words>({ t: en, f: formatOf("en"), language: "en", setLanguage: () => {} });

export function useWords(): Words {
  return useContext(WordsContext);
}

/** What was chosen here, else what the browser prefers. */
export function firstLanguage(kept: string | null, preferred: readonly string[]): Language {
  if (kept === "en" || kept === "zh") return kept;
  const known = preferred.find((name) => /^(en|zh)\b/i.test(name));
  return known?.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** Storage may be forbidden; the language is then the browser's at each visit. */
function keptLanguage(): string | null {
  try {
    return localStorage.getItem(KEPT_AS);
  } catch {
    return null;
  }
}

export function WordsProvider({ children }: { children: ReactNode }) {
  const [language, choose] = useState<Language>(() => firstLanguage(keptLanguage(), navigator.languages));
  useEffect(() => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  }, [language]);
  const words = useMemo<Words>(
    () => ({
      t: TEXTS[language],
      f: formatOf(language),
      language,
      setLanguage: (next) => {
        try {
          localStorage.setItem(KEPT_AS, next);
        } catch {
          // It holds for this visit.
        }
        choose(next);
      },
    }),
    [language],
  );
  return <WordsContext value={words}>{children}</WordsContext>;
}
