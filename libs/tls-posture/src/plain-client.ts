/** A client that does not do TLS: is it let in? And a NATS server that ought to be silent: is it? */
import type { Endpoint } from './endpoint.js';
import { greet, isSilence, readGreeting } from './greeting.js';
import type { Admission } from './observation.js';
import { natsLine, NoTls, parseInfo } from './to-tls.js';
import { Wire, WireError } from './wire.js';

export interface PlainVisit {
  admission: Admission;
  infoInClear: boolean;
}

/** nats-server with `handshake_first: auto` gives up on TLS first after 50 ms, unless another time is set. */
const INFO_WAIT_MS = 400;

const NOTHING = Buffer.alloc(0);

export async function visitInClear(endpoint: Endpoint, milliseconds: number): Promise<PlainVisit> {
  const infoInClear = endpoint.scheme === 'nats+tlsfirst' && (await saysInfo(endpoint, milliseconds));
  let wire: Wire | null = null;
  try {
    wire = await Wire.open(endpoint.host, endpoint.port, milliseconds);
    wire.write(greet(endpoint));
    const greeting = await wire.read((bytes) => readGreeting(endpoint, bytes) ?? garbage(endpoint, bytes));
    const { letIn, said } = greeting;
    const admission: Admission = letIn ? { outcome: 'let-in', said } : { outcome: 'refused', by: 'application', said };
    return { admission, infoInClear };
  } catch (error) {
    if (!(error instanceof WireError) && !(error instanceof NoTls)) throw error;
    // A server that hangs up, or takes our words for a broken handshake, lets nobody in.
    const isRefused =
      error instanceof NoTls || (error.trouble === 'closed' && isSilence(endpoint, wire?.unread ?? NOTHING));
    const admission: Admission = isRefused
      ? { outcome: 'refused', by: 'tls', said: error.message }
      : { outcome: 'unknown', said: error.message };
    return { admission, infoInClear };
  } finally {
    wire?.close();
  }
}

/** A TLS alert in answer to plain words is a refusal. */
function garbage({ protocol }: Endpoint, bytes: Buffer): null {
  if (bytes[0] === 21 && bytes.length >= 7) throw new NoTls('a TLS alert');
  if (protocol === 'nats') natsLine(bytes);
  return null;
}

async function saysInfo({ host, port }: Endpoint, milliseconds: number): Promise<boolean> {
  let wire: Wire | null = null;
  try {
    wire = await Wire.open(host, port, Math.min(milliseconds, INFO_WAIT_MS));
    const line = await wire.read((bytes) => natsLine(bytes));
    return parseInfo(line) !== null;
  } catch (error) {
    if (error instanceof WireError || error instanceof NoTls) return false;
    throw error;
  } finally {
    wire?.close();
  }
}
