import { openCheckpoint } from '../../files/modelFolder.node.ts';
import type { ModelSource } from '../../inference/modelFolder.node.ts';
import { moduleOf } from '../../methods/targets.ts';
import { buildProgram } from '../../models/nn/index.ts';
import { nameInBase } from '../../training/index.ts';
import type { PreparedData } from './prepareData.node.ts';
import type { RunTask } from './tasks/index.ts';

/** Paths of modules that start fresh because the model's file lacks them, but for the head's. */
export async function lackingModules(
  { folder, description }: ModelSource,
  { task, data }: { readonly task: RunTask; readonly data: PreparedData },
): Promise<readonly string[]> {
  const { parameters } = buildProgram(task.forward(description, data), { batch: task.inputs.plain() });
  const own = parameters.flatMap(({ parameter: { name, fresh, head } }) => (fresh && !head ? name : []));
  if (own.length === 0) return [];
  const base = { ...(await openCheckpoint(folder)), where: folder };
  await base.close();
  const { architecture } = description;
  const lacking = own.filter((name) => nameInBase(name, { base, architecture }) === undefined);
  return [...new Set(lacking.map(moduleOf))];
}
