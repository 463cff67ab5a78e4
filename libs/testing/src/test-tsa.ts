/**
 * A time-stamp authority for specs: `openssl ts` behind a small HTTP server, so that what signs is a program that we did not write. It
 * can be told to answer wrongly, one way at a time.
 *
 * Specs that need it skip, and say so in one line, where openssl is not installed.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { temporaryFolder, type TemporaryFolder } from './temporary-folder.js';
import { makeTsaIdentity, type TsaIdentity, type TsaPlan } from './tsa-certificates.js';

export const TSA_POLICY = '1.3.6.1.4.1.99999.1';

/** How it answers. `cms` signs the same content with `openssl cms`, which asks nothing of the certificate. */
export type TsaAnswer =
  | 'good'
  | 'cms'
  | 'cms-without-ess'
  | 'other-nonce'
  | 'other-imprint'
  | 'rejection'
  | 'garbage'
  | 'empty'
  | 'http-500'
  | 'hang'
  | 'truncated'
  | 'cut-off'
  | 'endless'
  | 'redirect'
  | 'switching-protocols';

/** Null when there is an openssl with `ts`; else why there is none, in one line. */
export function opensslMissing(): string | null {
  const { status } = spawnSync('openssl', ['version'], { stdio: 'ignore' });
  return status === 0 ? null : 'skipped: openssl is not installed, and no time-stamp authority runs without it';
}

export class TestTsa {
  answer: TsaAnswer = 'good';
  /** Requests that came. */
  requests = 0;
  /** Its own for good, also while it is down. */
  port = 0;

  private constructor(
    private readonly folder: TemporaryFolder,
    private readonly server: Server,
    readonly identity: TsaIdentity,
  ) {}

  static async start(plan: TsaPlan = {}): Promise<TestTsa> {
    const folder = temporaryFolder('tsa');
    const identity = await makeTsaIdentity(plan);
    const file = (name: string, text: string): void => writeFileSync(path.join(folder.path, name), text);
    file('tsa.pem', identity.certificate);
    file('chain.pem', identity.intermediate);
    file('tsa.key', identity.key);
    const content = await makeTsaIdentity();
    file('content.pem', content.certificate);
    file('content.key', content.key);
    file('root.pem', identity.root);
    file('serial', '01\n');
    file('tsa.cnf', config('sha256, sha384, sha512'));
    file('strict.cnf', config('sha512'));
    const server = createServer();
    const tsa = new TestTsa(folder, server, identity);
    server.on('request', (request, response) => void tsa.serve(request, response));
    await tsa.up();
    return tsa;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/tsr`;
  }

  /** File with the root, as an operator pins it. */
  get rootFile(): string {
    return path.join(this.folder.path, 'root.pem');
  }

  /** The answer to a request as it would be given. */
  respond(query: Buffer, answer: TsaAnswer = this.answer): Buffer {
    switch (answer) {
      case 'garbage':
        return Buffer.from('<html>not a time stamp</html>');
      case 'empty':
        return Buffer.alloc(0);
      case 'rejection':
        return this.reply(query, 'strict.cnf');
      case 'other-nonce':
        return this.reply(this.query(imprintOf(query)));
      case 'other-imprint':
        return this.reply(withOtherImprint(query));
      case 'truncated':
        return this.reply(query).subarray(0, -40);
      case 'cms':
        return this.signed(query, true);
      case 'cms-without-ess':
        return this.signed(query, false);
      default:
        return this.reply(query);
    }
  }

  /** What `openssl ts -verify` says about a token, which is not ours to say. */
  opensslVerifies(message: Uint8Array, token: Uint8Array): string {
    const file = (name: string, bytes: Uint8Array): string => {
      const at = path.join(this.folder.path, name);
      writeFileSync(at, bytes);
      return at;
    };
    const [data, stored] = [file('message', message), file('token', token)];
    const args = ['ts', '-verify', '-data', data, '-in', stored, '-token_in', '-CAfile', this.rootFile];
    const { stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
    return `${stdout}${stderr}`;
  }

  /** Nobody listens any more, until `up`. */
  async down(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  async up(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    if (this.server.listening) await this.down();
    this.folder.remove();
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.requests += 1;
    const query = Buffer.concat(chunks);
    if (this.answer === 'hang') return;
    if (this.answer === 'http-500') {
      response.writeHead(500).end('no');
      return;
    }
    if (this.answer === 'switching-protocols') {
      response.writeHead(101, { connection: 'upgrade', upgrade: 'tsp' }).end();
      return;
    }
    if (this.answer === 'redirect') {
      response.writeHead(302, { location: this.url }).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/timestamp-reply' });
    if (this.answer === 'endless') {
      const more = (): void =>
        void (response.destroyed || response.write(Buffer.alloc(65_536), () => setImmediate(more)));
      more();
      return;
    }
    const reply = this.respond(query);
    if (this.answer === 'cut-off') {
      response.write(reply.subarray(0, 100), () => response.destroy());
      return;
    }
    response.end(reply);
  }

  private reply(query: Buffer, configFile = 'tsa.cnf', by: 'tsa' | 'content' = 'tsa'): Buffer {
    const signer = ['-signer', `${by}.pem`, '-inkey', `${by}.key`];
    const chain = this.identity.intermediate === '' ? [] : ['-chain', 'chain.pem'];
    const files = ['-config', configFile, '-queryfile', this.write('query', query), '-out', 'response'];
    return this.openssl(['ts', '-reply', ...files, ...signer, ...chain], 'response');
  }

  /** A query with a nonce of its own. */
  private query(imprint: string): Buffer {
    return this.openssl(['ts', '-query', '-digest', imprint, '-sha256', '-cert', '-out', 'query-2'], 'query-2');
  }

  /** The content of a good answer, signed anew, whatever the certificate is for. */
  private signed(query: Buffer, withEss: boolean): Buffer {
    this.openssl(
      [
        'ts',
        '-reply',
        '-in',
        this.write('whole', this.reply(query, 'tsa.cnf', 'content')),
        '-token_out',
        '-out',
        'token',
      ],
      'token',
    );
    this.openssl(['cms', '-verify', '-noverify', '-inform', 'DER', '-in', 'token', '-out', 'content'], 'content');
    const signer = ['-signer', 'tsa.pem', '-inkey', 'tsa.key', '-md', 'sha256', ...(withEss ? ['-cades'] : [])];
    const form = [
      '-binary',
      '-nodetach',
      '-nosmimecap',
      '-outform',
      'DER',
      '-econtent_type',
      '1.2.840.113549.1.9.16.1.4',
    ];
    const token = this.openssl(['cms', '-sign', '-in', 'content', ...form, ...signer, '-out', 'cms'], 'cms');
    const status = Buffer.from([0x30, 0x03, 0x02, 0x01, 0x00]);
    const length = status.length + token.length;
    return Buffer.concat([Buffer.from([0x30, 0x82, length >> 8, length & 0xff]), status, token]);
  }

  private write(name: string, bytes: Buffer): string {
    writeFileSync(path.join(this.folder.path, name), bytes);
    return name;
  }

  private openssl(args: string[], out: string): Buffer {
    execFileSync('openssl', args, { cwd: this.folder.path, stdio: ['ignore', 'ignore', 'ignore'] });
    return readFileSync(path.join(this.folder.path, out));
  }
}

function config(digests: string): string {
  return `[tsa]
default_tsa = one
[one]
serial = serial
crypto_device = builtin
default_policy = ${TSA_POLICY}
other_policies = ${TSA_POLICY}.2
digests = ${digests}
signer_digest = sha256
accuracy = secs:1
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
`;
}

/** A query of ours holds one SHA-256: after `OCTET STRING, 32 bytes`. */
function imprintAt(query: Buffer): number {
  return query.indexOf(Buffer.from([0x04, 0x20])) + 2;
}

function imprintOf(query: Buffer): string {
  const at = imprintAt(query);
  return query.subarray(at, at + 32).toString('hex');
}

function withOtherImprint(query: Buffer): Buffer {
  const other = Buffer.from(query);
  other[imprintAt(query)]! ^= 1;
  return other;
}
