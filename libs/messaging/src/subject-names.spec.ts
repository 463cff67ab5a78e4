import { describe, expect, it } from '@jest/globals';
import { framesSubject, submitSubject } from '@everseal/policy';
import { namesIn } from './subject-names.js';

describe('namesIn', () => {
  it('reads back what the builders put in', () => {
    expect(namesIn(submitSubject('*', '*'), submitSubject('main', 'billing'))).toEqual(['main', 'billing']);
    expect(namesIn(framesSubject('main', '*'), framesSubject('main', 'a'))).toEqual(['a']);
    expect(namesIn('audit.nudge.main', 'audit.nudge.main')).toEqual([]);
  });

  it('refuses another subject and what is no name', () => {
    const pattern = 'audit.submit.*.*';
    for (const subject of [
      'audit.submit.main',
      'audit.submit.main.billing.x',
      'audit.claim.main.billing',
      'audit.submit.main.',
      'audit.submit.main.*',
      'audit.submit.main.>',
      'audit.submit.Main.billing',
      'audit.submit.main.-billing',
      `audit.submit.main.${'b'.repeat(64)}`,
      'audit.submit.main.bíll',
    ]) {
      expect(namesIn(pattern, subject)).toBeNull();
    }
  });
});
