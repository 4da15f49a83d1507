/** In which forms an adapter can leave that another program has no place for. */
import type { MethodSettings } from '../../methods/index.ts';
import { hasPeftForm } from './peft/forms.ts';

/** Words for an error's fix, of an adapter that cannot be written `--to` this form; undefined: a whole model. */
export function otherForms(refused: 'peft' | 'adapterhub' | 'mlx', method: MethodSettings | undefined): string {
  const offered = { peft: method && hasPeftForm(method), adapterhub: method?.name === 'adapter' };
  const others = Object.entries(offered).filter(([form, isOffered]) => isOffered && form !== refused);
  return [...others.map(([form]) => `export it --to ${form}`), 'write the whole model with --to hf'].join(', or ');
}
