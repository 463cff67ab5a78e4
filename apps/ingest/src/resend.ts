/**
 * The answer to `audit.resend.<ledger>.<ingester>`: a frame of the spool, byte for byte as it was published, or nothing when it
 * is not held (any more). Any frame that is held, covered ones included: asking for one tells nobody anything new, since
 * whoever may ask reads the stream as well.
 */
import { MessageReader } from '@everseal/audit-core';
import type { Spool } from './spool.js';

const MAX_REQUEST_BYTES = 1_024;
const NOT_HELD = Buffer.alloc(0);

/** @param request `{"number":n}` @throws FormatError `resend.*` */
export async function resend(spool: Spool, request: Uint8Array): Promise<Buffer> {
  const number = MessageReader.parse('resend', request, MAX_REQUEST_BYTES).count('number');
  return (await spool.read(number)) ?? NOT_HELD;
}
