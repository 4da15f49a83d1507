import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HubApiError } from '@huggingface/hub';
import { AttuneError } from '../../errors/index.ts';
import { moveInto, prepareFolder, unfinishedName } from './beside.node.ts';
import { cannotReach } from './hubErrors.ts';
import { bodyOf, requireOk } from './hubRequest.node.ts';
import type { FetchContext } from './localModel.ts';
import { gitBlobHash } from './sha256.node.ts';

export interface HubFile {
  readonly path: string;
  readonly bytes: number;
  readonly checksum: { readonly kind: 'sha256' | 'git'; readonly hex: string };
}

export interface Transfer extends Pick<FetchContext, 'onProgress'> {
  readonly fetch: typeof fetch;
  readonly url: string;
  readonly signal: AbortSignal;
}

const stallMs = 30_000;
const attemptsWithoutProgress = 3;
const firstDelayMs = 500;

/** Brings one file to `target`, whole and checked, or not at all. */
export async function downloadBlob(file: HubFile, target: string, transfer: Transfer): Promise<void> {
  const present = await stat(target).catch(() => undefined);
  if (present?.size === file.bytes) return;
  await prepareFolder(dirname(target));
  const unfinished = unfinishedName(target);
  const handle = await open(unfinished, 'wx');
  try {
    const hash = await receive(file, handle, transfer);
    if (hash.digest('hex') !== file.checksum.hex) throw corrupt(file, `its ${file.checksum.kind} checksum is wrong`);
    await handle.sync(); // a name must not survive a power cut that its content does not
    await handle.close();
    await moveInto(unfinished, target);
  } finally {
    await handle.close().catch(() => undefined); // closed already on success
    await rm(unfinished, { force: true });
  }
}

interface Received {
  bytes: number;
  hash: Hash;
}

/** Goes on where a broken connection stopped; gives up when several attempts in a row bring nothing. */
async function receive(file: HubFile, handle: FileHandle, transfer: Transfer): Promise<Hash> {
  const received: Received = { bytes: 0, hash: startHash(file) };
  for (let failures = 0; ; ) {
    const before = received.bytes;
    const error = await receiveOnce(file, handle, transfer, received).then(
      () => undefined,
      (reason: unknown) => reason ?? new Error('internal: a download failed without a reason'),
    );
    transfer.signal.throwIfAborted();
    if (!error && received.bytes === file.bytes) return received.hash;
    failures = received.bytes > before ? 1 : failures + 1;
    if ((error && !mayPass(error)) || failures >= attemptsWithoutProgress)
      throw error ?? tooShort(file, received.bytes);
    await delay(firstDelayMs * 2 ** (failures - 1), undefined, { signal: transfer.signal });
  }
}

/** One request, from the byte where the last one stopped; a server that sends the whole file again starts it anew. */
async function receiveOnce(file: HubFile, handle: FileHandle, transfer: Transfer, received: Received): Promise<void> {
  const from = received.bytes;
  // Without "identity" a proxy may compress: sizes and ranges would mean something else.
  const headers = { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) };
  const response = await requireOk(await transfer.fetch(transfer.url, { headers }));
  const goesOn = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${from}-`);
  if (from > 0 && !goesOn) {
    await handle.truncate(0);
    Object.assign(received, { bytes: 0, hash: startHash(file) });
  }
  for await (const piece of bodyOf(response, stallMs)) {
    if (received.bytes + piece.length > file.bytes)
      throw corrupt(file, `more than the ${file.bytes} announced bytes came`);
    await writeAll(handle, piece, received.bytes);
    received.hash.update(piece);
    received.bytes += piece.length;
    transfer.onProgress?.({ file: file.path, received: received.bytes, total: file.bytes });
  }
}

async function writeAll(handle: FileHandle, piece: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    done += (await handle.write(piece, done, piece.length - done, position + done)).bytesWritten;
  }
}

function startHash(file: HubFile): Hash {
  return file.checksum.kind === 'git' ? gitBlobHash(file.bytes) : createHash('sha256');
}

function mayPass(error: unknown): boolean {
  return cannotReach(error) || (error instanceof HubApiError && error.statusCode === 429);
}

function tooShort(file: HubFile, bytes: number): AttuneError {
  return corrupt(file, `${bytes} bytes came, ${file.bytes} were announced`);
}

function corrupt(file: HubFile, problem: string): AttuneError {
  const fix = 'fetch it again; if it stays so, the server or a proxy between changes files: use another HF_ENDPOINT';
  return new AttuneError({ code: 'DOWNLOAD_CORRUPT', where: file.path, problem, fix });
}
