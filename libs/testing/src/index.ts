/** Real servers for specs. Never imported by anything that ships. */
export { temporaryFolder, type TemporaryFolder } from './temporary-folder.js';
export { type NatsPlace, TestNats, type TestNatsOptions } from './test-nats.js';
export { TestPostgres, type TestPostgresOptions } from './test-postgres.js';
