/** The files that a run starts from: what they hold before it, and that they hold the same after it. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AttuneError } from '../../../errors/index.ts';
import { modelFiles } from '../../../files/modelFolder.node.ts';
import { sha256OfFile } from '../../../store/models/index.ts';

export interface BaseFiles {
  readonly folder: string;
  /** sha256 by file name. */
  readonly sha256: Readonly<Record<string, string>>;
  /** What the system notes about each file, by file name. It cannot stay the same where the content is changed. */
  readonly marks: Readonly<Record<string, string>>;
}

/** Reads each file once, a piece at a time, so that the preparation of a run goes on meanwhile. */
export async function hashBase(place: string, signal?: AbortSignal): Promise<BaseFiles> {
  const { folder, names } = await modelFiles(place);
  const [sha256, marks]: Record<string, string>[] = [{}, {}];
  for (const name of names) {
    marks![name] = await markOf(join(folder, name));
    sha256![name] = await sha256OfFile(join(folder, name), signal);
  }
  return { folder, sha256: sha256!, marks: marks! };
}

/** Size, time of the last write, time of the last change of anything, and the place on the disk. */
async function markOf(path: string): Promise<string> {
  const { size, mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true });
  return [size, mtimeNs, ctimeNs, ino].join(' ');
}

/** The file that is not what it was. Only files that the system says were touched are read again. */
async function changedFile({ folder, sha256, marks }: BaseFiles): Promise<string | undefined> {
  for (const [name, before] of Object.entries(marks)) {
    const path = join(folder, name);
    const mark = await markOf(path).catch(() => undefined);
    if (mark === before) continue;
    if (mark === undefined || (await sha256OfFile(path)) !== sha256[name]) return path;
  }
  return undefined;
}

export async function refuseChangedBase(base: BaseFiles): Promise<void> {
  const changed = await changedFile(base);
  if (changed === undefined) return;
  throw new AttuneError({
    code: 'BASE_CHANGED',
    where: changed,
    problem: 'the file was changed or removed by another program while the run learned from it',
    fix: 'put the original back (`attune pull` fetches it again) and train again; an adapter belongs to the base it learned on',
  });
}
