/** A base that was asked for at a revision of the hub: what stands on it is opened beside that one again. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Files, fakeHub, serve, stop } from '../fakeHub.ts';
import { attune, errorOf, linesOf, readJson, temporaryFolder, tinyModel, train, writeRecipe } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const folder = temporaryFolder();
const id = 'org/tiny';
const files: Files = Object.fromEntries(
  readdirSync(tinyModel).map((name) => [name, readFileSync(join(tinyModel, name))]),
);
/** What the hub's `main` has become: another model of the same shape. */
const later: Files = { ...files, 'config.json': Buffer.from(String(files['config.json']).replace('"gelu"', '"relu"')) };
const hub = fakeHub(id, 'b'.repeat(40), later);
hub.revisions['v1'] = { sha: 'a'.repeat(40), files };
let served: Awaited<ReturnType<typeof serve>>;

/** On a machine that has fetched nothing yet. */
const elsewhere = () => {
  const env = { HF_HUB_OFFLINE: '0', HF_ENDPOINT: served.address, HF_HOME: mkdtempSync(join(folder, 'home-')) };
  return { cwd: folder, env };
};

async function answers(target: string): Promise<unknown[]> {
  const finished = await attune(['predict', target, 'good film', 'bad plot', '--json'], elsewhere());
  expect(finished.code, finished.stdout).toBe(0);
  return linesOf(finished.stdout);
}

/** The adapter of the run as PEFT would have saved it, with these fields. */
function asPeft(name: string, fields: object): string {
  cpSync(join(folder, 'run/adapter'), join(folder, name), { recursive: true });
  rmSync(join(folder, name, 'attune.json'));
  const config = readJson<object>(folder, `${name}/adapter_config.json`);
  writeFileSync(join(folder, name, 'adapter_config.json'), JSON.stringify({ ...config, ...fields }));
  return name;
}

beforeAll(async () => {
  served = await serve(hub);
  writeReviews(folder);
  writeRecipe(folder, tinyRecipe({ model: `${id}@v1`, method: { name: 'lora', r: 4 }, training: { max_steps: 4 } }));
  await train(['recipe.json'], elsewhere());
});
afterAll(() => stop(served.servers));

it('is named with its revision, as attune.json and PEFT have it', async () => {
  expect(readJson(folder, 'run/adapter/attune.json')).toMatchObject({ base: { name: id, reference: `${id}@v1` } });
  const named = { base_model_name_or_path: id, revision: 'v1' };
  expect(readJson(folder, 'run/adapter/adapter_config.json')).toMatchObject(named);
  const words = ['export', 'run', '--to', 'peft', '--output', 'exported', '--json'];
  expect((await attune(words, elsewhere())).code).toBe(0);
  expect(readJson(folder, 'exported/adapter_config.json')).toMatchObject(named);
});

it('is fetched at that revision', async () => {
  const wanted = await answers('run');
  expect(await answers(asPeft('named', {}))).toEqual(wanted);
  expect(await answers(asPeft('unnamed', { revision: null }))).not.toEqual(wanted);
  const lost = await attune(['predict', asPeft('lost', { revision: 'v 2' }), 'good', '--json'], elsewhere());
  expect(errorOf(lost)).toMatchObject({ code: 'MODEL_NOT_FOUND', problem: expect.stringContaining(`"${id}@v 2"`) });
});

it('is named so by a sum, and by AdapterHub without it, which has no place for one', async () => {
  const words = ['merge', 'run=0.5', 'named=0.5', '--output', 'sum', '--json'];
  expect((await attune(words, elsewhere())).code).toBe(0);
  expect(readJson(folder, 'sum/attune.json')).toMatchObject({ base: { name: id, reference: `${id}@v1` } });
  expect(readJson(folder, 'sum/adapter_config.json')).toMatchObject({ base_model_name_or_path: id, revision: 'v1' });
  const leaving = ['export', 'run', '--to', 'adapterhub', '--output', 'hub', '--json'];
  expect((await attune(leaving, elsewhere())).code).toBe(0);
  expect(readJson(folder, 'hub/adapter_config.json')).toMatchObject({ model_name: id });
});

it('is not looked for under its bare name in the working folder', async () => {
  cpSync(tinyModel, join(folder, id), { recursive: true });
  writeFileSync(join(folder, id, 'config.json'), later['config.json']!);
  expect(await answers('run')).toEqual(await answers('run/adapter'));
  rmSync(join(folder, 'org'), { recursive: true });
});
