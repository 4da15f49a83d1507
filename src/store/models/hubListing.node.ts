import { type ListFileEntry, listFiles } from '@huggingface/hub';
import { AttuneError } from '../../errors/index.ts';
import type { HubFile } from './hubDownload.node.ts';
import { requireComplete } from './localFolder.node.ts';
import { chooseModelFiles, missingParts, staysInside, unreadWeights } from './modelFiles.ts';

export interface ListingRequest {
  readonly id: string;
  readonly commit: string;
  readonly endpoint: string;
  readonly fetch: typeof fetch;
}

const mostEntries = 100_000;

/** The files of a commit that make the model, with the size and checksum that each must have. */
export async function listModelFiles({ id, commit, endpoint, fetch }: ListingRequest): Promise<HubFile[]> {
  const entries = new Map<string, ListFileEntry>();
  const repo = { type: 'model', name: id } as const;
  for await (const entry of listFiles({ repo, revision: commit, hubUrl: endpoint, recursive: true, fetch })) {
    if (!staysInside(entry.path)) throw refuse(id, `the server lists a file outside the folder: "${entry.path}"`);
    if (entry.type === 'file') entries.set(entry.path, entry);
    if (entries.size > mostEntries) throw refuse(id, `the server lists more than ${mostEntries} files`);
  }
  // The .gguf files of a repository are many copies of one model: which one to take is the user's choice.
  const names = [...entries.keys()].filter((name) => !name.endsWith('.gguf'));
  if (names.length < entries.size && missingParts(names).length > 0) throw onlyGguf(id, [...entries.keys()]);
  requireComplete({ missing: missingParts(names), unread: unreadWeights(names) }, id);
  return chooseModelFiles(names).map((name) => toHubFile(entries.get(name)!, id));
}

/** Large files carry a sha256; small ones git's own checksum. Both also name the blob, so they must be checksums. */
function toHubFile({ path, size, oid, lfs }: ListFileEntry, id: string): HubFile {
  const bytes = lfs?.size ?? size;
  const sound = Number.isSafeInteger(bytes) && bytes >= 0;
  if (sound && lfs && /^[0-9a-f]{64}$/.test(lfs.oid))
    return { path, bytes, checksum: { kind: 'sha256', hex: lfs.oid } };
  if (sound && !lfs && oid && /^[0-9a-f]{40}$/.test(oid)) return { path, bytes, checksum: { kind: 'git', hex: oid } };
  throw refuse(id, `the server gives no size or no checksum for ${path}`);
}

function onlyGguf(id: string, names: readonly string[]): AttuneError {
  const files = names.filter((name) => name.endsWith('.gguf'));
  const problem = `has no .safetensors weights, only ${files.length} .gguf files: ${files.slice(0, 4).join(', ')}`;
  const fix = 'download one of them and give its path, or give the id of the model it was made from';
  return new AttuneError({ code: 'MODEL_INCOMPLETE', where: id, problem, fix });
}

/** For a server that answers what no hub answers. */
export function refuse(id: string, problem: string): AttuneError {
  const printable = problem.replace(/\p{Cc}/gu, ' ').slice(0, 300);
  return new AttuneError({ code: 'DOWNLOAD_FAILED', where: id, problem: printable, fix: 'use another HF_ENDPOINT' });
}
