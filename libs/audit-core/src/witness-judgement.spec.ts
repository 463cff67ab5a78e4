import { describe, expect, it } from '@jest/globals';
import { judgeWitnessRequest, type WitnessJudgementInput } from '../vectors/make/witness-judgement.js';
import { expected, keysOf, outcome, readVectors } from '../vectors/vector-file.js';
import { ForeignLog } from './foreign-log.fixture.js';
import { sha256 } from './hash.js';
import { formatAddCheckpoint } from './witness-message.js';
import { judgeAddCheckpoint, readWitnessRequest, UNKNOWN_LOG, type WitnessedHead } from './witness-judgement.js';

const log = ForeignLog.of('log.example.org/one', 20);
const fork = log.forked(3);
const known = { origin: log.origin, keys: [log.verifier] };
const at = (size: number): WitnessedHead => ({ size, root: log.root(size) });

function judge(request: string, latest: WitnessedHead | null): { status: number; body?: string; forked?: boolean } {
  const read = readWitnessRequest(Buffer.from(request));
  if ('status' in read) return read;
  if (read.origin !== log.origin) return UNKNOWN_LOG;
  return judgeAddCheckpoint(read.request, known, latest);
}

const file = readVectors<WitnessJudgementInput>('witness-judgement');

describe('the judgement of a witness', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => judgeWitnessRequest(vector, keysOf(file)))).toEqual(expected(vector));
  });

  it('is 200 for every step that a log can make, from every size to every size', () => {
    for (let old = 0; old <= 20; old++) {
      const latest = old === 0 ? null : at(old);
      for (let size = old; size <= 20; size++) expect(judge(log.request(old, size), latest).status).toBe(200);
    }
  });

  it.each([
    ['nothing', '', at(5), 400, /old size/],
    ['no note', 'old 5\n\nnonsense\n', at(5), 400, /note/],
    ['an extension line', log.request(5, 8).replace(/\n\n— /, '\nmore\n\n— '), at(5), 400, /three lines/],
    ['old above the checkpoint', log.request(0, 5).replace('old 0', 'old 6'), at(6), 400, /old is larger/],
    ['another log', log.request(5, 8).replaceAll(log.origin, 'log.example.org/two'), at(5), 404, /does not know/],
    ['a key that is not known', log.resigned().request(5, 8), at(5), 403, /known key/],
    ['a false signature', log.request(5, 8).replace('\n8\n', '\n9\n'), at(5), 403, /does not verify/],
    ['old below the witness', log.request(5, 8), at(6), 409, /^6\n$/],
    ['old above the witness', log.request(7, 8), at(6), 409, /^6\n$/],
    ['old of a witness that has none', log.request(5, 8), null, 409, /^0\n$/],
    ['another root of the same size', fork.request(8, 8), at(8), 409, /^$/],
    ['no proof', formatAddCheckpoint({ old: 5, proof: [], checkpoint: log.checkpoint(8) }), at(5), 422, /proof/],
    ['the proof of another history', fork.request(5, 8), at(5), 422, /proof/],
    [
      'a proof from nothing',
      formatAddCheckpoint({ old: 0, proof: [sha256(Buffer.of())], checkpoint: log.checkpoint(8) }),
      null,
      422,
      /proof/,
    ],
    [
      'a proof from a size to itself',
      formatAddCheckpoint({ old: 8, proof: [log.root(8)], checkpoint: log.checkpoint(8) }),
      at(8),
      422,
      /proof/,
    ],
    [
      'an empty tree with a root',
      log.request(0, 0).replace(/\n0\n.*\n/, `\n0\n${log.root(3).toString('base64')}\n`),
      null,
      422,
      /empty tree/,
    ],
  ])('of %s is what the specification says', (_, request, latest, status, body) => {
    expect(judge(request, latest)).toMatchObject({ status, body: expect.stringMatching(body) });
  });

  it('shows a fork whenever two roots of one size are signed, and only then', () => {
    expect(judge(fork.request(8, 8), at(8))).toMatchObject({ status: 409, forked: true });
    expect(judge(fork.request(0, 8), at(8))).toMatchObject({ status: 409, body: '8\n', forked: true });
    // Anybody can send a false proof: that shows nothing. So does a size that is not the one at hand.
    expect(judge(fork.request(5, 8), at(5))).toMatchObject({ status: 422, forked: false });
    expect(judge(fork.request(0, 7), at(8))).toMatchObject({ status: 409, forked: false });
    expect(judge(log.request(0, 8), at(8))).toMatchObject({ status: 409, forked: false });
    expect(judge(log.resigned().forked(3).request(8, 8), at(8))).toMatchObject({ status: 403, forked: false });
  });

  it('takes any of the keys of a log that rotates its key', () => {
    const request = readWitnessRequest(Buffer.from(log.resigned().request(5, 8)));
    if (!('request' in request)) throw new Error('not read');
    const both = { ...known, keys: [log.verifier, log.resigned().verifier] };
    expect(judgeAddCheckpoint(request.request, both, at(5)).status).toBe(200);
  });
});
