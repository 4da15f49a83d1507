/** As much of a syntax tree (ESTree) as the house tests read. The parser is the one that vitest brings. */
import { parseAst } from 'vitest/node';

export interface Syntax {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly name?: string;
  readonly value?: unknown;
  readonly computed?: boolean;
  readonly importKind?: string;
  readonly exportKind?: string;
  readonly [field: string]: unknown;
}

/** A node with the way to it. */
export interface Visit {
  readonly node: Syntax;
  readonly parent: Visit | undefined;
}

/** Every node of a file, parents first. TypeScript 7 has no stable API for JavaScript yet. */
export function nodesOf(text: string, path: string): Visit[] {
  const program = parseAst(text, { lang: path.endsWith('x') ? 'tsx' : 'ts' }, path) as unknown as Syntax;
  const visits: Visit[] = [];
  const walk = (node: Syntax, parent: Visit | undefined) => {
    const visit = { node, parent };
    visits.push(visit);
    for (const value of Object.values(node).flat()) if (isSyntax(value)) walk(value, visit);
  };
  walk(program, undefined);
  return visits;
}

const isSyntax = (value: unknown): value is Syntax =>
  typeof value === 'object' && value !== null && typeof (value as Syntax).type === 'string';

export function child(node: Syntax | undefined, field: string): Syntax | undefined {
  const value = node?.[field];
  return isSyntax(value) ? value : undefined;
}

export const children = (node: Syntax | undefined, field: string): Syntax[] =>
  ((node?.[field] as unknown[] | null | undefined) ?? []).filter(isSyntax);

/** The name in `import { name }` or `export { name }`: an identifier, or a string. */
export const nameOf = (node: Syntax | undefined): string => node?.name ?? String(node?.value);
