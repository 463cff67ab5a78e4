/** Real servers for specs. Never imported by anything that ships. */
export { temporaryFolder, type TemporaryFolder } from './temporary-folder.js';
export { recordTamper, tamperRun, type TamperRecord } from './tamper-run.js';
export { type NatsPlace, TestNats, type TestNatsOptions } from './test-nats.js';
export { TestPostgres, type TestPostgresOptions } from './test-postgres.js';
export { BaseBackups } from './base-backup.js';
export { writeTilesFolder } from './tiles-folder.js';
export { EventJournal } from './event-journal.js';
export { GatedProxy } from './gated-proxy.js';
export { AlertWatch, type SeenAlert } from './alert-watch.js';
export { type Engine, InstalledSystem, ONE_LEDGER, type InstalledSystemOptions } from './installed-system.js';
export { READER_POLICY, SYSTEM_LEDGER_POLICY } from './system-ledger-policy.js';
export { type JournalEntry, JournalProducer, type JournalProducerOptions } from './journal-producer.js';
export { clearText } from './clear-text.js';
export { listeningPorts, withDescendants } from './listening-ports.js';
export { LogOracle, type OracleVerdict, type SealedEvent } from './log-oracle.js';
export { opensslMissing, TestTsa, TSA_POLICY, type TsaAnswer } from './test-tsa.js';
export type { TsaPlan } from './tsa-certificates.js';
export { objectStoreMissing, TestObjectStore } from './test-object-store.js';
