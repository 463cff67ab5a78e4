/**
 * `report.html` of an export: what completeness.json says, for people. One file that loads nothing; whatever comes out of the ledger
 * is escaped. It is a rendering and no evidence: verify.mjs checks the files, not this page.
 */
import { checkpointWords, completenessWords, numeral, type Believed, type Completeness } from '@everseal/audit-core';

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}td.n,th.n{text-align:right}
code,pre{font-family:ui-monospace,monospace;font-size:.85rem;overflow-wrap:anywhere;white-space:pre-wrap}`;

/** Rows of the report's tables; completeness.json has them all. */
const MOST_ROWS = 1_000;

export function exportReport(completeness: Completeness, believed: Believed, note: string): string {
  const { ledger, made, census } = completeness;
  const facts: [string, string][] = [
    ['ledger', ledger],
    ['exported', made],
    ['checkpoint', checkpointWords(believed)],
    ['events', numeral(census.events)],
    ['first', census.first ? `entry ${numeral(census.first.index)}, accepted ${census.first.accepted}` : 'none'],
    ['last', census.last ? `entry ${numeral(census.last.index)}, accepted ${census.last.accepted}` : 'none'],
  ];
  if (census.withoutContent > 0) facts.push(['events without content', numeral(census.withoutContent)]);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Export of ${escaped(ledger)}</title><style>${STYLE}</style></head><body>
<h1>Export of ledger ${escaped(ledger)}</h1>
<table>${facts.map(([name, value]) => `<tr><th>${name}</th><td>${escaped(value)}</td></tr>`).join('\n')}</table>
<h2>How complete it is</h2>
<ul>${completenessWords(completeness)
    .map((sentence) => `<li>${escaped(sentence)}</li>`)
    .join('\n')}</ul>
<h2>Events by source and day of acceptance (UTC)</h2>
${countsTable(completeness)}
<h2>Who accepted them</h2>
${custodyTable(completeness)}
<h2>Gap records</h2>
${gapsTable(completeness)}
<h2>Checking it</h2>
<p>This page is no evidence. <code>node verify.mjs --policy &lt;your policy file&gt;</code> in this folder derives everything again from the
files and says what is proven; it needs Node and no network. The layout is C2SP tlog-tiles, so other programs can read it too.</p>
<pre>${escaped(note)}</pre>
</body></html>
`;
}

function countsTable({ census }: Completeness): string {
  const { perSourceAndDay: rows, inFurtherRows } = census;
  const cells = rows
    .slice(0, MOST_ROWS)
    .map(
      ({ source, day, events }) =>
        `<tr><td>${escaped(source ?? '(none)')}</td><td>${escaped(day)}</td><td class="n">${numeral(events)}</td></tr>`,
    );
  const rest = rows.slice(MOST_ROWS).reduce((sum, { events }) => sum + events, inFurtherRows);
  if (rest > 0) cells.push(`<tr><td>further sources and days</td><td></td><td class="n">${numeral(rest)}</td></tr>`);
  return `<table><tr><th>source</th><th>day</th><th class="n">events</th></tr>${cells.join('\n')}</table>`;
}

function custodyTable({ evidence }: Completeness): string {
  const shares = evidence?.custody ?? [];
  if (shares.length === 0) return '<p>No events.</p>';
  const cells = shares.slice(0, MOST_ROWS).map(({ ingester, frames, events }) => {
    return `<tr><td>${escaped(ingester)}</td><td class="n">${numeral(frames)}</td><td class="n">${numeral(events)}</td></tr>`;
  });
  const heads = '<tr><th>ingester</th><th class="n">frames that it signed</th><th class="n">events</th></tr>';
  return `<table>${heads}${cells.join('\n')}</table>`;
}

function gapsTable({ census }: Completeness): string {
  const { gaps, furtherGaps } = census;
  if (gaps.length === 0) return '<p>None.</p>';
  const cells = gaps
    .slice(0, MOST_ROWS)
    .map(
      (gap) =>
        `<tr><td class="n">${numeral(gap.index)}</td><td>${escaped(gap.ingester)}</td><td>${numeral(gap.first)} to ${numeral(gap.last)}</td><td>${escaped(gap.cause)}</td><td>${escaped(gap.time)}</td></tr>`,
    );
  const rest = Math.max(0, gaps.length - MOST_ROWS) + furtherGaps;
  const more = rest === 0 ? '' : `<p>And ${numeral(rest)} more.</p>`;
  return `<table><tr><th class="n">entry</th><th>ingester</th><th>frames</th><th>cause</th><th>time</th></tr>${cells.join('\n')}</table>${more}`;
}

/** Text as HTML shows it: control characters have no place in it either. */
function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
    .replace(/[\p{Control}\p{Format}]/gu, (character) => (character === '\n' ? character : '\ufffd'));
}
