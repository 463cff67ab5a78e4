/**
 * policy: the policy file of an installation, and everything that follows from it: who is who, who may do what, which
 * streams there are, and the configs of nats-server and Postgres that enforce it.
 */
export { isSourcePattern, maySource, mayWrite, sourceRule } from './access.js';
export { brokerRightsOf, REPLY_WITHIN_MS, type BrokerRight } from './broker-rights.js';
export { auditorByNames } from './auditors.js';
export { DEPLOY, identitiesOf, identityOf, type Identity, type LoginRole, type Service } from './identities.js';
export { parsePolicy, readPolicy } from './parse-policy.js';
export type { AuditorPolicy, BrokerPolicy, LedgerPolicy, NamedService, Policy, ProducerPolicy } from './policy.js';
export { PolicyError, type PolicyCode, type PolicyProblem } from './policy-error.js';
export { provisionStreams, type ProvisionedStream, type ProvisionOptions } from './provision.js';
export { raiseGeneration } from './raise-generation.js';
export { renderNats, type NatsCluster, type NatsOptions, type NatsTlsFiles } from './render-nats.js';
export {
  POSTGRES_DURABILITY,
  POSTGRES_LOG,
  POSTGRES_LOG_FILES,
  POSTGRES_TRANSPORT,
  renderPostgres,
  renderPostgresSettings,
  type PostgresAccess,
  type PostgresOptions,
} from './render-postgres.js';
export { compareStream, epochOf, type ActualStream, type StreamDifference } from './stream-difference.js';
export { expectedFrames, expectedStreams, MAX_PAYLOAD_BYTES, type ExpectedStream } from './streams.js';
export * from './subjects.js';
export { systemProducers, type AlertingService, type SystemProducer, type SystemService } from './system-producers.js';
