import { describe, expect, it } from '@jest/globals';
import { DURABILITY_SETTINGS, durabilityProblems } from './durability-problems.js';

const GOOD = {
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  wal_level: 'replica',
  data_checksums: 'on',
  ignore_checksum_failure: 'off',
  zero_damaged_pages: 'off',
};
const facts = (values: Record<string, string>) =>
  Object.entries(values).map(([setting, value]) => ({ setting, of: 'the server', value }));

describe('what the durability of a database hangs on', () => {
  it('is all of it when nothing is wrong', () => {
    expect(Object.keys(GOOD)).toEqual(DURABILITY_SETTINGS);
    expect(durabilityProblems(facts(GOOD))).toEqual([]);
    expect(durabilityProblems(facts({ ...GOOD, synchronous_commit: 'remote_apply', wal_level: 'logical' }))).toEqual(
      [],
    );
  });

  it.each([
    ['fsync', 'off'],
    ['full_page_writes', 'off'],
    ['synchronous_commit', 'off'],
    ['synchronous_commit', 'local'],
    ['synchronous_commit', 'remote_write'],
    ['wal_level', 'minimal'],
    ['data_checksums', 'off'],
    ['ignore_checksum_failure', 'on'],
    ['zero_damaged_pages', 'on'],
  ])('%s %s is a problem', (setting, value) => {
    const [problem, ...more] = durabilityProblems(facts({ ...GOOD, [setting]: value }));
    expect(problem).toMatchObject({ setting, of: 'the server', found: value });
    expect(more).toEqual([]);
  });

  it('says when our own session cannot see what others get', () => {
    const own = { setting: 'synchronous_commit', of: 'the server', value: 'on', masked: true };
    expect(durabilityProblems([own])).toMatchObject([
      { setting: 'synchronous_commit', expected: 'no value of its own' },
    ]);
    expect(durabilityProblems([{ ...own, masked: false }])).toEqual([]);
  });

  it('leaves what our own role is set to, to the line about the role', () => {
    const own = { setting: 'synchronous_commit', of: 'the server', value: 'off', masked: true };
    const role = { setting: 'synchronous_commit', of: 'role everseal_verifier', value: 'off' };
    expect(durabilityProblems([own, role])).toMatchObject([{ of: 'role everseal_verifier' }]);
  });
});
