import { z } from 'zod';

export const evaluationSettings = z.strictObject({
  eval_strategy: z
    .enum(['epoch', 'steps', 'no'])
    .default('epoch')
    .meta({
      description: 'When the validation data is evaluated: after each epoch, every `eval_steps`, or never.',
      defaultText: '`epoch`; `steps` where `eval_steps` is given; `no` without validation data',
      aliases: ['evaluation_strategy', 'do_eval'],
    }),
  eval_steps: z
    .int()
    .min(1)
    .optional()
    .meta({
      description: 'Optimizer steps between two evaluations.',
      unit: 'steps',
      aliases: ['steps_per_eval', 'eval_every', 'eval_interval', 'val_check_interval'],
    }),
  per_device_eval_batch_size: z
    .int()
    .min(1)
    .default(64)
    .meta({
      description: 'Examples that are evaluated at once.',
      unit: 'examples',
      aliases: ['eval_batch_size', 'val_batch_size', 'test_batch_size', 'per_gpu_eval_batch_size'],
    }),
  threshold: z
    .union([z.literal('auto'), z.number().gt(0).lt(1)])
    .optional()
    .meta({
      description:
        'For tasks with two labels: the second is answered where its probability reaches this. auto = where its F1 on the validation data is largest, for the best checkpoint; saved with the model.',
      defaultText: 'the label with the larger probability',
      aliases: ['decision_threshold', 'classification_threshold', 'cutoff'],
    }),
});
