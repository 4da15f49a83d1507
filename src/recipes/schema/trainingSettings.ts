import { z } from 'zod';
import { maxLength } from './dataSettings.ts';

/** How long, how fast and on how much at once. */
const lengthAndRate = {
  num_train_epochs: z
    .number()
    .positive()
    .default(3)
    .meta({
      description: 'How often the training data is gone through; may be a fraction.',
      unit: 'epochs',
      aliases: ['epochs', 'num_epochs', 'n_epochs', 'max_epochs', 'num_training_epochs'],
    }),
  max_steps: z
    .union([z.literal(-1), z.int().min(1)])
    .default(-1)
    .meta({
      description: 'Stops after this many optimizer steps, whatever `num_train_epochs` says; -1 = no such limit.',
      unit: 'steps',
      aliases: ['iters', 'iterations', 'steps', 'num_steps', 'num_train_steps', 'total_steps', 'max_iters'],
    }),
  per_device_train_batch_size: z
    .int()
    .min(1)
    .optional()
    .meta({
      description: 'Examples in a batch.',
      unit: 'examples',
      defaultText: '`32`; `8` for `sft` and `causal-lm`; nothing where `tokens_per_batch` is given',
      aliases: ['batch_size', 'micro_batch_size', 'train_batch_size', 'per_gpu_train_batch_size'],
    }),
  tokens_per_batch: z
    .int()
    .min(1)
    .optional()
    .meta({
      description:
        'Instead of a number of examples: a batch takes as many as these tokens hold, padding counted, so many short texts or few long ones. A longer text is a batch of its own.',
      unit: 'tokens',
      defaultText: 'batches by `per_device_train_batch_size`',
      aliases: ['max_tokens', 'batch_tokens', 'max_tokens_per_batch', 'tokens_per_step', 'train_batch_tokens'],
    }),
  micro_batch_tokens: z
    .int()
    .min(0)
    .default(1024)
    .meta({
      description:
        'A batch with more tokens, padding counted, is computed in several parts whose gradients are summed: the same step with less memory. 0 = never.',
      unit: 'tokens',
      aliases: ['max_tokens_per_device_batch', 'max_tokens_per_micro_batch', 'auto_find_batch_size'],
    }),
  gradient_accumulation_steps: z
    .int()
    .min(1)
    .default(1)
    .meta({
      description: 'Batches whose gradients are summed before one optimizer step.',
      unit: 'batches',
      aliases: ['grad_accumulation_steps', 'accumulate_grad_batches', 'gradient_accumulation', 'accumulation_steps'],
    }),
  learning_rate: z
    .union([z.literal('auto'), z.number().positive()])
    .default('auto')
    .meta({
      description:
        'The highest learning rate of the run. auto = by method: 5e-5 for `full`; of `freeze` 1e-3 for the head alone, else 1e-4; 5e-4 for `lora` and `dora`, 1e-2 for `adalora`, 4e-2 for `vera`, 1.5e-2 for `ia3`, 3e-3 for `bitfit`, `ln_tuning` and `p_tuning`, 1e-3 for `adapter`, 2e-4 where it is parallel, 3e-2 for `prompt_tuning` and `prefix_tuning`, with `prefix_projection` 1e-3.',
      aliases: ['lr', 'max_lr'],
    }),
  lr_scheduler_type: z
    .enum(['linear', 'cosine', 'constant', 'constant_with_warmup'])
    .default('linear')
    .meta({
      description: 'How the learning rate falls after the warm-up.',
      aliases: ['lr_scheduler', 'lr_schedule', 'scheduler', 'schedule', 'lr_decay_style'],
    }),
  warmup_steps: z
    .int()
    .min(0)
    .default(0)
    .meta({
      description: 'Steps in which the learning rate rises from 0.',
      unit: 'steps',
      aliases: ['warmup', 'num_warmup_steps', 'lr_warmup_steps'],
    }),
  warmup_ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .meta({
      description: 'The same as a share of all steps.',
      aliases: ['warmup_proportion', 'warmup_fraction'],
    }),
};

const parameterGroup = z.strictObject({
  pattern: z.string().min(1).meta({
    description:
      'Which tensors: whole names anywhere in theirs (`layer.0`, `bias`), or a regular expression over all of it.',
  }),
  learning_rate: z.number().positive().optional().meta({ description: 'Their highest learning rate.' }),
  learning_rate_scale: z.number().positive().optional().meta({
    description: 'Or a multiple of the rate that they would have.',
  }),
  weight_decay: z.number().min(0).optional().meta({ description: 'Their weight decay, of vectors too.' }),
});

const optimizer = {
  optim: z
    .enum(['adamw'])
    .default('adamw')
    .meta({ description: 'The optimizer.', aliases: ['optimizer', 'optimizer_type'] }),
  weight_decay: z
    .number()
    .min(0)
    .default(0.01)
    .meta({
      description: 'Decoupled weight decay; biases and normalisation weights are left out.',
      aliases: ['wd'],
    }),
  parameter_groups: z
    .array(parameterGroup)
    .min(1)
    .optional()
    .meta({
      description:
        'Rates and decays of their own for some of what is trained, by `pattern`. The first group that fits a tensor is its group.',
      takes: 'a list of mappings with pattern, and learning_rate or learning_rate_scale, and weight_decay',
      defaultText: 'none',
      aliases: ['param_groups', 'optimizer_grouped_parameters', 'optimizer_groups', 'paramwise_cfg'],
    }),
  adam_beta1: z
    .number()
    .min(0)
    .lt(1)
    .default(0.9)
    .meta({
      description: "Decay of the optimizer's mean of gradients.",
      aliases: ['beta1'],
    }),
  adam_beta2: z
    .number()
    .min(0)
    .lt(1)
    .default(0.999)
    .meta({
      description: "Decay of the optimizer's mean of squared gradients.",
      aliases: ['beta2'],
    }),
  adam_epsilon: z
    .number()
    .positive()
    .default(1e-8)
    .meta({
      description: 'Keeps the optimizer from dividing by zero.',
      aliases: ['eps', 'epsilon'],
    }),
  max_grad_norm: z
    .number()
    .min(0)
    .default(1)
    .meta({
      description: 'Gradients with a larger norm are scaled down to it; 0 = off.',
      aliases: ['clip_grad_norm', 'gradient_clipping', 'grad_clip', 'gradient_clip_val', 'max_norm'],
    }),
};

const regularisation = {
  dropout: z
    .union([z.literal('auto'), z.number().min(0).max(0.9)])
    .default('auto')
    .meta({
      description:
        "Share of activations that is dropped while training. auto = what the model's config.json says, but none in frozen layers below everything that is trained, where their outputs can be kept.",
      aliases: ['hidden_dropout_prob', 'dropout_rate', 'dropout_prob'],
    }),
  label_smoothing_factor: z
    .number()
    .min(0)
    .max(0.5)
    .default(0)
    .meta({
      description: 'Share of the target that is spread over all labels.',
      aliases: ['label_smoothing'],
    }),
  class_weights: z
    .union([z.enum(['none', 'balanced']), z.record(z.string(), z.number().positive())])
    .default('none')
    .meta({
      description:
        'How much a row of each label counts in the training loss. balanced = rows / (labels × rows of the label), so that a rare label counts as much as a frequent one; labels that a mapping leaves out count 1.',
      takes: 'none, balanced, or a mapping from labels to weights above 0',
      aliases: ['class_weight', 'label_weights', 'loss_weights', 'pos_weight', 'scale_pos_weight'],
    }),
  early_stopping_patience: z
    .int()
    .min(0)
    .default(0)
    .meta({
      description: 'Stops after this many evaluations without a better `metric_for_best_model`; 0 = never.',
      unit: 'evaluations',
      aliases: ['early_stopping_steps', 'patience', 'early_stopping'],
    }),
  metric_for_best_model: z
    .enum(['accuracy', 'f1', 'precision', 'recall', 'matthews_correlation', 'loss', 'perplexity'])
    .optional()
    .meta({
      description: 'What the best checkpoint is best at.',
      defaultText: '`accuracy`; `loss` for `sft` and `causal-lm`',
      aliases: ['best_metric', 'monitor', 'eval_metric'],
    }),
};

const running = {
  precision: z
    .enum(['fp32', 'int8'])
    .default('fp32')
    .meta({
      description:
        'What layers that are trained compute in. int8 = products forward and for the gradient of their inputs in 8 ' +
        'bits (SwitchBack); weights, their gradients and what is saved stay in 32.',
      aliases: ['mixed_precision', 'bf16', 'fp16', 'torch_dtype', 'dtype'],
    }),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(42)
    .meta({
      description: 'The run is the same for the same seed: order of the data, dropout, new weights.',
      aliases: ['random_seed', 'data_seed', 'random_state'],
    }),
  logging_steps: z
    .int()
    .min(1)
    .default(10)
    .meta({
      description: 'Steps between two lines in metrics.jsonl.',
      unit: 'steps',
      aliases: ['steps_per_report', 'log_every_n_steps', 'log_interval', 'logging_interval'],
    }),
  save_strategy: z
    .enum(['epoch', 'steps', 'no'])
    .default('epoch')
    .meta({
      description:
        'When a checkpoint is saved that `--resume` goes on from: after each epoch, every `save_steps`, or never. Ctrl-C saves one too, unless it is `no`.',
      defaultText: '`epoch`; `steps` where `save_steps` is given',
      aliases: ['checkpoint_strategy', 'save_freq_unit'],
    }),
  save_steps: z
    .int()
    .min(1)
    .optional()
    .meta({
      description: 'Optimizer steps between two checkpoints.',
      unit: 'steps',
      aliases: ['save_every', 'save_interval', 'checkpoint_steps', 'steps_per_save', 'every_n_train_steps'],
    }),
  save_minutes: z
    .number()
    .min(0)
    .default(0)
    .meta({
      description: 'Saves a checkpoint also when this much time has passed since the last one; 0 = off.',
      unit: 'minutes',
      aliases: ['train_time_interval', 'save_every_minutes', 'checkpoint_minutes'],
    }),
  save_total_limit: z
    .int()
    .min(1)
    .default(2)
    .meta({
      description: 'Checkpoints that are kept, the newest ones.',
      unit: 'checkpoints',
      aliases: ['keep_checkpoints', 'save_top_k', 'max_checkpoints', 'keep_last_n_checkpoints'],
    }),
  train_sampling_strategy: z
    .enum(['group_by_length', 'random'])
    .default('group_by_length')
    .meta({
      description: 'Batches of inputs of like length (less padding, faster), or in plain random order.',
      defaultText: '`group_by_length`; `random` with `data.packing`',
      aliases: ['group_by_length', 'shuffle', 'length_grouped', 'sampler'],
    }),
  feature_cache: z
    .union([z.enum(['auto', 'off']), z.number().min(0)])
    .default('auto')
    .meta({
      description:
        'Memory for the outputs of frozen layers, which are computed once for each example; what it does not hold lies on disk while the run lasts. auto = a quarter of the free memory; off = computed at every step.',
      unit: 'megabytes',
      aliases: ['cache_features', 'feature_caching', 'cache_embeddings', 'cache_activations'],
    }),
  gradient_checkpointing: z
    .boolean()
    .optional()
    .meta({
      description:
        "Values inside the model's layers are computed again for the backward pass instead of being kept: steps take a fraction of the memory, and longer.",
      defaultText: '`true` for language models over a base in 4 bits, else `false`',
      aliases: [
        'activation_checkpointing',
        'enable_activation_checkpointing',
        'grad_checkpoint',
        'use_gradient_checkpointing',
      ],
    }),
  max_length: maxLength.optional().meta({
    description: 'Another place for `data.max_length`.',
    unit: 'tokens',
    defaultText: '`data.max_length`',
    sameAs: 'data.max_length',
  }),
};

export const trainingSettings = z.strictObject({ ...lengthAndRate, ...optimizer, ...regularisation, ...running });
