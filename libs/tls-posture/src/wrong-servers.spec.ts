/**
 * Servers that are wrong on purpose, and the grade that each gets: Node's own TLS, openssl s_server where it is installed, and
 * a server of a few bytes for what no library speaks any more. Every case names all findings, so that one too many fails as
 * well; the good servers among them are the control.
 *
 * A+ needs post-quantum groups; where this runtime has none, the best is an A with that one finding.
 */
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import { constants, getDiffieHellman, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DER_TAG, writeDer } from '@everseal/audit-core';
import { parseEndpoint } from './endpoint.js';
import { worstOf, type Grade } from './grade.js';
import { judge, type Posture } from './judge.js';
import { OldServer, type OldServerPlan } from './old-server.fixture.js';
import { RULES, type Expectations } from './rules.js';
import { scan, type ScanOptions } from './scan.js';
import { selfSigned, WrongAuthority, type Identity } from './wrong-certificates.fixture.js';

/** Long enough for a machine that does other things. */
const PATIENT = { patienceMs: 20_000 };
/** For servers that never say anything: nothing else is asked of them. */
const IMPATIENT = { patienceMs: 400 };
/** For one that is silent to one question and has to answer the others in time. */
const LESS_PATIENT = { patienceMs: 4_000 };
const HAS_POST_QUANTUM = Number(process.versions.openssl.split('.').slice(0, 2).join('.')) >= 3.5;
const AEAD = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256';
const NO_TICKET = constants.SSL_OP_NO_TICKET;
const HSTS = 'max-age=31536000';

let root: WrongAuthority;
let clients: WrongAuthority;
let good: Identity;
let rsa: Identity;
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  root = await WrongAuthority.root('servers root');
  clients = await WrongAuthority.root('clients root');
  good = await root.issue();
  rsa = await root.issue({ key: 'rsa-2048' });
});
afterAll(() => Promise.all(stops.map((stop) => stop())));

interface Case {
  grade: Grade;
  findings: string[];
  /** Default https://. */
  scheme?: string;
  scan?: Partial<ScanOptions>;
  expected?: Partial<Expectations>;
}

async function look(port: number, { scheme = 'https', scan: options, expected }: Partial<Case> = {}): Promise<Posture> {
  const endpoint = parseEndpoint(`${scheme}://localhost:${port}`);
  const roots: X509Certificate[] = [root.trusted];
  const seen = await scan({ ...endpoint, host: 'localhost' }, { roots, now: Date.now, ...PATIENT, ...options });
  return judge(seen, { endpoint, pins: [], onDisk: null, now: Date.now(), ...expected });
}

/** All findings, but for the missing post-quantum group, which is the runtime's. */
async function expectPosture(port: number, one: Case): Promise<void> {
  const { grade, findings } = await look(port, one);
  const told = findings.filter(({ id }) => id !== 'group.classical');
  expect(told.map(({ id, detail }) => ({ id, detail }))).toEqual(
    one.findings.map((id) => ({ id, detail: expect.any(String) })),
  );
  const isClassical = findings.some(({ id }) => id === 'group.classical');
  expect({ grade, isClassical }).toEqual({ grade: isClassical ? worstOf([one.grade, 'A']) : one.grade, isClassical });
}

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  stops.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** A good server, but for what is said. @param admits the status for a client; 200 unless given */
async function https(
  options: ServerOptions,
  hsts: string | null = HSTS,
  admits: (client: TLSSocket) => number = () => 200,
): Promise<number> {
  const server = createServer({ ...good, ciphers: AEAD, minVersion: 'TLSv1.2', ...options }, (request, response) => {
    const status = admits(request.socket as TLSSocket);
    response.writeHead(status, hsts === null ? {} : { 'strict-transport-security': hsts }).end();
  });
  server.on('tlsClientError', () => undefined);
  return listening(server);
}

const weak = (ciphers: string): string => `${ciphers}:@SECLEVEL=0`;
const mutual = (): ServerOptions => ({
  requestCert: true,
  rejectUnauthorized: true,
  ca: clients.pem,
  minVersion: 'TLSv1.3',
  secureOptions: NO_TICKET,
});

describe('protocols and suites', () => {
  const cases: [string, () => ServerOptions, Grade, string[]][] = [
    ['TLS 1.2 and 1.3 as they should be', () => ({}), 'A+', []],
    ['TLS 1.3 alone', () => ({ minVersion: 'TLSv1.3' }), 'A+', []],
    ['an RSA certificate', () => rsa, 'A+', []],
    ['TLS 1.2 alone', () => ({ maxVersion: 'TLSv1.2' }), 'A-', ['protocol.no-tls13']],
    [
      'TLS 1.1 as well',
      () => ({ minVersion: 'TLSv1.1', ciphers: weak(`${AEAD}:ECDHE-ECDSA-AES128-SHA`) }),
      'F',
      ['protocol.tls11', 'suite.cbc'],
    ],
    [
      'TLS 1.0 alone',
      () => ({ minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: weak('ECDHE-ECDSA-AES128-SHA') }),
      'F',
      ['protocol.tls10', 'suite.none-authenticated', 'protocol.no-tls13', 'suite.cbc'],
    ],
    ['a suite with CBC', () => ({ ciphers: `${AEAD}:ECDHE-ECDSA-AES256-SHA384` }), 'A-', ['suite.cbc']],
    [
      'CBC and nothing better before TLS 1.3',
      () => ({ ciphers: 'ECDHE-ECDSA-AES128-SHA', maxVersion: 'TLSv1.2' }),
      'B',
      ['suite.none-authenticated', 'protocol.no-tls13', 'suite.cbc'],
    ],
    ['no forward secrecy', () => ({ ...rsa, ciphers: `${AEAD}:AES128-GCM-SHA256` }), 'B', ['suite.no-forward-secrecy']],
    [
      'no forward secrecy, CBC',
      () => ({ ...rsa, ciphers: `${AEAD}:AES256-SHA` }),
      'B',
      ['suite.no-forward-secrecy', 'suite.cbc'],
    ],
    [
      'a suite without encryption',
      () => ({ ...rsa, ciphers: weak(`${AEAD}:NULL-SHA256`) }),
      'F',
      ['suite.null', 'suite.no-forward-secrecy', 'suite.cbc'],
    ],
    [
      'a suite without a certificate',
      () => ({ ciphers: weak(`${AEAD}:AECDH-AES128-SHA`) }),
      'F',
      ['suite.anonymous', 'suite.cbc'],
    ],
    [
      'a finite-field key exchange of 1,024 bits',
      () => ({ ...rsa, ciphers: weak(`${AEAD}:DHE-RSA-AES128-GCM-SHA256`), dhparam: dhParameters('modp2') }),
      'B',
      ['key-exchange.short'],
    ],
    [
      'one of 2,048 bits',
      () => ({ ...rsa, ciphers: `${AEAD}:DHE-RSA-AES128-GCM-SHA256`, dhparam: dhParameters('modp14') }),
      'A+',
      [],
    ],
  ];
  it.each(cases)('%s', async (_, options, grade, findings) => {
    await expectPosture(await https(options()), { grade, findings });
  });

  it('the runtime has post-quantum groups, or the finding says that it has not', async () => {
    const { findings } = await look(await https({}));
    expect(findings.some(({ id }) => id === 'group.classical')).toBe(!HAS_POST_QUANTUM);
  });
});

describe('what no library speaks any more', () => {
  const AES = ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'TLS_RSA_WITH_AES_128_GCM_SHA256'];
  /** It stops after its certificate, so nobody gets in, and nobody tells about HSTS. */
  const ALWAYS = ['protocol.no-tls13'];
  const cases: [string, Omit<OldServerPlan, 'cert'>, Grade, string[]][] = [
    ['such a server, otherwise good', { versions: ['TLS 1.2'], suites: AES.slice(0, 1) }, 'A-', ALWAYS],
    [
      'SSLv3',
      { versions: ['SSLv3'], suites: ['TLS_RSA_WITH_AES_128_CBC_SHA'] },
      'F',
      ['protocol.ssl3', 'suite.no-forward-secrecy', 'suite.none-authenticated', ...ALWAYS, 'suite.cbc'],
    ],
    [
      'SSLv3 beside TLS 1.2',
      { versions: ['SSLv3', 'TLS 1.2'], suites: AES.slice(0, 1) },
      'F',
      ['protocol.ssl3', ...ALWAYS],
    ],
    [
      'RC4',
      { versions: ['TLS 1.2'], suites: [AES[0]!, 'TLS_ECDHE_RSA_WITH_RC4_128_SHA'] },
      'F',
      ['suite.rc4', ...ALWAYS, 'suite.cbc'],
    ],
    [
      'an export suite',
      { versions: ['TLS 1.2'], suites: [AES[0]!, 'TLS_RSA_EXPORT_WITH_DES40_CBC_SHA'] },
      'F',
      ['suite.export', 'suite.short-block', 'suite.no-forward-secrecy', ...ALWAYS, 'suite.cbc'],
    ],
    [
      '3DES',
      { versions: ['TLS 1.2'], suites: [AES[0]!, 'TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA'] },
      'F',
      ['suite.short-block', ...ALWAYS, 'suite.cbc'],
    ],
    [
      'IDEA',
      { versions: ['TLS 1.2'], suites: [AES[0]!, 'TLS_RSA_WITH_IDEA_CBC_SHA'] },
      'F',
      ['suite.short-block', 'suite.no-forward-secrecy', ...ALWAYS, 'suite.cbc'],
    ],
    [
      'compression',
      { versions: ['TLS 1.2'], suites: AES.slice(0, 1), compresses: true },
      'F',
      ['compression.on', ...ALWAYS],
    ],
    [
      'insecure renegotiation',
      { versions: ['TLS 1.2'], suites: AES.slice(0, 1), lacks: ['renegotiation'] },
      'F',
      ['renegotiation.insecure', ...ALWAYS],
    ],
    [
      'no extended master secret',
      { versions: ['TLS 1.2'], suites: AES.slice(0, 1), lacks: ['extendedMasterSecret'] },
      'A-',
      [...ALWAYS, 'session.master-secret'],
    ],
    [
      'a suite that was not offered',
      { versions: ['TLS 1.2'], suites: [], insistsOn: 0x1301 },
      'F',
      ['scan.incomplete', 'suite.none-authenticated', ...ALWAYS],
    ],
  ];
  it.each(cases)('%s', async (_, plan, grade, findings) => {
    const server = await OldServer.start({ ...plan, cert: good.cert });
    stops.push(() => server.stop());
    await expectPosture(server.port, { grade, findings });
  });

  it('silence to one of the questions', async () => {
    const plan = { versions: ['TLS 1.2'] as const, suites: AES.slice(0, 1), silentFor: 'SSLv3' as const };
    const server = await OldServer.start({ ...plan, cert: good.cert });
    stops.push(() => server.stop());
    await expectPosture(server.port, { grade: 'F', findings: ['scan.incomplete', ...ALWAYS], scan: LESS_PATIENT });
  });
});

describe('certificates', () => {
  const cases: [string, () => Promise<ServerOptions>, Grade, string[]][] = [
    ['one that has lapsed', () => root.issue({ from: -9, to: -1 }), 'T', ['certificate.expired']],
    ['one that is not valid yet', () => root.issue({ from: 1, to: 9 }), 'T', ['certificate.early']],
    ['for another host', () => root.issue({ dns: ['other.example.com'] }), 'M', ['certificate.name']],
    ['with the host in its common name only', () => root.issue({ dns: [] }), 'M', ['certificate.name']],
    ['signed by itself', selfSigned, 'T', ['certificate.self-signed']],
    ['without its intermediate', () => below(false), 'T', ['certificate.incomplete']],
    ['with its intermediate', () => below(true), 'A+', []],
    ['below an intermediate that has lapsed', () => below(true, -1), 'T', ['certificate.expired']],
    ['of a root that nobody trusts, which is sent along', () => foreign(true), 'T', ['certificate.untrusted']],
    ['of a root that nobody trusts', () => foreign(false), 'T', ['certificate.incomplete']],
    ['with a key of 1,024 bits', () => small(), 'F', ['key.weak', 'certificate.refused']],
    ['signed with SHA-1', () => old(), 'T', ['certificate.refused', 'signature.sha1']],
    ['for clients as well', () => root.issue({ purposes: ['client', 'server'] }), 'A-', ['certificate.purpose']],
    ['for any purpose', () => root.issue({ purposes: [] }), 'A-', ['certificate.purpose']],
    [
      'for clients only',
      () => root.issue({ purposes: ['client'] }),
      'T',
      ['certificate.refused', 'certificate.purpose'],
    ],
    ['with a key of P-384, signed with SHA-384', () => root.issue({ key: 'P-384', hash: 'SHA-384' }), 'A+', []],
  ];
  it.each(cases)('%s', async (_, make, grade, findings) => {
    await expectPosture(await https(await make()), { grade, findings });
  });

  it('other than the one in its files, and the control', async () => {
    const port = await https({});
    const another = (await root.issue()).fingerprint;
    await expectPosture(port, { grade: 'A-', findings: ['certificate.stale'], expected: { onDisk: another } });
    await expectPosture(port, { grade: 'A+', findings: [], expected: { onDisk: good.fingerprint } });
  });

  it('of another issuer than the pinned one, and the control', async () => {
    const port = await https({});
    const spki = async (authority: WrongAuthority): Promise<string> => (await spkiOf(authority)) ?? '';
    await expectPosture(port, { grade: 'T', findings: ['certificate.pin'], expected: { pins: [await spki(clients)] } });
    await expectPosture(port, { grade: 'A+', findings: [], expected: { pins: [await spki(root)] } });
  });
});

describe('clients', () => {
  it('are refused without a certificate and with a foreign one: the control', async () => {
    await expectPosture(await https(mutual()), { scheme: 'https+mtls', grade: 'A+', findings: [] });
  });

  it('are refused by the application', async () => {
    const port = await https({ ...mutual(), rejectUnauthorized: false }, HSTS, ({ authorized }) =>
      authorized ? 200 : 403,
    );
    await expectPosture(port, { scheme: 'https+mtls', grade: 'A+', findings: [] });
  });

  it('are refused with a 400, which is believed only beside one that is let in', async () => {
    const options = { ...mutual(), rejectUnauthorized: false };
    const port = await https(options, HSTS, ({ authorized }) => (authorized ? 200 : 400));
    const identity = await clients.issue({ commonName: 'ops', purposes: ['client'] });
    await expectPosture(port, { scheme: 'https+mtls', grade: 'A+', findings: [], scan: { identity } });
    await expectPosture(port, { scheme: 'https+mtls', grade: 'F', findings: ['scan.incomplete'] });
  });

  it('are refused before TLS 1.3', async () => {
    const port = await https({ ...mutual(), minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
    await expectPosture(port, { scheme: 'https+mtls', grade: 'A-', findings: ['protocol.no-tls13'] });
  });

  it('are not asked for a certificate', async () => {
    const findings = ['clients.nobody', 'clients.stranger'];
    await expectPosture(await https({ secureOptions: NO_TICKET }), { scheme: 'https+mtls', grade: 'F', findings });
  });

  it('are asked, and let in all the same', async () => {
    const findings = ['clients.nobody', 'clients.stranger'];
    const port = await https({ ...mutual(), rejectUnauthorized: false });
    await expectPosture(port, { scheme: 'https+mtls', grade: 'F', findings });
  });

  it('of a foreign issuer are let in', async () => {
    const shows = (socket: TLSSocket): number => (Object.keys(socket.getPeerCertificate()).length > 0 ? 200 : 401);
    const port = await https({ ...mutual(), rejectUnauthorized: false }, HSTS, shows);
    await expectPosture(port, { scheme: 'https+mtls', grade: 'F', findings: ['clients.stranger'] });
  });

  it('get tickets where they must show a certificate', async () => {
    const port = await https({ ...mutual(), secureOptions: 0 });
    const identity = await clients.issue({ commonName: 'ops', purposes: ['client'] });
    const findings = ['session.resumed'];
    await expectPosture(port, { scheme: 'https+mtls', grade: 'A-', findings, scan: { identity } });
  });

  it('with a good certificate come in, which is seen', async () => {
    const identity = await clients.issue({ commonName: 'ops', purposes: ['client'] });
    const port = await https(mutual());
    const endpoint = parseEndpoint(`https+mtls://localhost:${port}`);
    const seen = await scan(endpoint, { roots: [root.trusted], now: Date.now, identity, ...PATIENT });
    expect(seen).toMatchObject({
      own: { outcome: 'let-in', said: 'HTTP 200' },
      nobody: { outcome: 'refused', by: 'tls' },
      stranger: { outcome: 'refused', by: 'tls' },
    });
  });
});

describe('HTTPS for anybody', () => {
  it('without Strict-Transport-Security, or with too little of it', async () => {
    await expectPosture(await https({}, null), { grade: 'A', findings: ['http.no-hsts'] });
    await expectPosture(await https({}, 'max-age=3600'), { grade: 'A', findings: ['http.no-hsts'] });
  });
});

describe('what is no TLS', () => {
  it('HTTP in the clear', async () => {
    const port = await listening(createHttpServer((_, response) => response.end('hello')));
    await expectPosture(port, { grade: 'F', findings: ['endpoint.unreachable', 'plaintext.accepted'] });
  });

  it('HTTP and HTTPS at one port', async () => {
    const secret = createServer({ ...good, ciphers: AEAD }, (_, response) =>
      response.writeHead(200, { 'strict-transport-security': HSTS }).end(),
    );
    secret.on('tlsClientError', () => undefined);
    const clear = createHttpServer((_, response) => response.end('hello'));
    const port = await listening(
      createTcpServer((socket) => {
        socket.once('data', (data) => {
          socket.pause();
          socket.unshift(data);
          (data[0] === 22 ? secret : clear).emit('connection', socket);
          process.nextTick(() => socket.resume());
        });
      }),
    );
    await expectPosture(port, { grade: 'F', findings: ['plaintext.accepted'] });
  });

  it.each<[string, (socket: Socket) => void, Partial<ScanOptions>]>([
    ['another protocol', (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'), IMPATIENT],
    ['nothing but silence', () => undefined, IMPATIENT],
    ['somebody who hangs up', (socket) => socket.end(), PATIENT],
    ['bytes without end', flood, PATIENT],
  ])('%s', async (_, serve, options) => {
    const port = await listening(createTcpServer(serve));
    await expectPosture(port, { grade: 'F', findings: ['endpoint.unreachable'], scan: options });
  });

  it('nobody', async () => {
    const server = createTcpServer();
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    await expectPosture(port, { grade: 'F', findings: ['endpoint.unreachable'] });
  });
});

it('every rule is one of a kind', () => {
  expect(new Set(RULES.map(({ id }) => id)).size).toBe(RULES.length);
});

function flood(socket: Socket): void {
  const chunk = Buffer.alloc(65_536, 22);
  chunk[1] = 3;
  const more = (): void => {
    while (socket.writable && socket.write(chunk));
  };
  socket.on('drain', more);
  more();
}

async function below(withIntermediate: boolean, to = 300): Promise<ServerOptions> {
  const intermediate = await root.intermediate('intermediate', to);
  const leaf = await intermediate.issue();
  return { key: leaf.key, cert: withIntermediate ? `${leaf.cert}${intermediate.pem}` : leaf.cert };
}

async function foreign(withRoot: boolean): Promise<ServerOptions> {
  const other = await WrongAuthority.root('somebody else');
  const leaf = await other.issue();
  return { key: leaf.key, cert: withRoot ? `${leaf.cert}${other.pem}` : leaf.cert };
}

async function small(): Promise<ServerOptions> {
  const leaf = await root.issue({ key: 'rsa-1024' });
  return { ...leaf, ciphers: weak(AEAD) };
}

async function old(): Promise<ServerOptions> {
  return { ...(await root.issue({ hash: 'SHA-1' })), ciphers: weak(AEAD) };
}

async function spkiOf(authority: WrongAuthority): Promise<string | undefined> {
  const { observeCertificate } = await import('./certificate.js');
  return observeCertificate(authority.trusted).spki;
}

/** PKCS #3 parameters of a well-known group. */
function dhParameters(name: string): string {
  const prime = Buffer.concat([Buffer.from([0]), getDiffieHellman(name).getPrime()]);
  const der = writeDer(DER_TAG.sequence, writeDer(DER_TAG.integer, prime), writeDer(DER_TAG.integer, Buffer.from([2])));
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN DH PARAMETERS-----\n${lines.join('\n')}\n-----END DH PARAMETERS-----\n`;
}
