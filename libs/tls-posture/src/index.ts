/** tls-posture: what an endpoint offers on the wire, and what that is worth. Depends on audit-core and Node alone. */
export { Malformed } from './byte-reader.js';
export { observeCertificate, parseCertificates } from './certificate.js';
export { parseEndpoint, type Endpoint, type Target } from './endpoint.js';
export { expiryStage } from './expiry.js';
export { isBelow, worstOf, type Grade } from './grade.js';
export { judge, type Posture, type PostureFinding } from './judge.js';
export type { Observation, ObservedCertificate } from './observation.js';
export { summarise } from './posture-summary.js';
export { listUpdatesIn, type ListUpdates } from './revocation-list.js';
export { scan, type ScanOptions } from './scan.js';
export type { ClientIdentity } from './tls-client.js';
