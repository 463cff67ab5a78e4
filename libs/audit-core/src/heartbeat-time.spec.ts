import { describe, expect, it } from '@jest/globals';
import { heartbeatTime, parseHeartbeatTime } from './heartbeat-time.js';

const NOW = Date.UTC(2026, 0, 31, 9, 30, 0, 250);
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

describe('the times of a heartbeat', () => {
  it('are read beside whatever else it says', () => {
    const beat = { ...heartbeatTime(NOW, 1_769_851_000), sizes: {} };
    expect(beat).toEqual({ time: '2026-01-31T09:30:00.250Z', after: '2026-01-31T09:16:40.000Z', sizes: {} });
    expect(parseHeartbeatTime(bytes(beat))).toEqual({ time: NOW, after: 1_769_851_000_000 });
    expect(parseHeartbeatTime(bytes(heartbeatTime(NOW, null)))).toEqual({ time: NOW, after: null });
    expect(parseHeartbeatTime(bytes({ time: '2026-01-31T09:30:00.250Z' }))).toEqual({ time: NOW, after: null });
    expect(parseHeartbeatTime(bytes({ sizes: {} }))).toBeNull();
  });

  it.each([
    ['{', 'heartbeat.json'],
    ['[]', 'heartbeat.json'],
    ['{"time":1}', 'heartbeat.time'],
    ['{"time":"2026-01-31T09:30:00Z"}', 'heartbeat.time'],
    ['{"time":"2026-01-31T09:30:00.250Z","after":5}', 'heartbeat.after'],
    ['{"time":"2026-01-31T09:30:00.250Z","after":"yesterday"}', 'heartbeat.after'],
  ])('refuses %s', (text, code) => {
    expect(() => parseHeartbeatTime(Buffer.from(text))).toThrow(expect.objectContaining({ code }));
  });
});
