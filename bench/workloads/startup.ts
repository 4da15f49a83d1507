/** From the start of the process to the end of the first step, with everything in the caches of the system. */
import { runReference, trainAttune } from '../sides.ts';
import type { Workload } from '../workload.ts';
import { type Run, referenceOptions, sst2Files, sst2Recipe } from './sst2.ts';

const run: Run = {
  method: { name: 'lora', r: 8, lora_alpha: 16 },
  reference: 'lora',
  learningRate: 5e-4,
  training: { max_steps: 1 },
};

export const startup: Workload = {
  about: 'LoRA on SST-2: start of the process, model, all rows read and tokenised, one step.',
  primary: 'first_step_seconds',
  warmUp: true,
  cases: (place) => {
    const files = sst2Files(place);
    const recipe = { ...sst2Recipe(run, files), evaluation: { eval_strategy: 'no' } };
    const given = referenceOptions(run, { files, precision: 'bf16', grouped: true }, place);
    const attune = () => trainAttune(recipe, place, 'step 1/1');
    const reference = () => runReference('epoch.py', { ...given, 'max-steps': 1 }, place, 'first_step');
    const side = (name: string, start: typeof attune | typeof reference) => ({
      name,
      measure: async () => ({ first_step_seconds: (await start()).markSeconds }),
    });
    return [{ name: '', sides: [side('Attune', attune), side('PyTorch bf16, grouped by length', reference)] }];
  },
};
