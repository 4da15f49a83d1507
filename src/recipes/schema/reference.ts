import {
  alternatives,
  type Declared,
  declaredRecipe,
  keysOf,
  listPlaces,
  listSettings,
  type Setting,
} from './declaration.ts';
import { takes } from './takes.ts';

/** docs/reference/recipe.md, made from the declaration. */
export function recipeReference(): string {
  const { method, ...groups } = keysOf(declaredRecipe());
  const top = listSettings(declaredRecipe()).filter(({ path }) => path.length === 1 && !path[0]?.startsWith('$'));
  const methodRow = { path: ['method'], declared: method!, isRequired: false };
  const sections = Object.entries(groups).flatMap(([key, group]) => section(key, group));
  return `${[intro, table([...top, methodRow]), ...sections, ...methodSections(method!)].join('\n\n')}\n`;
}

const intro = `# Recipe reference

A recipe is a YAML or JSON file, or the same keys as an object in TypeScript. This page is generated from the
declaration of the settings: \`npm run schema\` writes it. A key that is not on it is an error.

For completion in an editor, begin a YAML recipe with
\`# yaml-language-server: $schema=./node_modules/attune/attune.schema.json\`, or give a JSON recipe the key \`$schema\`.

Each setting can be given on the command line too: \`attune train recipe.yaml training.learning_rate=3e-5\`, or shorter
\`learning_rate=3e-5\`; \`~training.max_steps\` removes a key of the file.

## At the top`;

function section(key: string, group: Declared): string[] {
  const settings = rowsOf(group);
  return settings.length > 0 ? [`## \`${key}\``, group.description ?? '', table(settings)] : [];
}

/** Settings, and groups that may be written as one value too. */
function rowsOf(group: Declared): Setting[] {
  const isGroup = (declared: Declared): boolean => Object.keys(keysOf(declared)).length > 0;
  return listPlaces(group).filter(
    ({ declared }) => !isGroup(declared) || alternatives(declared).some((one) => !isGroup(one)),
  );
}

function methodSections(method: Declared): string[] {
  const kinds = alternatives(method).flatMap(alternatives);
  return kinds.flatMap((kind) => {
    const own = rowsOf(kind).filter(({ path }) => path[0] !== 'name');
    const rows = own.length > 0 ? table(own) : 'It has no settings of its own.';
    return [`## \`method: ${keysOf(kind)['name']?.const}\``, kind.description ?? '', rows];
  });
}

function table(settings: readonly Setting[]): string {
  return ['| key | takes | default | what it does |', '|---|---|---|---|', ...settings.map(row)].join('\n');
}

function row({ path, declared, isRequired }: Setting): string {
  const unit = declared.unit ? ` (${declared.unit})` : '';
  const value = isRequired ? 'required' : defaultOf(declared);
  return `| \`${path.join('.')}\` | ${takes(declared)}${unit} | ${value} | ${declared.description ?? ''} |`;
}

function defaultOf(declared: Declared): string {
  if (declared.defaultText) return declared.defaultText;
  const { default: value } = declared;
  if (value === undefined) return '';
  return `\`${typeof value === 'object' ? JSON.stringify(value) : String(value)}\``;
}
