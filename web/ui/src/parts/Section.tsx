// A part of a view: a heading, what can be done with it, and its content. Sections are parted by a line, never boxed.

import { type ReactNode, useId } from "react";
import { useWords } from "../text/words";

interface SectionProps {
  title: ReactNode;
  /** One line that says what is seen. */
  note?: ReactNode;
  /** Controls, at the right of the heading. */
  tools?: ReactNode;
  /** Where the same rows are to be had as CSV. */
  csv?: string | undefined;
  /** What is in that file, where these are other rows. */
  csvWhy?: string;
  className?: string;
  children: ReactNode;
}

export function Section({ title, note, tools, csv, csvWhy, className = "", children }: SectionProps) {
  const id = useId();
  return (
    <section aria-labelledby={id} className={className}>
      <header>
        <h2 id={id}>{title}</h2>
        {note ? <p>{note}</p> : null}
        <div className="tools">
          {tools}
          {csv ? <CsvLink href={csv} why={csvWhy} /> : null}
        </div>
      </header>
      {children}
    </section>
  );
}

/** `name` is the file's, where the daemon does not give it one. */
export function CsvLink({ href, name = "", why }: { href: string; name?: string; why?: string | undefined }) {
  const { t } = useWords();
  return (
    <a className="csv" href={href} download={name} title={why ?? t.parts.csvWhy}>
      CSV
    </a>
  );
}
