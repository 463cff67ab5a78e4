/** timestamps: RFC 3161 time stamps as bytes: requests, responses, and tokens verified against pinned certificates. No I/O. */
export { parsePinnedAuthority } from './pinned-authority.js';
export {
  formatTimestampRequest,
  MOST_RESPONSE_BYTES,
  NONCE_BYTES,
  openTimestampResponse,
  type TimestampRequest,
} from './timestamp-request.js';
export { normalToken, verifyTimestamp, type Timestamp, type TimestampTrust } from './timestamp-token.js';
