import { describe, expect, it } from '@jest/globals';
import { agreedSeconds } from './agreed-time.js';

const NOW = 1_800_000_000;

describe('the time that verifiers agree has come', () => {
  it('is not made by one whose clock is an hour ahead; control: alone its word stands', () => {
    const wrong = { verifier: 'v1', seconds: NOW + 3_600 };
    expect(agreedSeconds([wrong, { verifier: 'v2', seconds: NOW }])).toBe(NOW);
    expect(agreedSeconds([wrong])).toBe(NOW + 3_600);
  });

  it('takes the newest of each, and is not known before the first', () => {
    const [old, newer] = [-600, 9].map((by) => ({ verifier: 'v1', seconds: NOW + by }));
    expect(agreedSeconds([newer!, old!, { verifier: 'v2', seconds: NOW + 8 }])).toBe(NOW + 8);
    expect(agreedSeconds([])).toBeNull();
  });
});
