import { setMaxListeners } from 'node:events';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { modelInfo } from '@huggingface/hub';
import { requireSpace } from './beside.node.ts';
import {
  cachedSnapshot,
  commitPattern,
  markAbsent,
  repositoryFolder,
  type Snapshot,
  showBlob,
  writeReference,
} from './hubCache.node.ts';
import { downloadBlob, type HubFile } from './hubDownload.node.ts';
import { listModelFiles, refuse } from './hubListing.node.ts';
import { hubFetch } from './hubRequest.node.ts';
import { requireComplete } from './localFolder.node.ts';
import type { FetchContext } from './localModel.ts';
import type { HubSettings } from './settings.node.ts';

export interface HubRequest {
  readonly settings: HubSettings;
  readonly id: string;
  readonly revision?: string;
  /** How long to wait for the very first answer; later ones have longer. */
  readonly firstAnswerMs: number;
  readonly context: FetchContext;
}

const answerWithinMs = 20_000;
const filesAtOnce = 4;

/** Brings a model into the cache that all Hugging Face libraries share. Errors are as the network gave them. */
export async function downloadFromHub(request: HubRequest): Promise<Snapshot> {
  const { settings, id, revision = 'main', context } = request;
  context.signal?.throwIfAborted();
  const stop = new AbortController();
  setMaxListeners(0, stop.signal); // every request adds one
  const abort = (): void => stop.abort(context.signal?.reason);
  context.signal?.addEventListener('abort', abort, { once: true });
  try {
    const commit = await findCommit(request, stop.signal);
    await downloadCommit(request, commit, stop);
    await writeReference(repositoryFolder(settings, id), revision, commit);
    const snapshot = await cachedSnapshot(settings, id, commit);
    if (!snapshot) throw new Error(`internal: the snapshot ${commit} of ${id} was written and is not there`);
    requireComplete(snapshot.contents, id);
    return snapshot;
  } finally {
    context.signal?.removeEventListener('abort', abort);
  }
}

async function findCommit(request: HubRequest, signal: AbortSignal): Promise<string> {
  const { settings, id, revision = 'main', firstAnswerMs } = request;
  const fetch = hubFetch({ ...settings, signal, answerWithinMs: firstAnswerMs });
  const info = await modelInfo({ name: id, revision, hubUrl: settings.endpoint, additionalFields: ['sha'], fetch });
  if (commitPattern.test(info.sha)) return info.sha;
  throw refuse(id, `the server names the commit "${info.sha}"`);
}

async function downloadCommit(
  { settings, id, context }: HubRequest,
  commit: string,
  stop: AbortController,
): Promise<void> {
  const { endpoint } = settings;
  const fetch = hubFetch({ ...settings, signal: stop.signal, answerWithinMs });
  const files = await listModelFiles({ id, commit, endpoint, fetch });
  const repository = repositoryFolder(settings, id);
  const blobOf = (file: HubFile): string => join(repository, 'blobs', file.checksum.hex);
  await mkdir(repository, { recursive: true });
  await requireSpace(repository, await bytesToFetch(files, blobOf), id);
  await eachAtOnce(files, stop, async (file) => {
    const path = file.path.split('/').map(encodeURIComponent).join('/');
    const url = `${endpoint}/${id}/resolve/${commit}/${path}`;
    await downloadBlob(file, blobOf(file), { fetch, url, signal: stop.signal, onProgress: context.onProgress });
    await showBlob(blobOf(file), join(repository, 'snapshots', commit, file.path));
  });
  if (!files.some((file) => file.path === 'tokenizer.json')) await markAbsent(repository, commit, 'tokenizer.json');
}

async function bytesToFetch(files: readonly HubFile[], blobOf: (file: HubFile) => string): Promise<number> {
  const lacking = await Promise.all(
    files.map(async (file) => {
      const present = await stat(blobOf(file)).catch(() => undefined);
      return present?.size === file.bytes ? 0 : file.bytes;
    }),
  );
  return lacking.reduce((sum, bytes) => sum + bytes, 0);
}

/** Runs a few at a time. The first failure stops the others, and is thrown once all have cleaned up behind them. */
async function eachAtOnce<T>(
  items: readonly T[],
  stop: AbortController,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      if (stop.signal.aborted) return;
      await work(item).catch((error: unknown) => stop.abort(error));
    }
  };
  await Promise.all(Array.from({ length: filesAtOnce }, worker));
  stop.signal.throwIfAborted();
}
