/** Sends one ClientHello on a connection of its own and says what came back. Never throws for what a peer does. */
import { randomBytes } from 'node:crypto';
import { Malformed } from './byte-reader.js';
import { encodeClientHello, type Offer } from './client-hello.js';
import type { Endpoint, Target } from './endpoint.js';
import { readServerFlight, type ServerFlight } from './server-flight.js';
import { goToTls, NoTls } from './to-tls.js';
import { Wire, WireError, type WireTrouble } from './wire.js';

/** A flight; or why there is none: `no-tls` in answer to what comes before it, `garbled` when it cannot be read. */
export type HelloAnswer = ServerFlight | { kind: WireTrouble | 'no-tls' | 'garbled'; why: string };

export type AskHello = (offer: Omit<Offer, 'host' | 'alpn'> & { alpn?: readonly string[] }) => Promise<HelloAnswer>;

/** Protocols that a server of this kind insists on, or goes on without. */
export function alpnOf({ scheme, protocol }: Endpoint): readonly string[] {
  if (scheme === 'postgres+direct') return ['postgresql'];
  return protocol === 'https' ? ['h2', 'http/1.1'] : [];
}

/** @param milliseconds for the connection and the whole answer */
export async function askHello(endpoint: Target, offer: Offer, milliseconds: number): Promise<HelloAnswer> {
  let wire: Wire | null = null;
  try {
    wire = await Wire.open(endpoint, milliseconds);
    await goToTls(wire, endpoint);
    wire.write(encodeClientHello(offer, randomBytes(64)));
    return await wire.read(readServerFlight);
  } catch (error) {
    if (error instanceof WireError) return { kind: error.trouble, why: error.message };
    if (error instanceof NoTls) return { kind: 'no-tls', why: error.message };
    if (error instanceof Malformed) return { kind: 'garbled', why: error.message };
    throw error;
  } finally {
    wire?.close();
  }
}
