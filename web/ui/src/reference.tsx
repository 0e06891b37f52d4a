// The API's reference page, rendered from its own document.

import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import "./style/page.css";

interface Operation {
  summary?: string;
  description?: string;
  parameters?: { name: string; description?: string; required?: boolean }[];
  responses: Record<string, { description?: string }>;
}

interface Document {
  info: { title: string; version: string; description?: string };
  paths: Record<string, Record<string, Operation>>;
}

function Reference() {
  const [document, setDocument] = useState<Document | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    fetch("/api/openapi.json")
      .then((answer) => answer.json() as Promise<Document>)
      .then(setDocument, (error: unknown) => setProblem(String(error)));
  }, []);
  if (problem) return <p role="alert">{problem}</p>;
  if (!document) return <p className="empty">Reading the document…</p>;
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  return (
    <>
      <header className="bar">
        <h1 className="brand">
          {document.info.title} {document.info.version}
        </h1>
        <nav>
          <a href="/">Dashboard</a> <a href="/api/openapi.json">openapi.json</a>
        </nav>
      </header>
      <main>
        <p>{document.info.description}</p>
        {operations.map(({ path, method, operation }) => (
          <section key={method + path}>
            <h2>
              {method} <code>{path}</code>
            </h2>
            <p>{operation.summary ?? operation.description}</p>
            {operation.parameters?.length ? (
              <ul>
                {operation.parameters.map((parameter) => (
                  <li key={parameter.name}>
                    <code>{parameter.name}</code>
                    {parameter.required ? "" : " (optional)"} {parameter.description}
                  </li>
                ))}
              </ul>
            ) : null}
            <p className="soft">answers {Object.keys(operation.responses).join(", ")}</p>
          </section>
        ))}
      </main>
    </>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Reference />
  </StrictMode>,
);
