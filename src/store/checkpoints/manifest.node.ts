/** manifest.json: written last, it names every file of a checkpoint with its size and checksum. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { sha256OfFile } from '../models/sha256.node.ts';
import { writeDurably, writeJson } from '../runs/atomic.node.ts';

const MANIFEST_FILE = 'manifest.json';

const facts = z.object({ bytes: z.int(), sha256: z.string() });
const manifest = z.object({ format: z.literal(1), step: z.int(), files: z.record(z.string(), facts) });

export type FileFacts = z.infer<typeof facts>;
export type CheckpointManifest = z.infer<typeof manifest>;

/** Writes a file, and tells of what was meant to be written. */
export async function writeWithFacts(path: string, pieces: Iterable<Uint8Array | string>): Promise<FileFacts> {
  const hash = createHash('sha256');
  let bytes = 0;
  function* counted(): Generator<Uint8Array | string> {
    for (const piece of pieces) {
      hash.update(piece);
      bytes += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.byteLength;
      yield piece;
    }
  }
  await writeDurably(path, counted());
  return { bytes, sha256: hash.digest('hex') };
}

export const factsOf = async (path: string): Promise<FileFacts> => ({
  bytes: (await stat(path)).size,
  sha256: await sha256OfFile(path),
});

export const writeManifest = (folder: string, content: CheckpointManifest): Promise<void> =>
  writeJson(join(folder, MANIFEST_FILE), content);

export interface Checked {
  readonly files: CheckpointManifest['files'];
  /** Why the checkpoint cannot be used; undefined where every file is what the manifest says. */
  readonly fault?: string;
}

/** Reads every file of a checkpoint back. */
export async function check(folder: string, step: number): Promise<Checked> {
  const found = await readManifest(folder);
  if (typeof found === 'string') return { files: {}, fault: found };
  const { files } = found;
  if (found.step !== step) return { files, fault: `${MANIFEST_FILE} is of step ${found.step}` };
  for (const [name, wanted] of Object.entries(files)) {
    const fault = await faultOfFile(join(folder, name), wanted);
    if (fault) return { files, fault: `${name} ${fault}` };
  }
  return { files };
}

async function faultOfFile(path: string, wanted: FileFacts): Promise<string | undefined> {
  const size = (await stat(path).catch(() => undefined))?.size;
  if (size === undefined) return 'is missing';
  if (size !== wanted.bytes) return `has ${size} bytes, it had ${wanted.bytes}`;
  const sha256 = await sha256OfFile(path).catch((failure: Error) => failure.message);
  return sha256 === wanted.sha256 ? undefined : 'is not what was written: its checksum differs';
}

async function readManifest(folder: string): Promise<CheckpointManifest | string> {
  const text = await readFile(join(folder, MANIFEST_FILE), 'utf8').catch(() => undefined);
  if (text === undefined) return `${MANIFEST_FILE} is missing`;
  try {
    return manifest.parse(JSON.parse(text));
  } catch {
    return `${MANIFEST_FILE} is damaged`;
  }
}
