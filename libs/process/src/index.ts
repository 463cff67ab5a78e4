export { replaceFile, syncFolder } from '@everseal/tls';
export { acknowledgementFile } from './acknowledgement-folder.js';
export { AlertBook, openAlertsIn } from './alert-book.js';
export type { AlertContext, OpenAlert, SealAlert, SendAlert } from './alert-book.js';
export { explainFailure } from './explain-failure.js';
export type { Explanation } from './explain-failure.js';
export { codeOf, fateOf, RetryLater, StopProcess } from './failure.js';
export type { Fate } from './failure.js';
export { firstConnection } from './first-connection.js';
export { Health } from './health.js';
export type { Condition, ConditionState, Pulse, PulseState } from './health.js';
export { inTime, OutOfTime } from './in-time.js';
export { KeyFile } from './key-file.js';
export { createLogger } from './logger.js';
export type { Logger } from './logger.js';
export { Loop } from './loop.js';
export type { LoopLogger, LoopOptions } from './loop.js';
export { Counter, createMetrics, exposeCounts, exposeNumber, Gauge, Histogram, Registry } from './metrics.js';
export { NestLogger } from './nest-logger.js';
export { countedAddress, RateLimit } from './rate-limit.js';
export { ConfigError, readConfig } from './read-config.js';
export type { ConfigProblem } from './read-config.js';
export { runService } from './run-service.js';
export type { ProcessHandle, ServiceApp, ServiceContext, ServicePlan } from './run-service.js';
export {
  logSettings,
  natsSettings,
  operationsSettings,
  postgresSettings,
  servicePostgresSettings,
  systemGenesisFile,
} from './service-settings.js';
export type { ServiceSettings } from './service-settings.js';
export { filePath, settingsFields } from './settings.js';
export type { SettingsField } from './settings.js';
export { watchCertificate } from './watch-certificate.js';
