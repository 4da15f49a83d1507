import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The version in package.json, which stands three folders above both the source and the compiled file. */
export function attuneVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** One checksum of every file of the program: two builds of one version are told apart. */
export function codeHash(): string {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const hash = createHash('sha256');
  for (const name of names.filter((one) => /(?<!\.test|\.d)\.[jt]s$/.test(one)).sort()) {
    hash.update(`${name.replaceAll('\\', '/')}\0`).update(readFileSync(join(root, name)));
  }
  return hash.digest('hex');
}
