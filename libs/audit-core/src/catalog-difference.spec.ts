import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { carryAgreement, compareCatalog, firstDifferent } from './catalog-difference.js';

const TRIGGER = 'trigger everseal.block.append_only: BEFORE UPDATE, fires A';
const DISABLED = 'trigger everseal.block.append_only: BEFORE UPDATE, fires D';
const SCHEMA = 'schema everseal: owner everseal_owner, -';
const ROLE = 'role mallory: superuser t';

describe('comparing', () => {
  it('gives the lines of either side, and nothing for equal ones in any order', () => {
    expect(compareCatalog([SCHEMA, DISABLED], [TRIGGER, SCHEMA])).toEqual({
      missing: [TRIGGER],
      unexpected: [DISABLED],
    });
    expect(compareCatalog([SCHEMA, TRIGGER], [TRIGGER, SCHEMA])).toEqual({ missing: [], unexpected: [] });
  });

  it('names the first object with both of its descriptions, what takes others with it first', () => {
    expect(firstDifferent({ missing: [TRIGGER], unexpected: [DISABLED] })).toEqual({
      object: 'trigger everseal.block.append_only',
      expected: TRIGGER,
      found: DISABLED,
    });
    const renamed = 'schema elsewhere: owner everseal_owner, -';
    expect(firstDifferent(compareCatalog([renamed], [TRIGGER, 'column block.01: x', SCHEMA]))).toMatchObject({
      object: 'schema everseal',
      found: null,
    });
    expect(firstDifferent(compareCatalog([DISABLED, ROLE], []))).toMatchObject({
      object: 'role mallory',
      expected: null,
    });
    expect(firstDifferent({ missing: [], unexpected: [] })).toBeNull();
  });
});

describe('the agreement after a deploy step', () => {
  it('takes over what the step changed', () => {
    const column = 'column block.10: note text';
    expect(carryAgreement([SCHEMA, TRIGGER], [SCHEMA, TRIGGER], [SCHEMA, column])).toEqual([column, SCHEMA]);
  });

  it('does not make right what somebody else had changed before it; control: taking what is found does', () => {
    const [before, after] = [
      [SCHEMA, DISABLED, ROLE],
      [SCHEMA, DISABLED, ROLE, 'column block.10: note text'],
    ];
    const agreed = carryAgreement([SCHEMA, TRIGGER], before, after);
    expect(compareCatalog(after, agreed)).toEqual({ missing: [TRIGGER], unexpected: [ROLE, DISABLED] });
    expect(compareCatalog(after, after)).toEqual({ missing: [], unexpected: [] });
  });

  it('is content again when the step put right what was changed', () => {
    expect(carryAgreement([SCHEMA, TRIGGER], [SCHEMA, DISABLED], [SCHEMA, TRIGGER])).toEqual([SCHEMA, TRIGGER].sort());
  });

  it('differs from the database after the step only where the one before differed from the database before it', () => {
    const lines = fc.uniqueArray(fc.constantFrom('a: 1', 'a: 2', 'b: 1', 'c: 1', 'd: 1'));
    fc.assert(
      fc.property(lines, lines, lines, (agreed, before, after) => {
        const stood = compareCatalog(before, agreed);
        const stands = compareCatalog(after, carryAgreement(agreed, before, after));
        expect(stood.missing).toEqual(expect.arrayContaining(stands.missing));
        expect(stood.unexpected).toEqual(expect.arrayContaining(stands.unexpected));
      }),
    );
  });
});
