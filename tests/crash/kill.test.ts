/** `npm run test:crash -- 100` runs this a hundred times; `npm test` five times. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { stream, uniform } from '../../src/engine/random/index.ts';
import { temporaryFolder } from '../e2e/attune.ts';
import { killRuns } from './kill.ts';

const runs = Number(process.env.ATTUNE_CRASH_RUNS ?? 5);
const seed = Number(process.env.ATTUNE_CRASH_SEED ?? 1);

it(
  `${runs} runs killed with SIGKILL at random moments end as those that were left alone`,
  async () => {
    const from = stream(seed, 'kills');
    let counter = 0;
    const tally = await killRuns(join(temporaryFolder(), 'runs'), runs, () => uniform(from, counter++));
    console.log(JSON.stringify(tally));
    expect(tally).toMatchObject({ runs, same: runs, invalid: 0, takenWrongly: 0, different: [] });
    expect(tally.kills).toBeGreaterThanOrEqual(runs);
  },
  60_000 * Math.max(5, runs),
);
