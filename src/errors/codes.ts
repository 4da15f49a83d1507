interface Code {
  /** The exit code of the command that stops on it. */
  readonly exit: 1 | 2 | 3;
  readonly means: string;
  /** What to do; the error itself says it with the values at hand. */
  readonly remedy: string;
}

/** Every code a user can meet. `npm run docs:errors` writes docs/errors.md from this table. */
export const errorCodes = {
  USAGE: {
    exit: 2,
    means: 'A command was called with words it does not know.',
    remedy: 'Call it as `attune COMMAND --help` shows.',
  },
  CONFIG_FILE: {
    exit: 2,
    means: 'The recipe is missing, unreadable, or not YAML or JSON.',
    remedy: 'Check the path and the line that the error names.',
  },
  CONFIG_UNKNOWN_KEY: {
    exit: 2,
    means: 'The recipe has a key that no setting has.',
    remedy: 'Use the key that the error suggests, or one of docs/reference/recipe.md.',
  },
  CONFIG_INVALID: {
    exit: 2,
    means: 'A setting has a value it cannot take.',
    remedy: 'Give a value of the kind that the error names, or remove the key to use its default.',
  },
  DATA_FILE: {
    exit: 2,
    means: 'A data file is missing, unreadable or of a kind that is not read.',
    remedy: 'Check the path; give a file with an ending that the error lists.',
  },
  DATA_EMPTY: {
    exit: 2,
    means: 'A data file has no rows.',
    remedy: 'Add rows, or take the file out of the recipe.',
  },
  DATA_ENCODING: {
    exit: 2,
    means: 'A data file is not UTF-8 text.',
    remedy: 'Save it as UTF-8: `iconv -f OLD_ENCODING -t utf-8 OLD_FILE > NEW_FILE`.',
  },
  DATA_SYNTAX: {
    exit: 2,
    means: 'A line of a data file is not what its format asks for.',
    remedy: 'Mend the line that the error names.',
  },
  DATA_HEADER: {
    exit: 2,
    means: 'The header of a table is missing or names a column twice.',
    remedy: 'Make the first line name each column once.',
  },
  DATA_COLUMN: {
    exit: 2,
    means: 'A column that the task reads is not there.',
    remedy: 'Declare it in the recipe: `data.columns: {text: YOUR_COLUMN}`.',
  },
  DATA_VALUE: {
    exit: 2,
    means: 'A row holds a value that the task cannot use.',
    remedy: 'Mend or remove the rows that the error names; none is dropped in silence.',
  },
  DATA_LABELS: {
    exit: 2,
    means: 'The labels of the data cannot be learned or do not fit each other.',
    remedy: 'Give at least two labels, and use in every file the labels of the training data.',
  },
  DATA_FORMAT: {
    exit: 2,
    means: 'The columns of the data fit no format, or two at once.',
    remedy: 'Declare the format in the recipe (`data.format: messages`), or name the columns in `data.columns`.',
  },
  CHAT_MESSAGES: {
    exit: 2,
    means: 'A row has no list of messages, or one that cannot be read.',
    remedy: 'Write `{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}`.',
  },
  CHAT_KEY_MISSING: {
    exit: 2,
    means: 'A message lacks its role or its content.',
    remedy: 'Add the key that the error names.',
  },
  CHAT_KEY_UNKNOWN: {
    exit: 2,
    means: 'A message has a key that nothing reads.',
    remedy: 'Use the key that the error suggests, or take it out.',
  },
  CHAT_ROLE_UNKNOWN: {
    exit: 2,
    means: 'A message has a role that is not known.',
    remedy: 'Use system, user, assistant or tool.',
  },
  CHAT_CONTENT: {
    exit: 2,
    means: 'A message is empty, or holds something other than text.',
    remedy: 'Give it a text, or remove the row.',
  },
  CHAT_WEIGHT: {
    exit: 2,
    means: 'A weight is neither 0 nor 1, or stands at a turn that is not learned from anyway.',
    remedy: 'Give turns of the assistant the weight 0 or 1, and others none.',
  },
  CHAT_NO_ASSISTANT: {
    exit: 2,
    means: 'A row has no turn of the assistant to learn from.',
    remedy: 'Add the answer, or remove the row.',
  },
  CHAT_ORDER: {
    exit: 2,
    means: 'The turns of a row do not follow each other as in a conversation.',
    remedy: 'Begin with the system message if there is one, then let user and assistant take turns, the answer last.',
  },
  CHAT_TOOLS: {
    exit: 2,
    means: 'A call or a declaration of a tool cannot be read, or a tool is called that the row does not offer.',
    remedy: 'Write calls and tools as OpenAI’s API has them; arguments are an object or its JSON text.',
  },
  CHAT_TOOL_RESULTS: {
    exit: 2,
    means: 'The results of tools do not belong to the calls before them, or one is missing.',
    remedy: 'Let each call be followed by one message of the role tool with its result.',
  },
  CHAT_TEMPLATE: {
    exit: 2,
    means: 'A chat template cannot be read, refuses a conversation, or leaves out a part of it.',
    remedy: 'Mend the row or the template, or give another: `data.chat_template: chatml`.',
  },
  CHAT_TEMPLATE_END: {
    exit: 2,
    means: 'A chat template ends an answer without a special token, so a model would never learn to stop.',
    remedy: 'Let the template write `eos_token` after each answer.',
  },
  CHAT_MASK: {
    exit: 2,
    means: 'It cannot be proved which tokens of a conversation are the assistant’s.',
    remedy: 'Give a template with `{% generation %}`, or the weight 0 to the turn that the error names.',
  },
  CHAT_BOS: {
    exit: 2,
    means: 'A row begins with the token for beginnings twice.',
    remedy: 'Take it out of the data, or out of the chat template.',
  },
  DATA_NO_LABELS: {
    exit: 2,
    means: 'Nothing is left to learn from in a row, mostly because it was cut to `data.max_length`.',
    remedy: 'Raise `data.max_length`, or leave such rows out with `data.on_empty_labels: drop`; they are counted.',
  },
  MODEL_NOT_FOUND: {
    exit: 2,
    means: 'The model is in no place that was searched.',
    remedy: 'Check its spelling, and for a private model that HF_TOKEN is set; or give a folder.',
  },
  MODEL_INCOMPLETE: {
    exit: 2,
    means: 'A model folder lacks a file that is needed.',
    remedy: 'Add the file that the error names; `attune pull MODEL` fetches all that is needed.',
  },
  MODEL_CONFIG: {
    exit: 2,
    means: 'config.json is missing a value, or has one that makes no model.',
    remedy: 'Use the config.json that the checkpoint was made with.',
  },
  MODEL_UNKNOWN_TYPE: {
    exit: 2,
    means: 'config.json names an architecture that is not known here.',
    remedy: 'Use a model of one of the architectures that the error lists.',
  },
  PROMPT_LENGTH: {
    exit: 2,
    means: 'A prompt has no tokens, or more than the model has positions for.',
    remedy: 'Shorten the prompt, or use a model that reads longer texts.',
  },
  MODEL_TASK: {
    exit: 2,
    means: 'A model is asked for what its architecture cannot do.',
    remedy: 'Use a model of one of the types that the error lists.',
  },
  MODEL_WEIGHTS: {
    exit: 2,
    means: 'The weights do not fit the architecture: names or shapes differ.',
    remedy: 'Use weights and config.json of the same model, and as many labels as its head has.',
  },
  MODEL_TOKENIZER: {
    exit: 2,
    means: 'The tokenizer is missing or cannot be used.',
    remedy: 'Use the tokenizer.json and tokenizer_config.json that came with the model.',
  },
  WEIGHTS_NOT_FINITE: {
    exit: 2,
    means: 'A tensor of the weights holds values that are infinite or not a number.',
    remedy: 'Fetch or copy the file again, or use a checkpoint from before it broke.',
  },
  SAFETENSORS_CORRUPT: {
    exit: 2,
    means: 'A .safetensors file is truncated or contradicts itself.',
    remedy: 'Fetch or copy the file again.',
  },
  SAFETENSORS_UNSUPPORTED: {
    exit: 2,
    means: 'A .safetensors file holds numbers of a type that is not read, such as those of 8 bits.',
    remedy: 'Use a copy of the model in bf16, fp16 or fp32.',
  },
  GGUF_CORRUPT: {
    exit: 2,
    means: 'A .gguf file is truncated or contradicts itself.',
    remedy: 'Fetch or copy the file again.',
  },
  GGUF_UNSUPPORTED: {
    exit: 2,
    means: 'A .gguf file is of a version, or holds an architecture, a tokenizer or a number type, that is not read.',
    remedy: 'Use a file of the kinds that the error lists, or the Hugging Face folder of the model.',
  },
  DOWNLOAD_FAILED: {
    exit: 1,
    means: 'A file could not be fetched.',
    remedy: 'Check the network; HF_ENDPOINT names a mirror, and a local folder needs no network.',
  },
  DOWNLOAD_CORRUPT: {
    exit: 1,
    means: 'A fetched file does not have the checksum it should have.',
    remedy: 'Fetch it again; if it stays so, use another mirror. The file was not kept.',
  },
  ADAPTER_UNSUPPORTED: {
    exit: 2,
    means: 'An adapter was made by a method that is not read here.',
    remedy: 'Convert it with the program that made it, or train again.',
  },
  ADAPTER_MISMATCH: {
    exit: 2,
    means: 'An adapter does not fit its base, or does not answer as it did when it was saved.',
    remedy: 'Use it with the base that the error names, unchanged.',
  },
  ADAPTER_ALONE: {
    exit: 2,
    means: 'An adapter cannot share one base, or one batch, with others.',
    remedy: 'Open it by itself: `load(FOLDER)`.',
  },
  ADAPTER_NAME: {
    exit: 2,
    means: 'No adapter of that name is open, or one is already.',
    remedy: 'Use a name that the error lists, or give names of your own: `with({name: FOLDER})`.',
  },
  ADAPTER_SUM: {
    exit: 2,
    means: 'Adapters cannot be added up: they are of other kinds, or have parts that no sum has.',
    remedy: 'Add adapters of `lora` on one base, with the same head or none.',
  },
  BASE_MISMATCH: {
    exit: 2,
    means: 'An adapter was trained on another base model.',
    remedy: 'Give the base that the error names.',
  },
  TRAINING_NOT_FINITE: {
    exit: 3,
    means: 'The loss or a gradient became infinite or not a number, and skipping steps and going back did not help.',
    remedy:
      'Look at the rows that the error names; lower `training.learning_rate`, and keep `training.max_grad_norm` at 1.0.',
  },
  TRAINING_SPIKE: {
    exit: 3,
    means: 'The loss or the gradients rose far above those of the steps before, again and again.',
    remedy: 'Lower `training.learning_rate`; look at the rows that the error names.',
  },
  TRAINING_NO_GRADIENT: {
    exit: 3,
    means: 'No gradient reaches tensors that are to be trained: they would stay as they are.',
    remedy: 'Choose other layers to train; a method whose own tensors are named is a mistake of ours to report.',
  },
  BASE_CHANGED: {
    exit: 1,
    means: 'The files of the base model are not those that the run began with.',
    remedy: 'Put the original back, and train again.',
  },
  OUTPUT_EXISTS: {
    exit: 2,
    means: 'The place of the output holds something already.',
    remedy: 'Choose another place, or remove what is there first.',
  },
  OUTPUT_WRITE: {
    exit: 1,
    means: 'A result could not be written.',
    remedy: 'Make room, or choose a folder that can be written.',
  },
  DISK_SPACE: {
    exit: 1,
    means: 'The disk has no room for what a run saves. It is asked before the run starts and before each save.',
    remedy: 'Make room and resume with `--resume`, or lower `training.save_total_limit`.',
  },
  SAVE_FAULTY: {
    exit: 1,
    means: 'What was saved reads back as something else. It was not kept; what was saved before is.',
    remedy: 'Check the disk, then go on with `--resume`.',
  },
  RUN_IN_USE: {
    exit: 2,
    means: 'Another program is writing this run.',
    remedy: 'Wait until it ends, or choose another output_dir.',
  },
  RESUME_CHANGED: {
    exit: 2,
    means: 'A run cannot be resumed as the same run: its settings, data, model or code are others than before.',
    remedy: 'Resume with what it began with, allow the changes with `--allow-changes`, or start a new run.',
  },
  EXPORT_UNSUPPORTED: {
    exit: 2,
    means: 'A model cannot be written in the form that was asked for.',
    remedy: 'Ask for another form: `attune export TARGET --to hf --output FOLDER` writes a model of any size.',
  },
  MERGE_DRIFT: {
    exit: 1,
    means: 'With the adapter folded into its weights, the model would answer otherwise than before.',
    remedy:
      'Fold it into the weights that it was trained over, allow more with `--max-drift`, or use it beside its base.',
  },
  RUN_INVALID: {
    exit: 2,
    means: 'A folder that should be a run is not one, or is damaged.',
    remedy: 'Give the folder of a run that has ended, or train again.',
  },
  RUNTIME_FAILED: {
    exit: 1,
    means: 'ONNX Runtime could not be loaded, or refused a graph.',
    remedy: 'Install again with `npm ci`; `attune doctor` shows what is installed and used.',
  },
} as const satisfies Record<string, Code>;

export type ErrorCode = keyof typeof errorCodes;
