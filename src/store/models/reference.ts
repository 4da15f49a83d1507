import { AttuneError } from '../../errors/index.ts';
import { staysInside } from './modelFiles.ts';

export interface HubReference {
  readonly kind: 'hub';
  readonly id: string;
  readonly revision?: string;
}

export interface PypiReference {
  readonly kind: 'pypi';
  /** In the normal form of PEP 503. */
  readonly package: string;
  readonly version?: string;
}

// The rule of huggingface_hub's validate_repo_id.
const hubId = /^(?:\w(?:[\w.-]*\w)?\/)?\w(?:[\w.-]{0,94}\w)?$/;
const hubRevision = /^\w[\w.+-]*(?:\/[\w.+-]+)*$/;
// PEP 508's name and the characters of PEP 440's versions: neither can begin with a dash, so neither can be an option.
const packageName = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i;
const packageVersion = /^[a-z0-9][a-z0-9.!+_-]*$/i;

/** Reads `org/name[@revision]` or `pypi:package[==version]`; anything else is undefined. */
export function parseReference(reference: string, revision?: string): HubReference | PypiReference | undefined {
  return reference.startsWith('pypi:') ? parsePypi(reference, revision) : parseHub(reference, revision);
}

function parsePypi(reference: string, revision?: string): PypiReference | undefined {
  const [name = '', ...rest] = reference.slice('pypi:'.length).split('==');
  const version = onlyOne(reference, rest.length > 0 ? rest.join('==') : undefined, revision);
  if (!packageName.test(name) || (version !== undefined && !packageVersion.test(version))) return undefined;
  return { kind: 'pypi', package: normalPackage(name), ...(version !== undefined && { version }) };
}

function parseHub(reference: string, revision?: string): HubReference | undefined {
  const at = reference.indexOf('@');
  const id = at < 0 ? reference : reference.slice(0, at);
  if (!hubId.test(id) || /--|\.\.|\.git$/.test(id)) return undefined;
  const wanted = onlyOne(reference, at < 0 ? undefined : reference.slice(at + 1), revision);
  if (wanted !== undefined && !(hubRevision.test(wanted) && staysInside(wanted))) return undefined;
  return { kind: 'hub', id, ...(wanted !== undefined && { revision: wanted }) };
}

/** A model's name, and the revision that a reference to the hub has. */
export function nameAndRevision(reference: string): { readonly name: string; readonly revision?: string | undefined } {
  const wanted = parseReference(reference);
  return wanted?.kind === 'hub' ? { name: wanted.id, revision: wanted.revision } : { name: reference };
}

/** The reference to a revision of a model; what has none, as a folder, or names one already stays as it is. */
export function atRevision(name: string, revision: string | undefined): string {
  const wanted = parseReference(name);
  return revision && wanted?.kind === 'hub' && wanted.revision === undefined ? `${name}@${revision}` : name;
}

function onlyOne(reference: string, written: string | undefined, option: string | undefined): string | undefined {
  if (written !== undefined && option !== undefined && written !== option) {
    const problem = `the reference asks for ${written}, the option "revision" for ${option}`;
    throw new AttuneError({ code: 'CONFIG_INVALID', where: reference, problem, fix: 'give one of the two' });
  }
  return written ?? option;
}

/** PEP 440: 1.0 and 1.0.0 are one version, and pip takes either for the other. */
export function sameVersion(a: string, b: string): boolean {
  const [short, other] = [a, b].map((version) => version.toLowerCase().replace(/(?:\.0)+$/, ''));
  return short === other;
}

/** PEP 503: one spelling for `My_Package`, `my.package` and `my-package`. */
export function normalPackage(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}
