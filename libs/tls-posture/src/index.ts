/** tls-posture: what an endpoint offers on the wire, and what that is worth. Depends on nothing but Node. */
export { parseCertificates, observeCertificate } from './certificate.js';
export { parseEndpoint, SCHEMES, type Endpoint, type Scheme } from './endpoint.js';
export { GRADES, isBelow, worstOf, type Grade } from './grade.js';
export { judge, type Posture, type PostureFinding } from './judge.js';
export type { Admission, Observation, ObservedCertificate, ObservedChain } from './observation.js';
export { RULES, type Expectations, type Rule } from './rules.js';
export { scan, type ScanOptions } from './scan.js';
export type { ClientIdentity } from './tls-client.js';
