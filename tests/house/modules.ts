/** What the house tests know of a file of code: its imports, exports, functions and names. */
import { dirname, join, normalize } from 'node:path';
import { exists, filesBelow, isTest, read } from './files.ts';
import { child, children, nameOf, nodesOf, type Syntax, type Visit } from './syntax.ts';

/** What `import { name } from file` means. */
export interface Place {
  readonly file: string;
  readonly name: string;
}

export interface Import {
  readonly specifier: string;
  /** The imported file, from the root of the repository; undefined for a package. */
  readonly file: string | undefined;
  readonly line: number;
  /** `import type`: nothing of it is left when the program runs. */
  readonly isTypeOnly: boolean;
  /** What is taken and used. What `export … from` passes on is in `exports`. */
  readonly names: readonly string[] | 'all';
}

export interface Export {
  readonly name: string;
  readonly line: number;
  readonly isType: boolean;
  /** Where it comes from, if it is only passed on. */
  readonly from: Place | undefined;
}

export interface Module {
  readonly path: string;
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  /** Lines of `export default` and `export *`. */
  readonly unnamedExports: readonly number[];
  /** `length` counts the lines that are not blank. */
  readonly functions: readonly { readonly line: number; readonly length: number }[];
  /** The lines of each name that stands for itself (not `x.name`, not a key), or follows an import and a dot. */
  readonly names: ReadonlyMap<string, readonly number[]>;
  readonly strings: ReadonlyMap<string, readonly number[]>;
}

/** AssemblyScript (`.as.ts`) and declarations are no modules. */
const isModule = (path: string): boolean => /\.(ts|tsx|mjs)$/.test(path) && !/\.(as|d)\.ts$/.test(path);

const known = new Map<string, Module>();

/** The modules of a folder, tests included. */
export const modulesBelow = (folder: string): Module[] =>
  filesBelow(folder)
    .filter(isModule)
    .map((path) => {
      const module = known.get(path) ?? readModule(path);
      known.set(path, module);
      return module;
    });

/** The modules of the product: src without its tests. */
export const sourceModules = (): Module[] => modulesBelow('src').filter(({ path }) => !isTest(path));

function readModule(path: string): Module {
  const text = read(path);
  const visits = nodesOf(text, path);
  const lines = lineNumbers(text);
  const lineOf = (node: Syntax) => lines[node.start]!;
  const bindings = bindingsOf(visits, path);
  const linesOf = (textOf: (visit: Visit) => string | undefined) => {
    const found = new Map<string, number[]>();
    for (const visit of visits) {
      const one = textOf(visit);
      if (one === undefined) continue;
      if (!found.has(one)) found.set(one, []);
      found.get(one)!.push(lineOf(visit.node));
    }
    return found;
  };
  return {
    path,
    imports: visits.flatMap((visit) => {
      const found = importOf(visit);
      if (!found || typeof found.source.value !== 'string') return [];
      const { source, ...rest } = found;
      const specifier = String(source.value);
      return { ...rest, specifier, file: resolve(path, specifier), line: lineOf(visit.node) };
    }),
    exports: visits.flatMap(({ node }) =>
      exportsOf(node, path, bindings).map((found) => ({ ...found, line: lineOf(node) })),
    ),
    unnamedExports: visits.flatMap(({ node }) => (/^Export(All|Default)/.test(node.type) ? lineOf(node) : [])),
    functions: visits.flatMap(({ node }) => {
      if (!/^(ArrowFunction|Function)(Expression|Declaration)$/.test(node.type)) return [];
      const body = text.slice(node.start, node.end).split('\n');
      return { line: lineOf(node), length: body.filter((line) => line.trim() !== '').length };
    }),
    names: linesOf((visit) => freeName(visit, bindings)),
    strings: linesOf(({ node }) => (typeof node.value === 'string' ? node.value : undefined)),
  };
}

/** The line of each UTF-16 unit, which is what the parser counts. */
function lineNumbers(text: string): number[] {
  let line = 1;
  return text.split('').map((unit) => (unit === '\n' ? line++ : line));
}

/** The file that a relative specifier means. A worker is called by its name after the build, with .js. */
function resolve(from: string, specifier: string): string | undefined {
  if (specifier === 'attune') return 'src/index.ts';
  if (!specifier.startsWith('.')) return undefined;
  const file = normalize(join(dirname(from), specifier)).replaceAll('\\', '/');
  const source = file.replace(/\.js$/, '.ts');
  return exists(source) ? source : file;
}

/** What the local names of imports mean. */
function bindingsOf(visits: readonly Visit[], path: string): Map<string, Place> {
  const declarations = visits.filter(({ node }) => node.type === 'ImportDeclaration');
  return new Map(
    declarations.flatMap(({ node }) => {
      const file = resolve(path, nameOf(child(node, 'source'))) ?? '';
      return children(node, 'specifiers').map((specifier) => [
        nameOf(child(specifier, 'local')),
        { file, name: importedName(specifier) },
      ]);
    }),
  );
}

const importedName = (specifier: Syntax): string =>
  specifier['imported'] ? nameOf(child(specifier, 'imported')) : 'default';

function importOf({ node, parent }: Visit): (Pick<Import, 'isTypeOnly' | 'names'> & { source: Syntax }) | undefined {
  const source = child(node, 'source');
  switch (node.type) {
    case 'ImportDeclaration': {
      const specifiers = children(node, 'specifiers');
      const isWhole = specifiers.some(({ type }) => type === 'ImportNamespaceSpecifier');
      const names = isWhole ? 'all' : specifiers.map(importedName);
      return { source: source!, names, isTypeOnly: node.importKind === 'type' };
    }
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
      return source && { source, names: [], isTypeOnly: node.exportKind === 'type' };
    case 'ImportExpression':
      return { source: source!, names: namesTaken(parent), isTypeOnly: false };
    case 'TSImportType':
      return { source: source!, names: 'all', isTypeOnly: true };
    case 'NewExpression':
      return urlOfModule(node);
    default:
      return undefined;
  }
}

/** `const { a, b } = await import(…)`, `(await import(…)).a`; otherwise all that is there. */
function namesTaken(awaiting: Visit | undefined): Import['names'] {
  const user = awaiting?.parent?.node;
  const pattern = child(user, 'id');
  if (awaiting?.node.type !== 'AwaitExpression') return 'all';
  if (user?.type === 'MemberExpression') return [nameOf(child(user, 'property'))];
  if (pattern?.type !== 'ObjectPattern') return 'all';
  return children(pattern, 'properties').map((property) => nameOf(child(property, 'key')));
}

/** `new URL('./worker.js', import.meta.url)` */
function urlOfModule(node: Syntax): ReturnType<typeof importOf> {
  const [source, base] = children(node, 'arguments');
  const isHere = child(node, 'callee')?.name === 'URL' && child(base, 'object')?.type === 'MetaProperty';
  if (!isHere || !source || !/\.[jt]s$/.test(String(source.value))) return undefined;
  return { source, names: 'all', isTypeOnly: false };
}

function exportsOf(node: Syntax, path: string, bindings: ReadonlyMap<string, Place>): Omit<Export, 'line'>[] {
  if (node.type !== 'ExportNamedDeclaration') return [];
  const isType = node.exportKind === 'type';
  const source = child(node, 'source');
  const passedOn = children(node, 'specifiers').map((specifier) => {
    const local = nameOf(child(specifier, 'local'));
    const from = source ? { file: resolve(path, nameOf(source)) ?? '', name: local } : bindings.get(local);
    return { name: nameOf(child(specifier, 'exported')), isType: isType || specifier.exportKind === 'type', from };
  });
  const declaration = child(node, 'declaration');
  const ids = [declaration, ...children(declaration, 'declarations')].flatMap((one) => child(one, 'id') ?? []);
  const declared = ids.flatMap(namesIn).map((name) => ({ name, isType, from: undefined }));
  return [...passedOn, ...declared];
}

/** `name`, or each name of `{ a, b: c }`. */
const namesIn = (id: Syntax): string[] =>
  id.type === 'ObjectPattern'
    ? children(id, 'properties').map((property) => nameOf(child(property, 'value')))
    : [nameOf(id)];

/** The name that an identifier stands for, unless it is a property or a key. */
function freeName({ node, parent }: Visit, bindings: ReadonlyMap<string, Place>): string | undefined {
  if (node.type !== 'Identifier') return undefined;
  const around = parent!.node;
  if (around.type === 'MemberExpression' && around['property'] === node && !around.computed) {
    const owner = child(around, 'object')?.name ?? '';
    return owner === 'globalThis' || bindings.has(owner) ? node.name : undefined;
  }
  return around['key'] === node && around['value'] !== node && !around.computed ? undefined : node.name;
}
