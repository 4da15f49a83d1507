import { z } from 'zod';

export const safetySettings = z.strictObject({
  spike_action: z
    .enum(['skip', 'rollback', 'stop'])
    .default('skip')
    .meta({
      description:
        'What is done first about a step whose loss or gradients are not finite, or far above those of the steps before: ' +
        'its update is left out, the run goes back to its last good state with half the learning rate, or it stops. ' +
        'skip turns to rollback after `max_skipped_steps`, rollback to stop after 3 times.',
      aliases: ['loss_watchdog', 'on_spike', 'nan_action'],
    }),
  max_skipped_steps: z
    .int()
    .min(0)
    .default(5)
    .meta({
      description: 'Steps that may be skipped before the run goes back; each way back grants as many again.',
      unit: 'steps',
      aliases: ['loss_watchdog_patience', 'max_skips'],
    }),
});
