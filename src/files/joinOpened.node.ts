import { openFile } from './bytes.node.ts';
import type { Checkpoint } from './checkpoint.ts';
import { openSafetensors, type Safetensors } from './safetensors.ts';

/** What is made of the files at these paths. Where one does not open, or what they hold is refused, none stays open. */
export async function joinOpened(
  paths: readonly string[],
  join: (files: readonly Safetensors[]) => Checkpoint | Promise<Checkpoint>,
): Promise<Checkpoint> {
  const files: Safetensors[] = [];
  try {
    for (const path of paths) files.push(await openSafetensors(await openFile(path)));
    return await join(files);
  } catch (failure) {
    for (const file of files) await file.close();
    throw failure;
  }
}
