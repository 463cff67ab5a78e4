/**
 * Whether a TCP port says anything in the clear: it is spoken to as HTTP, NATS and Postgres clients without TLS would, and whatever it says
 * that is neither TLS nor Postgres's refusal to go on without TLS is a finding.
 */
import { connect } from 'node:net';

interface Greeting {
  as: string;
  bytes: Buffer;
  /** Whether this answer, in the clear, is a refusal. */
  refuses?: (answer: Buffer) => boolean;
}

const ANSWER_WITHIN_MS = 10_000;
const TLS_ALERT = 0x15;
/** SQLSTATE of "no pg_hba.conf entry for …, no encryption" and the like. */
const NOT_AUTHORISED = 'C28000\0';

const GREETINGS: readonly Greeting[] = [
  { as: 'HTTP', bytes: Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n') },
  { as: 'NATS', bytes: Buffer.from('CONNECT {"verbose":false}\r\nPING\r\n') },
  {
    as: 'Postgres',
    bytes: startup({ user: 'postgres', database: 'postgres' }),
    // The reason of a refusal is all that may be said: type E, with that code.
    refuses: (answer) => answer[0] === 0x45 && answer.includes(NOT_AUTHORISED),
  },
];

/** What the port says in the clear, one line a way of asking; empty when it says nothing. */
export async function clearText(port: number): Promise<string[]> {
  const findings: string[] = [];
  for (const { as, bytes, refuses } of GREETINGS) {
    const answer = await say(port, bytes);
    if (answer.length === 0 || answer[0] === TLS_ALERT || refuses?.(answer)) continue;
    findings.push(`port ${port} answers ${as}: ${JSON.stringify(answer.subarray(0, 60).toString('latin1'))}`);
  }
  return findings;
}

/** All that comes until the other end closes, or enough of it. @throws Error when nothing can be connected to */
function say(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let isConnected = false;
    socket.once('connect', () => (isConnected = true));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      socket.end();
    });
    socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy());
    socket.once('error', (error) => (isConnected ? undefined : reject(error)));
    socket.once('close', () => resolve(Buffer.concat(chunks)));
  });
}

/** A StartupMessage of protocol 3.0. */
function startup(parameters: Record<string, string>): Buffer {
  const fields = Object.entries(parameters).flatMap(([name, value]) => [`${name}\0`, `${value}\0`]);
  const body = Buffer.concat([Buffer.from([0, 3, 0, 0]), Buffer.from(`${fields.join('')}\0`)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length + 4);
  return Buffer.concat([length, body]);
}
