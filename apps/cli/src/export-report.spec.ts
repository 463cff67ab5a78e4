import { describe, expect, it } from '@jest/globals';
import { openUnderPolicy, parseTlogPolicy, sha256, type Completeness } from '@everseal/audit-core';
import { KEYS, LogWriter, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { exportReport } from './export-report.js';

const writer = new LogWriter();
writer.block();
const note = writer.checkpoint();
const policy = parseTlogPolicy(Buffer.from(`log ${KEYS.log.verifier.vkey}\nquorum none\n`));
const completeness: Completeness = {
  ledger: ORIGIN,
  size: 2,
  root: sha256(Buffer.of()),
  made: '2026-01-31T09:30:00.000Z',
  selection: { kind: 'ledger' },
  census: {
    events: 3,
    withoutContent: 1,
    first: null,
    last: null,
    perSourceAndDay: [
      { source: `<script>alert(1)</script>"'&\u202e\u0007`, day: '2026-01-31', events: 2 },
      { source: null, day: '2026-01-31', events: 1 },
    ],
    inFurtherRows: 0,
    gaps: [],
    furtherGaps: 0,
  },
  evidence: {
    keySets: 1,
    custody: [{ ingester: 'a', frames: 2, events: 3 }],
    timestamps: [{ authority: '<tsa>', stamps: 1, firstSize: 2, lastSize: 2 }],
  },
};

describe('the report of an export', () => {
  const html = exportReport(completeness, openUnderPolicy(note, policy), note);

  it('shows what comes from the ledger as text, whatever it is', () => {
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\ufffd\ufffd');
    expect(html).not.toContain('<script');
    expect(html).toContain('(none)');
    expect(html).toContain('<td>a</td><td class="n">2</td>');
    expect(html).toContain('1 of &lt;tsa&gt; over the tree of 2 entries');
  });

  it('loads nothing', () => {
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/(?:src|href)=/);
  });
});
