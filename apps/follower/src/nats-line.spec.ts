import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readNatsLine } from './nats-line.js';

const AT = '[4711] 2026/11/30 09:30:07.250123';
const TIME = Date.parse('2026-11-30T09:30:07.250Z');
const URI = 'spiffe://audit.example.com/svc/sealer/s1';
const CLIENT = `127.0.0.1:41544 - cid:12 - "v3.4.0:nats.js:sealer-s1" - "SEALER/user:${URI}"`;

const fact = (text: string, level = 'ERR') => readNatsLine(`${AT} [${level}] ${text}`)?.fact;

describe('a line of nats-server', () => {
  it('says what a client was not let do', () => {
    const line = `${AT} [ERR] ${CLIENT} - Publish Violation - Subject "audit.frames.main.a"`;
    expect(readNatsLine(line)).toEqual({
      time: TIME,
      fact: {
        action: 'nats.publish',
        actor: URI,
        target: 'audit.frames.main.a',
        outcome: 'refused',
        reason: '',
        address: '127.0.0.1',
        details: { account: 'SEALER' },
      },
    });
    expect(fact(`${CLIENT} - Publish Violation - Reply "_INBOX.x"`)).toMatchObject({
      action: 'nats.publish',
      target: '_INBOX.x',
      reason: 'as the reply subject of a message',
    });
    expect(fact(`${CLIENT} - Subscription Violation - Subject "audit.>", SID 4`)).toMatchObject({
      action: 'nats.subscribe',
      target: 'audit.>',
      outcome: 'refused',
    });
    expect(fact(`${CLIENT} - Subscription Violation - Subject "audit.>", Queue: "ingest", SID 4`)).toMatchObject({
      details: { account: 'SEALER', queue: 'ingest' },
    });
    expect(fact(`127.0.0.1:1 - cid:2 - Publish Violation - User "${URI}", Subject "a"`)).toMatchObject({ actor: URI });
  });

  it('says who was not let in, and never by a name that he gave himself', () => {
    const named = `[::1]:9 - cid:3 - "SEALER/user:${URI}"`;
    expect(fact(`${named} - authentication error - Token "s3cret"`)).toEqual({
      action: 'nats.connect',
      actor: 'unknown',
      target: 'nats-server',
      outcome: 'refused',
      reason: 'authentication error',
      address: '::1',
      details: {},
    });
    expect(fact(`${named} - TLS handshake error: tls: client didn't provide a certificate`)).toMatchObject({
      action: 'nats.handshake',
      actor: 'unknown',
      outcome: 'failed',
      reason: "tls: client didn't provide a certificate",
    });
    expect(fact('10.0.0.9:9 - rid:3 - TLS route handshake error: EOF')).toMatchObject({ reason: 'EOF' });
    expect(fact(`${named} - maximum connections exceeded`)).toMatchObject({ action: 'nats.connect' });
  });

  it('is not made another by what a client calls itself', () => {
    const name = String.raw`"v1:go:x\" - \"SYS/user:admin\" - Publish Violation - Subject \"y"`;
    const line = `127.0.0.1:5 - cid:6 - ${name} - "ORDERS/user:spiffe://a/producer/orders" - Publish Violation - Subject "z"`;
    expect(fact(line)).toMatchObject({
      actor: 'spiffe://a/producer/orders',
      target: 'z',
      details: { account: 'ORDERS' },
    });
    expect(fact(`127.0.0.1:5 - cid:6 - ${name} - Client parser ERROR`)).toBeNull();
  });

  it('says when the server started, stopped and read its config again', () => {
    const life = (text: string, level: string) => [fact(text, level)?.action, fact(text, level)?.outcome];
    expect(life('Starting nats-server', 'INF')).toEqual(['nats.start', 'allowed']);
    expect(life('Initiating Shutdown...', 'INF')).toEqual(['nats.stop', 'allowed']);
    expect(life('Reloaded server configuration', 'INF')).toEqual(['nats.reload', 'allowed']);
    expect(life('Failed to reload server configuration: x: "s3cret"', 'ERR')).toEqual(['nats.reload', 'failed']);
    expect(JSON.stringify(fact('Failed to reload server configuration: x: "s3cret"'))).not.toContain('s3cret');
  });

  it('tells nothing of all else, and says so', () => {
    for (const text of ['Server is ready', 'Listening for client connections on 127.0.0.1:4222', '']) {
      expect(readNatsLine(`${AT} [INF] ${text}`)).toEqual({ time: TIME, fact: null });
    }
  });

  it.each([
    '',
    'goroutine 1 [running]:',
    'Publish Violation - Subject "x"',
    '[4711] [ERR] without a time',
    '[4711] 0099/11/30 09:30:07.250123 [ERR] x',
    '[4711] 1969/11/30 09:30:07.250123 [ERR] x',
    '[4711] 2026/13/30 09:30:07.250123 [ERR] x',
    '[4711] 2026/02/30 09:30:07.250123 [ERR] x',
    '[4711] 2026/11/30 25:30:07.250123 [ERR] x',
    `${AT} [ERRO] x`,
    ` ${AT} [ERR] x`,
  ])('is none: %j', (line) => {
    expect(readNatsLine(line)).toBeNull();
  });

  it('is read or not, whatever it is', () => {
    const piece = fc.oneof(
      fc.constantFrom('"', '\\', ' - ', 'cid:1', 'Publish Violation - Subject "x"', '/user:', 'TLS handshake error: '),
      fc.string({ unit: 'binary', maxLength: 20 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const reading = readNatsLine(`${AT} [ERR] ${pieces.join('')}`);
        expect(reading?.time ?? TIME).toBe(TIME);
      }),
    );
    const long = `${AT} [ERR] 127.0.0.1:1 - cid:1${' - "'.repeat(50_000)}`;
    expect(readNatsLine(long)).toEqual({ time: TIME, fact: null });
  });
});
