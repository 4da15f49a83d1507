/** Writes docs/errors.md from the table of codes. `errorsPage` is what the page should say. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { errorCodes } from '../src/errors/index.ts';

const heading = `# Errors

This page is generated from \`src/errors/codes.ts\`: \`npm run docs:errors\` writes it.

Every error says where it is, what is wrong with the value that was found, and what to do:

\`\`\`
recipe.yaml:7 training.seed: got -4
  fix: give a whole number of at least 0  [CONFIG_INVALID]
\`\`\`

With \`--json\` the same is \`{"error": {"code": …, "where": …, "problem": …, "fix": …}}\`; in TypeScript it is an
\`AttuneError\` with these fields. Codes stay; the words may change.

A command ends with 0 when it is done, 1 when it failed, 2 when its input or call is wrong, 3 when a guard stopped it, and
130 when it was interrupted. The code \`INTERNAL\` (exit code 1) is a mistake of Attune: report it.

| code | exit code | meaning | what to do |
|---|---|---|---|
`;

export function errorsPage(): string {
  const rows = Object.entries(errorCodes).map(
    ([code, { exit, means, remedy }]) => `| \`${code}\` | ${exit} | ${means} | ${remedy} |\n`,
  );
  return heading + rows.join('');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('../docs/errors.md', import.meta.url), errorsPage());
}
