import type { Figures } from '../figures.ts';
import { runAttuneScript, runReference } from '../sides.ts';
import type { Workload } from '../workload.ts';

export const optimizer: Workload = {
  about: 'One AdamW update of 22.7 million parameters; the fastest of 12.',
  primary: 'update_ms',
  cases: (place) => [
    {
      name: '',
      sides: [
        { name: 'Attune', measure: () => runAttuneScript('optimizer.ts', place) },
        {
          name: 'PyTorch, fused',
          measure: async () =>
            (await runReference('optimizer.py', { threads: place.options.threads }, place)).object as Figures,
        },
      ],
    },
  ],
};
