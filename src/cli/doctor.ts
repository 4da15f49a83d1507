import { defineCommand } from './command.ts';

export const command = defineCommand({
  name: 'doctor',
  summary: 'shows what is installed and used, and why',
  usage: '',
  positionals: { least: 0, most: 0 },
  options: {},
  async run({ out }) {
    const { examine } = await import('../recipes/doctor.node.ts');
    const report = await examine();
    out.object(report);
    const { green, red, dim } = out.colors;
    const lines = report.checks.map(
      ({ name, ok, found, why }) => `${ok ? green('ok ') : red('no ')} ${name.padEnd(14)} ${found}  ${dim(why)}`,
    );
    out.text(lines.join('\n'));
    return report.ok ? 0 : 1;
  },
});
