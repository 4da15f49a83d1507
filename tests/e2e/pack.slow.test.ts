/** What is published, installed into an empty project: the command and the library run there. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder, tinyModel } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const root = join(import.meta.dirname, '../..');

it('npm pack, npm install, and a run', () => {
  const folder = temporaryFolder();
  const project = join(folder, 'project');
  mkdirSync(project);
  // A dependency's .npmrc does not apply in somebody's project: what it says has to be said there too.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  const run = (command: string, ...words: string[]): string =>
    execFileSync(command, words, { cwd: project, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  execFileSync('npm', ['pack', '--pack-destination', folder], { cwd: root, env, stdio: 'pipe' });
  const [archive] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
  run('npm', 'install', join(folder, archive!));
  expect(JSON.parse(run('npx', 'attune', 'doctor', '--json')).ok).toBe(true);

  writeReviews(project);
  const recipe = { ...tinyRecipe({ method: 'lora' }), model: tinyModel };
  const program = `
    import { load, train } from 'attune';
    const events = new Set();
    const run = await train(${JSON.stringify(recipe)}, { onEvent: ({ type }) => events.add(type) });
    await using model = await load(run.outputDir);
    const { label, score } = await model.predict('good good');
    console.log(JSON.stringify({ status: run.status, label, score, events: [...events] }));`;
  writeFileSync(
    join(project, 'program.mjs'),
    program.replace('await using model', 'const model').replace(/$/, '\nawait model.close();'),
  );
  const told = JSON.parse(run('node', 'program.mjs'));
  expect(told.status).toBe('succeeded');
  expect(told.score).toBeGreaterThan(1 / 3);
  expect(told.events).toEqual(expect.arrayContaining(['started', 'step', 'evaluation']));

  const typed = `import { train, type RecipeInput } from 'attune';\nconst recipe: RecipeInput = { model: 'm', task: 'text-classification', data: { train: 'a' }, method: { name: 'lora', r: 8 } };\nexport const run = () => train(recipe);\n`;
  writeFileSync(join(project, 'typed.ts'), typed);
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--lib',
    'es2023,esnext.disposable',
    '--skipLibCheck',
    'typed.ts',
  ];
  run(process.execPath, compiler, ...options);
});
