/** An installation's own certificate authority: two roots, and the certificates of everybody whom the policy names. */
export { DevPki, filesIn } from './dev-pki.js';
export type { CertificateFiles, ClientPlan, DevPkiOptions } from './dev-pki.js';
