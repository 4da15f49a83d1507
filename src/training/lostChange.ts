/** A run that starts from an adapter and does not train all that this has changed: what it saves would be another model. */
import { AttuneError } from '../errors/index.ts';
import { type Checkpoint, haveEqualValues } from '../files/index.ts';
import { moduleOf } from '../methods/targets.ts';

interface Place {
  readonly checkpoint: Checkpoint & { readonly where: string };
  readonly name: string;
}

/** Throws unless the adapter's tensor is but a copy of the base's, where the base has it. */
export async function refuseLostChange(own: Place, original: Place | undefined): Promise<void> {
  if (original && (await haveEqualValues(own, original))) return;
  const { checkpoint, name } = own;
  throw new AttuneError({
    code: 'CONFIG_INVALID',
    where: 'init_from',
    problem: `the adapter in ${checkpoint.where} has changed '${name}', which this run neither trains nor saves`,
    fix: `train it here too (${setting(own)}), or start from the whole model that attune merge makes of the adapter`,
  });
}

/** What makes methods train a tensor that is the model's own. */
function setting({ checkpoint, name }: Place): string {
  const module = moduleOf(name);
  const isAlone = checkpoint.shapeOf(`${module}.weight`) === undefined;
  return name.endsWith('.bias') && isAlone
    ? 'method.bias as the adapter has it'
    : `method.modules_to_save: [${module}]`;
}
