import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { brokerFact } from './broker-fact.js';
import { BrokerTally, MOST_FACTS } from './broker-tally.js';

const say = (subject: string, message: object) => brokerFact(subject, Buffer.from(JSON.stringify(message)));
const CLIENT = { user: 'spiffe://audit.example.com/svc/sealer/s1', acc: 'SEALER', host: '127.0.0.1' };
const API = '$JS.EVENT.ADVISORY.API';

describe('a message of the broker', () => {
  it('says who came, went and was refused', () => {
    expect(say('$SYS.ACCOUNT.SEALER.CONNECT', { client: CLIENT })).toEqual({
      action: 'connect',
      actor: CLIENT.user,
      target: 'SEALER',
      outcome: 'allowed',
      reason: '',
      address: '127.0.0.1',
      isScan: false,
    });
    expect(say('$SYS.ACCOUNT.SEALER.DISCONNECT', { client: CLIENT, reason: 'Client Closed' })).toMatchObject({
      action: 'disconnect',
      reason: 'Client Closed',
    });
    const refused = { client: { host: '10.0.0.9' }, reason: 'Authentication Failure' };
    expect(say('$SYS.SERVER.NABC.CLIENT.AUTH.ERR', refused)).toEqual({
      action: 'refuse',
      actor: 'unknown',
      target: 'unknown',
      outcome: 'refused',
      reason: 'Authentication Failure',
      address: '10.0.0.9',
      isScan: false,
    });
  });

  it('says which call changed something, and whether it was let', () => {
    const call = (subject: string, response: object) =>
      say(API, { subject: `$JS.API.${subject}`, response: JSON.stringify(response), client: CLIENT });
    expect(call('STREAM.PURGE.FRAMES_main', { success: true })).toMatchObject({
      action: 'stream.purge',
      target: 'FRAMES_main',
      outcome: 'allowed',
    });
    expect(call('STREAM.DELETE.ALERTS', { error: { code: 500, description: 'not allowed' } })).toMatchObject({
      action: 'stream.delete',
      outcome: 'failed',
      reason: 'not allowed',
    });
    const looks = [
      'STREAM.INFO.ALERTS',
      'STREAM.NAMES',
      'INFO',
      'STREAM.MSG.GET.ALERTS',
      'DIRECT.GET.ALERTS',
      'CONSUMER.LIST.ALERTS',
    ];
    for (const look of looks) expect(call(look, {})).toBeNull();
    expect(call('STREAM.CREATE.INFO', {})).toMatchObject({ action: 'stream.create', target: 'INFO' });
    expect(call('STREAM.MSG.DELETE.GET', {})).toMatchObject({ action: 'stream.msg.delete', target: 'GET' });
    expect(call('STREAM.DELETE', {})).toMatchObject({ action: 'stream.delete', target: 'unknown' });
  });

  it('is no fact when it cannot be read, and never throws', () => {
    const subjects = [API, '$SYS.ACCOUNT.A.CONNECT', '$SYS.SERVER.N.CLIENT.AUTH.ERR', 'audit.submit.main.billing'];
    for (const text of ['', '{', '[]', '7', 'null', '"x"']) {
      for (const subject of subjects) expect(brokerFact(subject, Buffer.from(text))).toBeNull();
    }
    expect(brokerFact(API, Buffer.alloc(262_145, 0x20))).toBeNull();
    fc.assert(
      fc.property(fc.constantFrom(...subjects), fc.jsonValue(), (subject, value) => {
        const fact = brokerFact(subject, Buffer.from(JSON.stringify(value)));
        const { isScan = false, ...texts } = fact ?? {};
        expect(isScan).toBe(false);
        expect(Object.values(texts).every((field) => typeof field === 'string')).toBe(true);
      }),
    );
  });
});

describe('the tally', () => {
  it('makes equal facts one with a count, and begins anew when it was taken', () => {
    const tally = new BrokerTally();
    const fact = say('$SYS.ACCOUNT.SEALER.CONNECT', { client: CLIENT })!;
    for (const now of [10, 20, 30]) tally.note(fact, now);
    tally.note({ ...fact, action: 'disconnect' }, 40);
    tally.note({ ...fact, isScan: true }, 50);
    expect(tally.take()).toEqual([
      { ...fact, count: 3, first: 10, last: 30 },
      { ...fact, action: 'disconnect', count: 1, first: 40, last: 40 },
      { ...fact, isScan: true, count: 1, first: 50, last: 50 },
    ]);
    expect(tally.take()).toEqual([]);
  });

  it('is bounded whatever comes, and loses no count', () => {
    const tally = new BrokerTally();
    for (let i = 0; i < 5_000; i++) {
      const message = { client: { host: `10.0.${i >> 8}.${i & 255}` }, reason: 'Authentication Failure' };
      tally.note(say('$SYS.SERVER.N.CLIENT.AUTH.ERR', message)!, i);
    }
    const taken = tally.take();
    expect(taken.length).toBe(MOST_FACTS + 1);
    expect(taken.reduce((sum, { count }) => sum + count, 0)).toBe(5_000);
    expect(taken.at(-1)).toMatchObject({ action: 'several', outcome: 'refused', count: 5_000 - MOST_FACTS });
  });
});
