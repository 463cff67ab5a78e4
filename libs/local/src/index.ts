/** One-machine installation: real nats-server and Postgres, certificates, keys, configuration, services. For `npm start`, drills and tests. */
export { prepareContainers } from './containers.js';
export { type CertificateFiles, type ClientPlan, DevPki } from '@everseal/pki';
export {
  fixedPorts,
  freePorts,
  InstallationLayout,
  type Ports,
  type ServiceInstance,
  type ServiceKind,
  servicesOf,
} from './installation-layout.js';
export { describeFailure, LocalError, type LocalErrorCode } from './local-error.js';
export { DATABASE, InstallationLogins, type NatsLogin } from './installation-logins.js';
export { type InstallationOptions, LocalInstallation } from './local-installation.js';
export { ManagedProcess, type ProcessExit, type ProcessPlan } from './managed-process.js';
export { findNatsServer, type NatsOptions, type NatsProcess, startNatsServer } from './nats-process.js';
export { freePort, isPortFree, requireFreePort } from './port.js';
export {
  createCluster,
  type PostgresOptions,
  type PostgresProcess,
  type PostgresTls,
  startPostgres,
} from './postgres-process.js';
export { identify, isAlive, type ProcessIdentity } from './process-identity.js';
export { repositoryRoot } from './repository-root.js';
export { KeyFolder, OPERATOR } from './signing-keys.js';
export { waitUntil, type WaitOptions, WaitTimeout } from './wait-until.js';
