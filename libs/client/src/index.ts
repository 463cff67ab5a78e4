/**
 * @everseal/client: records audit events from a producer and gives proofs back. Brings @nats-io/transport-node, and
 * fs-native-extensions for whoever opens an outbox; nothing else of Everseal but audit-core and tls.
 */
export type { AuditEvent, Json, Party } from './audit-event.js';
export { connect, type EversealClient } from './client.js';
export type { ClientCounts } from './client-counts.js';
export type { ClientOptions } from './client-options.js';
export { EversealError, type EversealErrorCode } from './everseal-error.js';
export { MemoryRecorder, type MemoryRecorderOptions, type RecordedEvent } from './memory-recorder.js';
export { Proof } from './proof.js';
export type { Recorded, Recorder, RecordOptions } from './recorder.js';
export { SomeFailed } from './some-failed.js';
