import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml';
import { AttuneError } from '../../errors/index.ts';
import type { Path } from './declaration.ts';

export interface ParsedYaml {
  readonly value: unknown;
  /** The line of a key, or of the nearest group around it that the text holds. */
  readonly lineOf: (path: Path) => number | undefined;
}

/** Parses YAML or JSON. What a looser reader would pass over (a key given twice, an unknown tag) is an error here. */
export function parseYaml(text: string, file: string): ParsedYaml {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, stringKeys: true });
  const refuse = (offset: number, code: string, message: string): never => {
    const { line } = counter.linePos(offset);
    const found = text.split('\n')[line - 1]?.trim();
    const problem = found ? `${message}: ${found}` : message;
    throw new AttuneError({ code: 'CONFIG_FILE', where: `${file}:${line}`, problem, fix: fixes[code] ?? fixes.OTHER });
  };
  for (const { pos, code, message } of [...document.errors, ...document.warnings]) {
    refuse(pos[0], code, messages[code] ?? message);
  }
  const lost = aliasWithoutAnchor(document);
  if (lost !== undefined) refuse(lost, 'ALIAS', 'a value that starts with * refers to an anchor, and there is none');
  const lines = new Map<string, number>();
  collectLines(document.contents, [], (path, offset) => lines.set(JSON.stringify(path), counter.linePos(offset).line));
  return { value: plainValue(document, file), lineOf: (path) => nearestLine(lines, path) };
}

const messages: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'a key is given twice',
  TAB_AS_INDENT: 'a tab is used as indentation',
  MULTIPLE_DOCS: 'a second document starts here',
  NON_STRING_KEY: 'a key is not a plain word',
};

const fixes = {
  DUPLICATE_KEY: 'keep one of the two',
  TAB_AS_INDENT: 'indent with spaces',
  MULTIPLE_DOCS: 'keep one recipe in a file, without lines of ---',
  ALIAS: 'put the value in quotes',
  TAG_RESOLVE_FAILED: 'remove the tag, the word that starts with !',
  OTHER: 'mend the YAML there',
} as Readonly<Record<string, string>> & { readonly OTHER: string };

function aliasWithoutAnchor(document: Document): number | undefined {
  let offset: number | undefined;
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) === undefined) offset ??= alias.range?.[0];
    },
  });
  return offset;
}

function plainValue(document: Document, file: string): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    // What is left once the document has no errors: anchors that multiply without end.
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new AttuneError({ code: 'CONFIG_FILE', where: file, problem, fix: 'write the values out' }, { cause });
  }
}

function collectLines(node: unknown, path: Path, set: (path: Path, offset: number) => void): void {
  if (isMap(node)) {
    for (const { key, value } of node.items) {
      if (!isScalar(key)) continue;
      const place = [...path, String(key.value)];
      set(place, key.range?.[0] ?? 0);
      collectLines(value, place, set);
    }
  }
  if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) {
      set([...path, index], (item as Node).range?.[0] ?? 0);
      collectLines(item, [...path, index], set);
    }
  }
}

function nearestLine(lines: ReadonlyMap<string, number>, path: Path): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const line = lines.get(JSON.stringify(path.slice(0, length)));
    if (line !== undefined) return line;
  }
  return undefined;
}
