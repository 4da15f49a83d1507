import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { HUB_URL } from '@huggingface/hub';
import { AttuneError } from '../../errors/index.ts';
import type { Environment } from './localModel.ts';

export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly token?: string;
  /** The folder that holds models--org--name. */
  readonly cache: string;
  /** The user forbade the network. */
  readonly offline: boolean;
}

/** The variables of Python's huggingface_hub, with its order of precedence, so that both share one cache. */
export async function hubSettings(environment: Environment): Promise<HubSettings> {
  const home = expandHome(environment['HF_HOME'] || join(cacheHome(environment), 'huggingface'), environment);
  const cache = environment['HF_HUB_CACHE'] || environment['HUGGINGFACE_HUB_CACHE'] || join(home, 'hub');
  const token = await hubToken(environment, home);
  return {
    endpoint: hubEndpoint(environment),
    ...(token && { token }),
    cache: expandHome(cache, environment),
    offline: isOn(environment['HF_HUB_OFFLINE']) || isOn(environment['TRANSFORMERS_OFFLINE']),
  };
}

/** Where Attune keeps what no other program's cache holds. */
export function attuneHome(environment: Environment): string {
  return expandHome(environment['ATTUNE_HOME'] || join(cacheHome(environment), 'attune'), environment);
}

/** `~/models` in a recipe is not expanded by a shell. */
export function expandHome(path: string, environment: Environment): string {
  return /^~(?=[\\/]|$)/.test(path) ? join(userHome(environment), path.slice(1)) : path;
}

function cacheHome(environment: Environment): string {
  return environment['XDG_CACHE_HOME'] || join(userHome(environment), '.cache');
}

function userHome(environment: Environment): string {
  return environment[process.platform === 'win32' ? 'USERPROFILE' : 'HOME'] || homedir();
}

function hubEndpoint(environment: Environment): string {
  const endpoint = (environment['HF_ENDPOINT'] || HUB_URL).replace(/\/+$/, '');
  if (/^https?:\/\//.test(endpoint) && URL.canParse(endpoint)) return endpoint;
  const fix = 'give an address that begins with https:// or http://, or unset it';
  throw new AttuneError({ code: 'CONFIG_INVALID', where: 'HF_ENDPOINT', problem: `got "${endpoint}"`, fix });
}

/** HF_TOKEN, else what `hf auth login` stored. */
async function hubToken(environment: Environment, home: string): Promise<string | undefined> {
  const given = environment['HF_TOKEN'] || environment['HUGGING_FACE_HUB_TOKEN'];
  if (given) return usableToken(given.trim());
  if (isOn(environment['HF_HUB_DISABLE_IMPLICIT_TOKEN'])) return undefined;
  const path = expandHome(environment['HF_TOKEN_PATH'] || join(home, 'token'), environment);
  const stored = await readFile(path, 'utf8').catch(() => ''); // no such file: not logged in
  return stored.trim() || undefined;
}

/** A header can carry nothing else; the value itself is never shown. */
function usableToken(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const problem = 'holds spaces or characters that no token has';
  throw new AttuneError({ code: 'CONFIG_INVALID', where: 'HF_TOKEN', problem, fix: 'set it again, or unset it' });
}

function isOn(value: string | undefined): boolean {
  return ['1', 'on', 'yes', 'true'].includes((value ?? '').toLowerCase());
}
