/**
 * A server that speaks as much TLS as it takes to answer a ClientHello, and no more: for versions, suites and weaknesses
 * that no library will speak any more. It chooses, shows a certificate and stops.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { X509Certificate } from 'node:crypto';
import { ByteReader } from './byte-reader.js';
import { suiteName } from './cipher-suite.js';
import { TLS_VERSIONS, versionName, type TlsVersion } from './tls-version.js';

export interface OldServerPlan {
  versions: readonly TlsVersion[];
  /** By name; the first that the client offers is taken. */
  suites: readonly string[];
  compresses?: boolean;
  /** Left out of the ServerHello. */
  lacks?: readonly ('renegotiation' | 'extendedMasterSecret')[];
  /** Takes this suite whatever was offered. */
  insistsOn?: number;
  /** Says nothing to a client of this version. */
  silentFor?: TlsVersion;
  /** PEM. */
  cert: string;
}

export class OldServer {
  private constructor(
    private readonly server: Server,
    private readonly sockets: Set<Socket>,
  ) {}

  static async start(plan: OldServerPlan): Promise<OldServer> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
      socket.once('data', (data) => {
        const answer = data[0] === 22 ? answerTo(data, plan) : Buffer.alloc(0);
        if (answer !== null) socket.end(answer);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new OldServer(server, sockets);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const HANDSHAKE_FAILURE = 40;
const PROTOCOL_VERSION = 70;

/** Null says nothing at all. */
function answerTo(data: Buffer, plan: OldServerPlan): Buffer | null {
  const body = new ByteReader(data.subarray(9));
  const legacy = versionName(body.number(2));
  body.take(32);
  body.vector(1);
  const offered = body.vector(2);
  const compression = body.vector(1);
  const isTls13 = data.includes(Buffer.from([0, 43, 0, 3, 2, 3, 4]));
  const version = isTls13 ? 'TLS 1.3' : legacy;
  if (version === plan.silentFor) return null;
  if (version === null || !plan.versions.includes(version)) return alert(PROTOCOL_VERSION);
  const suites = Array.from({ length: offered.length / 2 }, (_, i) => offered.readUInt16BE(2 * i));
  const chosen = plan.insistsOn ?? suites.find((suite) => plan.suites.includes(suiteName(suite)));
  if (chosen === undefined) return alert(HANDSHAKE_FAILURE);
  return flight(version, chosen, plan.compresses === true && compression.includes(1), plan);
}

function flight(version: TlsVersion, suite: number, compresses: boolean, { lacks = [], cert }: OldServerPlan): Buffer {
  const extensions = [
    ...(lacks.includes('renegotiation') ? [] : [Buffer.from([0xff, 1, 0, 1, 0])]),
    ...(lacks.includes('extendedMasterSecret') ? [] : [Buffer.from([0, 23, 0, 0])]),
  ];
  const block = Buffer.concat(extensions);
  const hello = Buffer.concat([
    u16(TLS_VERSIONS[version]),
    Buffer.alloc(32, 7),
    Buffer.from([0]),
    u16(suite),
    Buffer.from([compresses ? 1 : 0]),
    version === 'SSLv3' ? Buffer.alloc(0) : Buffer.concat([u16(block.length), block]),
  ]);
  const der = new X509Certificate(cert).raw;
  const certificates = Buffer.concat([u24(der.length + 3), u24(der.length), der]);
  const messages = Buffer.concat([message(2, hello), message(11, certificates), message(14, Buffer.alloc(0))]);
  return Buffer.concat([Buffer.from([22]), u16(TLS_VERSIONS[version]), u16(messages.length), messages]);
}

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const u24 = (value: number): Buffer => Buffer.from([value >> 16, (value >> 8) & 0xff, value & 0xff]);
const message = (type: number, body: Buffer): Buffer => Buffer.concat([Buffer.from([type]), u24(body.length), body]);
const alert = (code: number): Buffer => Buffer.from([21, 3, 1, 0, 2, 2, code]);
