#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { commands } from './commands.ts';
import { runCommandLine } from './runCommandLine.ts';

process.exitCode = await runCommandLine({
  argv: process.argv.slice(2),
  commands,
  version: () => JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signals: process,
  exit: (code) => process.exit(code),
});
