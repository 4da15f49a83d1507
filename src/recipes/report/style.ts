/** How a report looks: by day and by night, on paper and on a phone. Fonts are those of the machine. */
const colours = `
:root { color-scheme: light dark;
  --paper: #f6f5f2; --card: #ffffff; --ink: #1d1f27; --soft: #606778; --line: #e3e1db; --on-colour: #ffffff;
  --strong: #2c5fd4; --plain: #9aa3b5; --right: #1d7f55; --wrong: #c9472c; --warn: #8a5a00; --warn-paper: #fdf3dc;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "PingFang SC", "Microsoft YaHei",
    "Noto Sans CJK SC", sans-serif; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #111217; --card: #191b22; --ink: #e8e9ef; --soft: #9da4b5; --line: #2b2e39; --on-colour: #0d0e12;
  --strong: #7ea6ff; --plain: #6d7589; --right: #5fcf9b; --wrong: #ff8b70; --warn: #f2c063; --warn-paper: #2a2314; } }
`;

const texts = `
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 var(--sans);
  font-variant-numeric: tabular-nums; }
main { max-width: 1020px; margin: 0 auto; padding: 40px 20px 64px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 24px; margin-top: 20px; }
section > :last-child, section > div > :last-child { margin-bottom: 0; }
h1 { font-size: 30px; line-height: 1.2; margin: 0; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0 0 14px; }
h3 { font-size: 14px; margin: 22px 0 8px; }
p { margin: 0 0 12px; }
small { font-size: 13px; }
.soft, small, footer { color: var(--soft); }
footer { font-size: 13px; margin-top: 24px; }
summary { cursor: pointer; color: var(--soft); }
pre { font: 13px/1.5 var(--mono); overflow: auto; margin: 12px 0 0; }
`;

const head = `
header { display: flex; flex-wrap: wrap; gap: 6px 16px; align-items: center; margin-bottom: 4px; }
.status { font-size: 13px; font-weight: 600; border: 1px solid currentColor; border-radius: 99px; padding: 1px 11px;
  color: var(--right); }
.status.stopped { color: var(--warn); }
.status.failed { color: var(--wrong); }
.failure { border-left: 4px solid var(--wrong); overflow-wrap: anywhere; }
code { font: 13px var(--mono); }
.headline { display: grid; grid-template-columns: minmax(270px, 1fr) 2fr; gap: 20px 36px; align-items: center; }
.figure { font-size: 60px; line-height: 1.05; font-weight: 650; letter-spacing: -.03em; white-space: nowrap; }
.stats { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 16px 24px; margin: 0; }
.stats.small { grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); }
.headline .stats { grid-template-columns: repeat(3, 1fr); }
.stats dt { color: var(--soft); font-size: 13px; }
.stats dd { margin: 0; font-size: 19px; font-weight: 600; overflow-wrap: anywhere; }
.stats.small dd { font-size: 15px; font-weight: 500; }
.warning { background: var(--warn-paper); border-left: 3px solid var(--warn); border-radius: 4px; padding: 9px 14px;
  margin: 16px 0 0; }
.remark { color: var(--soft); margin: 16px 0 0; font-size: 14px; }
`;

const charts = `
.groups { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 8px 40px; }
.groups h3 { margin-top: 8px; }
.bar { display: grid; grid-template-columns: 150px 1fr 66px; gap: 12px; align-items: center; margin: 7px 0; }
.bar b { text-align: right; font-weight: 600; white-space: nowrap; }
.track { position: relative; height: 18px; border-radius: 4px; background: color-mix(in srgb, var(--plain) 16%, transparent); }
.track i { position: absolute; inset: 0 auto 0 0; min-width: 2px; border-radius: 4px; background: var(--plain); }
.after .track i { background: var(--strong); }
.track u { position: absolute; top: 50%; height: 1.5px; background: var(--ink); }
.track u::before, .track u::after { content: ""; position: absolute; top: -4px; width: 1.5px; height: 9.5px;
  background: var(--ink); }
.track u::before { left: 0; }
.track u::after { right: 0; }
figure { margin: 0 0 20px; }
figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 4px 24px; font-size: 14px;
  margin-bottom: 4px; }
.legend { display: flex; gap: 18px; color: var(--soft); }
.legend i { display: inline-block; width: 18px; height: 3px; border-radius: 2px; margin-right: 7px; vertical-align: middle; }
.legend i.plain { background: var(--plain); }
.legend i.strong { background: var(--strong); }
svg { display: block; width: 100%; height: auto; font: 12px var(--sans); font-variant-numeric: tabular-nums; }
svg text { fill: var(--soft); }
svg .note { fill: var(--ink); stroke: var(--card); stroke-width: 4; paint-order: stroke; }
svg .middle { text-anchor: middle; }
svg .end { text-anchor: end; }
svg .grid { stroke: var(--line); }
svg .axis { stroke: var(--soft); }
svg .mark { stroke: var(--ink); stroke-dasharray: 3 4; opacity: .55; }
svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg polyline.plain { stroke: var(--plain); }
svg polyline.strong { stroke: var(--strong); }
svg circle { stroke: var(--card); stroke-width: 1.5; }
svg circle.plain { fill: var(--plain); }
svg circle.strong { fill: var(--strong); }
`;

const tables = `
.scroll { overflow: auto; }
.scroll.low { max-height: 560px; }
.beside { display: grid; grid-template-columns: auto 1fr; gap: 24px 44px; }
.beside > div { min-width: 0; }
.beside .meter { display: none; }
table { border-collapse: collapse; }
.wide { width: 100%; }
th, td { text-align: left; padding: 6px 12px; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-size: 13px; font-weight: 600; color: var(--soft); white-space: nowrap; }
thead th { position: sticky; top: 0; background: var(--card); }
td.number, th.number { text-align: right; white-space: nowrap; }
td.label { overflow-wrap: break-word; max-width: 360px; }
.meter { display: inline-block; width: 64px; height: 6px; border-radius: 3px; margin-left: 10px; vertical-align: middle;
  background: linear-gradient(to right, var(--strong) calc(var(--share) * 100%),
    color-mix(in srgb, var(--plain) 22%, transparent) 0); }
.confusion { border-spacing: 2px; border-collapse: separate; }
.confusion th, .confusion td { border: 0; padding: 5px 8px; }
.confusion td { text-align: center; min-width: 82px; padding: 10px 8px; border-radius: 5px; vertical-align: middle;
  font-size: 17px; line-height: 1.25; }
.confusion td span { display: block; font-size: 12px; font-weight: 400; opacity: .85; }
.confusion th { max-width: 170px; overflow: hidden; text-overflow: ellipsis; vertical-align: bottom; }
.confusion thead th { position: static; text-align: center; }
.confusion tbody th { text-align: right; vertical-align: middle; }
.confusion th.corner { font-weight: 400; font-size: 12px; text-align: right; }
.confusion td.total { color: var(--soft); min-width: 0; font-size: inherit; }
.confusion td.right { background: color-mix(in srgb, var(--strong) calc(var(--share) * 88%), transparent); }
.confusion td.wrong { background: color-mix(in srgb, var(--wrong) calc(var(--share) * 88% + 6%), transparent); }
.confusion td.none { color: var(--plain); }
.confusion td.heavy { color: var(--on-colour); font-weight: 600; }
.many th.name { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 150px; text-align: left; padding: 8px 5px; }
.confusion.many td { min-width: 32px; padding: 5px 2px; font-size: inherit; }
`;

const mistakes = `
.truth { color: var(--right); }
.mistaken { color: var(--wrong); }
.mistakes { list-style: none; margin: 0; padding: 0; }
.mistakes li { padding: 13px 0; border-top: 1px solid var(--line); }
.mistakes li:first-child { border-top: 0; padding-top: 0; }
.mistakes li:last-child { padding-bottom: 0; }
.mistakes .head { display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: baseline; font-size: 14px; margin-bottom: 3px;
  overflow-wrap: anywhere; }
.mistakes .head b { min-width: 58px; }
.where { margin-left: auto; color: var(--soft); font: 12.5px var(--mono); }
.text { overflow-wrap: anywhere; white-space: pre-line; margin: 0; }
.text + .text { margin-top: 4px; padding-left: 12px; border-left: 2px solid var(--line); }
.text summary { color: inherit; list-style: none; }
.text summary::-webkit-details-marker { display: none; }
.more { color: var(--strong); white-space: nowrap; }
.text[open] .more { display: none; }
`;

const otherPlaces = `
@media (max-width: 860px) { .beside { grid-template-columns: 1fr; } }
@media (max-width: 640px) {
  main { padding: 24px 12px; }
  section { padding: 16px; }
  .headline, .groups { grid-template-columns: 1fr; }
  .bar { grid-template-columns: 110px 1fr 62px; gap: 8px; }
}
@media print {
  body { background: none; }
  section { break-inside: avoid; }
  .scroll.low { max-height: none; }
}
`;

export const style = [colours, texts, head, charts, tables, mistakes, otherPlaces].join('');
