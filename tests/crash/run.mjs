/** npm run test:crash -- [RUNS] [SEED]: kills that many runs, and tells how they ended. */
import { spawnSync } from 'node:child_process';

const [runs = '100', seed = '1'] = process.argv.slice(2);
const env = { ...process.env, ATTUNE_CRASH_RUNS: runs, ATTUNE_CRASH_SEED: seed };
const { status } = spawnSync('npx', ['vitest', 'run', 'tests/crash/kill.test.ts'], { env, stdio: 'inherit' });
process.exitCode = status ?? 1;
