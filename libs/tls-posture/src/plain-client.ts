/** A client that does not do TLS: is it let in? And a NATS server that ought to be silent: is it? */
import type { Endpoint, Target } from './endpoint.js';
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

export async function visitInClear(endpoint: Target, milliseconds: number): Promise<PlainVisit> {
  const isFirst = endpoint.scheme === 'nats+tlsfirst';
  const waited = isFirst && (await saysInfo(endpoint, milliseconds));
  let wire: Wire | null = null;
  const outcome = (admission: Admission): PlainVisit => {
    // One that goes over to INFO when what comes is no TLS does so here, however long it takes.
    const answered = isFirst && (wire?.unread ?? NOTHING).subarray(0, 5).toString() === 'INFO ';
    return { admission, infoInClear: waited || answered };
  };
  try {
    wire = await Wire.open(endpoint, milliseconds);
    wire.write(greet(endpoint));
    const { letIn, said } = await wire.read((bytes) => readGreeting(endpoint, bytes) ?? garbage(endpoint, bytes));
    return outcome(letIn ? { outcome: 'let-in', said } : { outcome: 'refused', by: 'application', said });
  } catch (error) {
    if (!(error instanceof WireError) && !(error instanceof NoTls)) throw error;
    // A server that hangs up, or takes our words for a broken handshake, lets nobody in.
    const isRefused =
      error instanceof NoTls || (error.trouble === 'closed' && isSilence(endpoint, wire?.unread ?? NOTHING));
    const said = error.message;
    return outcome(isRefused ? { outcome: 'refused', by: 'tls', said } : { outcome: 'unknown', said });
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

async function saysInfo(endpoint: Target, milliseconds: number): Promise<boolean> {
  let wire: Wire | null = null;
  try {
    wire = await Wire.open(endpoint, Math.min(milliseconds, INFO_WAIT_MS));
    const line = await wire.read((bytes) => natsLine(bytes));
    return parseInfo(line) !== null;
  } catch (error) {
    if (error instanceof WireError || error instanceof NoTls) return false;
    throw error;
  } finally {
    wire?.close();
  }
}
