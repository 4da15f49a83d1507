import { readFileSync } from 'node:fs';

/** The version in package.json, which stands three folders above both the source and the compiled file. */
export function attuneVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
