const described = new Set([
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
  'spiece.model',
  'sentencepiece.bpe.model',
  'chat_template.jinja',
  'chat_template.json',
  'modules.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
  'adapter_config.json',
  'head_config.json',
  'attune.json',
]);
// What modules.json of a sentence-transformers model points to, for example 1_Pooling/config.json.
const sentenceModule = /^\d+_\w+\/(?:config\.json|model\.safetensors)$/;
const shard = /^model-\d+-of-\d+\.safetensors$/;
const pickle = /\.(?:bin|pt|pth|ckpt|pkl|h5|msgpack)$/;

export const shardIndex = 'model.safetensors.index.json';

/** Of the files of a folder, those that make the model; the rest (pickles, ONNX, pictures, code) is never fetched. */
export function chooseModelFiles(names: readonly string[]): string[] {
  const chosen = names.filter((name) => described.has(name) || sentenceModule.test(name));
  return [...chosen, ...chooseWeights(names)].sort();
}

/** One copy of the weights, in Transformers' order: model.safetensors, else its shards, else what there is. */
function chooseWeights(names: readonly string[]): string[] {
  const adapter = names.filter((name) => name === 'adapter_model.safetensors');
  if (names.includes('model.safetensors')) return ['model.safetensors', ...adapter];
  if (names.includes(shardIndex)) return [shardIndex, ...names.filter((name) => shard.test(name)), ...adapter];
  const atTop = names.filter((name) => /^[^/]+\.safetensors$/.test(name));
  return atTop.length > 0 ? atTop : names.filter((name) => /^[^/]+\.gguf$/.test(name));
}

/** Which files a folder lacks to be a model; `shards` are those that its index names. */
export function missingParts(names: readonly string[], shards: readonly string[] = []): string[] {
  const weights = chooseWeights(names);
  if (weights.some((name) => name.endsWith('.gguf'))) return []; // a .gguf file holds its configuration
  const isAdapter = names.includes('adapter_config.json') && !names.includes('config.json');
  const missing = isAdapter || names.includes('config.json') ? [] : ['config.json'];
  const present = new Set(names);
  if (shards.length === 0 && !weights.some((name) => name.endsWith('.safetensors'))) {
    return [...missing, isAdapter ? 'adapter_model.safetensors' : 'model.safetensors'];
  }
  return weights.includes(shardIndex) ? [...missing, ...shards.filter((name) => !present.has(name))] : missing;
}

/** Weights in formats that run code when they are read, or that only other frameworks read. */
export function unreadWeights(names: readonly string[]): string[] {
  return names.filter((name) => !name.includes('/') && pickle.test(name));
}

/** Whether a name from a server or an archive stays in the folder it is put into, by the rules of every system. */
export function staysInside(name: string): boolean {
  if (name === '' || /[\\\0]/.test(name)) return false;
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !/^[a-z]:/i.test(part));
}
