/** Dropout masks: a counter-based stream for every site, drawn anew for each batch of each step. */
import { evaluateShape, type Sizes, sizeOf } from '../engine/graph/index.ts';
import { FIRST_ADDRESS, type Kernels, openKernels } from '../engine/kernels/index.ts';
import { type Stream, stream } from '../engine/random/index.ts';
import type { Value } from '../engine/runtime/index.ts';
import type { Mask } from '../models/nn/index.ts';

/** What the kernel writes at once. */
const ALIGNED_BYTES = 64;

/** Where in the streams a batch stands. */
export interface Place {
  readonly step: number;
  /** Number of the batch within its optimizer step. */
  readonly part: number;
}

export interface MaskSource {
  /** Masks for a batch of these sizes. They are valid until the next call. */
  draw(sizes: Sizes, place: Place): Record<string, Value>;
}

export function openMasks(masks: readonly Mask[], seed: number): MaskSource {
  const streams = masks.map((mask) => ({ ...mask, stream: stream(seed, mask.name) }));
  let kernels: Kernels | undefined;
  let room = 0;
  return {
    draw(sizes, place) {
      const placed = layOut(streams, sizes);
      if (!kernels || placed.bytes > room) {
        room = placed.bytes;
        kernels = openKernels(FIRST_ADDRESS + room);
      }
      return Object.fromEntries(placed.masks.map((mask) => [mask.name, drawMask(kernels!, mask, place)]));
    },
  };
}

interface PlacedMask {
  readonly name: string;
  readonly stream: Stream;
  readonly rate: number;
  readonly shape: readonly number[];
  readonly address: number;
}

function layOut(masks: readonly (Mask & { stream: Stream })[], sizes: Sizes): { masks: PlacedMask[]; bytes: number } {
  let bytes = 0;
  const placed = masks.map(({ name, stream: from, rate, tensor }) => {
    const shape = evaluateShape(tensor.shape, sizes);
    const address = FIRST_ADDRESS + bytes;
    bytes += aligned(sizeOf(shape));
    return { name, stream: from, rate, shape, address };
  });
  return { masks: placed, bytes };
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNED_BYTES) * ALIGNED_BYTES;

function drawMask({ dropoutMask, memory }: Kernels, mask: PlacedMask, { step, part }: Place): Value {
  const { stream: from, rate, shape, address } = mask;
  const count = sizeOf(shape);
  dropoutMask({ out: address, count: aligned(count), key: from.key, group: step, part, rate });
  return { dtype: 'uint8', shape, data: new Uint8Array(memory.buffer, address, count) };
}
