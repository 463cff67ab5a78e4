import { describe, expect, it } from '@jest/globals';
import { EversealError } from './everseal-error.js';
import { MemoryRecorder } from './memory-recorder.js';
import type { SomeFailed } from './some-failed.js';

const recorder = (): MemoryRecorder => new MemoryRecorder({ source: '/billing', now: () => Date.UTC(2026, 0, 1) });

describe('the recorder for tests', () => {
  it('shows an event at once, as the client would have sent it, and gives a receipt that verifies', async () => {
    const memory = recorder();
    const call = memory.record({ id: '1', action: 'invoice.approve', actor: { id: 'alice' } });
    expect(memory.events).toMatchObject([{ id: '1', source: '/billing', data: { actor: { id: 'alice' } } }]);
    const recorded = await call;
    if (recorded.state !== 'receipted') throw new Error(recorded.state);
    expect(recorded.proof.event).toEqual(memory.bytes[0]);
    expect(recorded.proof.verify(memory.ingestKeys)).toMatchObject({ number: 1, count: 1 });
    expect(() => recorded.proof.verify(recorder().ingestKeys)).toThrow();
  });

  it('refuses what the client refuses, and fails as a test wants it', async () => {
    const memory = recorder();
    memory.failNext(new EversealError('client.deadline', 'no answer', { isUnknown: true }));
    const events = [{ action: 'a' }, { action: '' }, { action: 'c' }];
    const failed = (await memory.recordMany(events).catch((error: unknown) => error)) as SomeFailed;
    expect(failed.outcomes.map((one) => ('state' in one ? one.state : one.code))).toEqual([
      'client.deadline',
      'event.invalid',
      'receipted',
    ]);
    expect([failed.isUnknown, memory.events.length]).toEqual([true, 1]);
  });

  it('drops with failure open, and starts anew when cleared', async () => {
    const memory = recorder();
    expect(await memory.record({ action: '' }, { failure: 'open' })).toMatchObject({ state: 'dropped', id: null });
    expect(await memory.record({ action: 'a' }, { until: 'kept' })).toMatchObject({ state: 'kept' });
    expect([memory.dropped, memory.events.length]).toEqual([1, 1]);
    memory.clear();
    expect([memory.dropped, memory.events]).toEqual([0, []]);
  });
});
