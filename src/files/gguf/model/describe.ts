/** A .gguf file as a Hugging Face model: config.json, and weights under Hugging Face's names. */
import { AttuneError } from '../../../errors/index.ts';
import type { Checkpoint } from '../../checkpoint.ts';
import { corruptFile } from '../cursor.ts';
import type { Gguf } from '../gguf.ts';
import type { GgufTensor } from '../header.ts';
import { ownForm, toOwnBlocks } from '../ownBlocks.ts';
import { architectures, type GgufArchitecture } from './architectures.ts';
import { factsOf, unsupported } from './facts.ts';
import { type Layout, minusOne, transposed } from './layout.ts';

type Fields = Readonly<Record<string, unknown>>;

const FOLDER = 'use the Hugging Face folder of the model';

function architectureOf(file: Gguf): { name: string; architecture: GgufArchitecture } {
  const name = file.metadata.get('general.architecture');
  const parts = file.metadata.get('split.count');
  if (typeof parts === 'number' && parts > 1) {
    throw unsupported(
      file.name,
      `it is one of ${parts} parts`,
      'join them: llama-gguf-split --merge FIRST_PART OUTPUT',
    );
  }
  if (typeof name === 'string' && Object.hasOwn(architectures, name))
    return { name, architecture: architectures[name]! };
  throw new AttuneError({
    code: 'GGUF_UNSUPPORTED',
    where: `${file.name} 'general.architecture'`,
    problem: name === undefined ? 'it is missing' : `${JSON.stringify(name)} is not an architecture that is read`,
    fix: `use a model of one of these: ${Object.keys(architectures).join(', ')}`,
  });
}

/** The fields of config.json, as Transformers names them. */
export async function ggufConfig(file: Gguf): Promise<Fields> {
  const { name, architecture } = architectureOf(file);
  const embedding = file.tensors.get('token_embd.weight');
  if (embedding?.shape.length !== 2) throw corruptFile(file.name, "it has no matrix 'token_embd.weight'");
  const id = (key: string): number | undefined => {
    const value = file.metadata.get(`tokenizer.ggml.${key}_token_id`);
    return typeof value === 'number' ? value : undefined;
  };
  return {
    architectures: [architecture.className],
    model_type: architecture.modelType,
    vocab_size: embedding.shape[0],
    ...(await architecture.config(factsOf(file, name))),
    tie_word_embeddings: !file.tensors.has('output.weight'),
    bos_token_id: id('bos') ?? null,
    eos_token_id: id('eos') ?? null,
    ...(id('padding') !== undefined && { pad_token_id: id('padding') }),
  };
}

interface Place {
  readonly tensor: GgufTensor;
  readonly layout: Layout | undefined;
}

/** Tensors that hold no weights: the angles of positions, which config.json describes. */
const angles = /^(?:blk\.\d+\.)?(?:rope_freqs|rope_factors_long|rope_factors_short|attn_rot_embd)\.weight$/;

/** The weights under Hugging Face's names, as Transformers has them. Closing it closes the file. */
export async function ggufCheckpoint(file: Gguf): Promise<Checkpoint> {
  const { architecture } = architectureOf(file);
  const config = await ggufConfig(file);
  const places = new Map<string, Place>();
  for (const [stored, tensor] of file.tensors) {
    if (!angles.test(stored)) places.set(...placed(file, { stored, tensor, architecture, config }));
  }
  const shapeOf = ({ tensor, layout }: Place) => layout?.shape?.(tensor.shape) ?? tensor.shape;
  const find = (name: string): Place => {
    const place = places.get(name);
    if (!place) throw new Error(`internal: ${file.name} has no '${name}'`);
    return place;
  };
  return {
    names: [...places.keys()],
    shapeOf: (name) => (places.has(name) ? shapeOf(find(name)) : undefined),
    identityOf: (name) => file.identity && `${file.identity} ${name}`,
    async readFloats(name, into) {
      const { tensor, layout } = find(name);
      const values = into ?? new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
      if (!layout) {
        await file.readFloats(tensor, values);
        return values;
      }
      const stored = new Float32Array(values.length);
      await file.readFloats(tensor, stored);
      layout.apply(stored, values, tensor.shape);
      return values;
    },
    ownFormOf(name) {
      const { tensor, layout } = find(name);
      const form = layout === minusOne ? undefined : ownForm(tensor);
      return form && { bits: form.bits, hasOffsets: form.hasOffsets, transposed: layout === transposed };
    },
    async readOwnBlocks(name) {
      const { tensor, layout } = find(name);
      const row = (to: number): number => layout?.row?.(to, tensor.shape[0]!) ?? to;
      return toOwnBlocks(tensor, await file.readRows(tensor), row);
    },
    close: () => file.close(),
  };
}

interface Placing {
  readonly stored: string;
  readonly tensor: GgufTensor;
  readonly architecture: GgufArchitecture;
  readonly config: Fields;
}

function placed(file: Gguf, { stored, tensor, architecture, config }: Placing): [string, Place] {
  const [, block, name = '', kind] = /^(?:blk\.(\d+)\.)?([a-z_]+)\.(weight|bias)$/.exec(stored) ?? [];
  const names = block === undefined ? architecture.names : architecture.blockNames;
  if (!Object.hasOwn(names, name)) {
    throw unsupported(
      `${file.name} '${stored}'`,
      `the architecture ${architecture.modelType} has no place for it`,
      FOLDER,
    );
  }
  const inBlock = block === undefined ? '' : `${architecture.blocks}.${block}.`;
  const layout = architecture.layout?.(`${name}.${kind}`, config);
  if (layout?.fits(tensor.shape) === false) {
    throw corruptFile(
      file.name,
      `tensor '${stored}' has the shape [${tensor.shape}], which does not go with the heads`,
    );
  }
  return [`${inBlock}${names[name]}.${kind}`, { tensor, layout }];
}
