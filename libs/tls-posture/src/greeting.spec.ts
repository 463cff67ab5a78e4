/** The first words of each protocol, and what is made of the answer: let in, kept out, or neither. */
import { describe, expect, it } from '@jest/globals';
import { parseEndpoint } from './endpoint.js';
import { greet, isSilence, readGreeting } from './greeting.js';

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const failure = (state: string): Buffer => message('E', Buffer.from(`SFATAL\0C${state}\0Msome words\0\0`));
const authentication = (request: number): Buffer => message('R', Buffer.from([0, 0, 0, request]));
const INFO = 'INFO {"server_id":"a","tls_required":true}\r\n';

describe('an answer', () => {
  it.each<[string, string, Buffer | string, boolean | null]>([
    ['https', 'any status', 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n', true],
    ['https', 'unauthorised', 'HTTP/1.1 401 Unauthorized\r\n\r\n', false],
    ['https', 'forbidden', 'HTTP/1.1 403 Forbidden\r\n\r\n', false],
    ['https', 'half a head', 'HTTP/1.1 200 OK\r\nServer: x\r\n', null],
    ['https', 'no HTTP', 'hello\r\n\r\n', null],
    ['nats', 'INFO alone', INFO, null],
    ['nats', 'PONG', `${INFO}PONG\r\n`, true],
    ['nats', 'PONG behind a PING', `${INFO}PING\r\nPONG\r\n`, true],
    ['nats', 'an error', `${INFO}-ERR 'Authorization Violation'\r\n`, false],
    ['nats', 'no NATS', 'HTTP/1.1 400 Bad Request\r\n\r\n', null],
    ['postgres', 'logged in', authentication(0), true],
    ['postgres', 'asked for a password', authentication(10), true],
    ['postgres', 'a notice before', Buffer.concat([message('N', Buffer.from('SNOTICE\0\0')), authentication(0)]), true],
    ['postgres', 'a certificate is wanted', failure('28000'), false],
    ['postgres', 'no such role', failure('28P01'), false],
    ['postgres', 'no such database, which only those hear who are known', failure('3D000'), true],
    ['postgres', 'too many connections', failure('53300'), null],
    ['postgres', 'starting up', failure('57P03'), null],
    ['postgres', 'half a message', failure('28000').subarray(0, 20), null],
    ['postgres', 'no Postgres', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), null],
  ])('of %s: %s', (scheme, _, bytes, letIn) => {
    expect(readGreeting(parseEndpoint(`${scheme}://localhost`), Buffer.from(bytes))?.letIn ?? null).toBe(letIn);
  });

  it('of HTTPS says how long Strict-Transport-Security is to hold', () => {
    const of = (header: string): number | null | undefined =>
      readGreeting(parseEndpoint('https://localhost'), Buffer.from(`HTTP/1.1 200 OK\r\nA: b\r\n${header}\r\n\r\n`))
        ?.hsts;
    expect(of('Strict-Transport-Security: max-age=31536000; includeSubDomains')).toBe(31_536_000);
    expect(of('strict-transport-security:max-age="60"')).toBe(60);
    expect(of('X-Other: max-age=1')).toBeNull();
  });

  it('that breaks off is a refusal only where nothing was said', () => {
    const [nats, postgres] = [parseEndpoint('nats://a'), parseEndpoint('postgres://a')];
    expect(isSilence(postgres, Buffer.alloc(0))).toBe(true);
    expect(isSilence(postgres, failure('53300'))).toBe(false);
    expect(isSilence(nats, Buffer.from(INFO))).toBe(true);
  });
});

describe('the first words', () => {
  it('name role and database to Postgres', () => {
    const bytes = greet(parseEndpoint('postgres://everseal_sealer@localhost/everseal'));
    expect(bytes.readUInt32BE(0)).toBe(bytes.length);
    expect(bytes.readUInt32BE(4)).toBe(196_608);
    expect(bytes.subarray(8).toString()).toContain('user\0everseal_sealer\0database\0everseal\0');
  });
});
