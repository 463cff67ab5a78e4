import { describe, expect, it } from '@jest/globals';
import { indexEvent, JsonTape } from '@everseal/audit-core';
import { encodeEvent, type AuditEvent, type EventDefaults } from './audit-event.js';
import type { EversealError } from './everseal-error.js';
import { uuidV7 } from './uuid-v7.js';

const NOW = Date.UTC(2026, 0, 31, 9, 30);
const defaults: EventDefaults = { source: '/billing', now: () => NOW, id: () => 'made-1' };

function codeOf(event: AuditEvent | Uint8Array): string {
  try {
    encodeEvent(event, defaults);
    return 'taken';
  } catch (error) {
    return (error as EversealError).code;
  }
}

describe('an audit event', () => {
  it('stands at the paths that the event index reads', () => {
    const event = {
      action: 'invoice.approve',
      actor: { id: 'alice', role: 'clerk' },
      target: { id: 'invoice-42' },
      outcome: 'denied',
      reason: 'limit',
      context: { ip: '192.0.2.1' },
      subject: 'invoice/42',
      extensions: { traceparent: '00-1' },
    };
    const { id, bytes } = encodeEvent(event, defaults);
    expect(indexEvent(new JsonTape(), 'billing', bytes, 0, bytes.length)).toMatchObject({
      eventId: 'made-1',
      source: '/billing',
      type: 'invoice.approve',
      subject: 'invoice/42',
      actor: 'alice',
      action: 'invoice.approve',
      target: 'invoice-42',
      outcome: 'denied',
      occurred: BigInt(NOW) * 1_000n,
    });
    const { reason, context } = event;
    expect(JSON.parse(bytes.toString())).toMatchObject({ traceparent: '00-1', data: { reason, context } });
    expect(id).toBe('made-1');
  });

  it('has the same bytes for the same values', () => {
    const event: AuditEvent = { action: 'a', id: 'x', time: new Date(NOW), actor: { id: 'b' } };
    expect(encodeEvent(event, defaults).bytes).toEqual(encodeEvent({ ...event }, { ...defaults, id: () => '' }).bytes);
  });

  it('given as bytes is taken as it is, white space around it left out, and copied', () => {
    const text = '{"specversion":"1.0", "id":"1","source":"/x","type":"t","data":1.50}';
    const given = Buffer.from(` ${text}\n`);
    const { bytes } = encodeEvent(given, defaults);
    given.fill(0);
    expect(bytes.toString()).toBe(text);
  });

  it.each<[string, AuditEvent | Uint8Array]>([
    ['event.invalid', { action: '' }],
    ['event.invalid', { action: 'a', actor: { id: 1 as unknown as string } }],
    ['event.invalid', { action: 'a', id: 'x'.repeat(65) }],
    ['event.invalid', { action: 'a', time: 'yesterday' }],
    ['event.invalid', { action: 'a', time: new Date(Number.NaN) }],
    ['event.invalid', { action: 'a', extensions: { data: 'x' } }],
    ['event.invalid', { action: 'a', extensions: { Upper: 'x' } }],
    ['event.invalid', { action: 'a', reason: '\ud800' }],
    ['event.invalid', { action: 'a', context: { n: 1n as unknown as number } }],
    ['event.invalid', { action: 'a', context: JSON.parse('{"__proto__":1}') as Record<string, number> }],
    ['request.malformed', Buffer.from('no event')],
    ['request.malformed', Buffer.from('[]')],
    ['request.too-large', { action: 'a', reason: 'x'.repeat(61_440) }],
  ])('is refused with %s before anything is sent', (code, event) => {
    expect(codeOf(event)).toBe(code);
  });
});

describe('a UUID of version 7', () => {
  it('has the time in front, the version, the variant, and else what was random', () => {
    expect(uuidV7(0x0123_4567_89ab, Buffer.alloc(10, 0xff))).toBe('01234567-89ab-7fff-bfff-ffffffffffff');
    expect(uuidV7(1, Buffer.alloc(10)) < uuidV7(2, Buffer.alloc(10))).toBe(true);
  });
});
