/**
 * The tables of the truth and of what is proven about it (architecture: Postgres).
 *
 * `block` and `block_body` are the truth; every other table is a projection of the bodies or evidence about them. What
 * the constraints say is said by the signatures as well: they stop a mistake early and make a second writer fail, they
 * are not what detects tampering.
 *
 * The chain is a foreign key: a block's (height − 1, first) is the (height, next) of the block before. `parent` is
 * null at height 0, where the key is therefore not checked and `first` has to be 0.
 *
 * Text is COLLATE "C": byte order, so no index depends on the locale library of a host.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const LEDGER = `
CREATE TABLE everseal.ledger (
  ledger_id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  origin    text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(origin) BETWEEN 1 AND 229)
);

CREATE TABLE everseal.ledger_head (
  ledger_id       smallint PRIMARY KEY REFERENCES everseal.ledger,
  height          bigint NOT NULL CHECK (height >= -1),
  size            bigint NOT NULL CHECK (size >= 0),
  previous        bytea CHECK (octet_length(previous) = 32),
  frontier        bytea NOT NULL CHECK (octet_length(frontier) % 32 = 0),
  sealed          timestamptz,
  keys_index      bigint NOT NULL CHECK (keys_index >= 0),
  stream_epoch    text COLLATE "C" NOT NULL,
  stream_created  text COLLATE "C" NOT NULL,
  stream_sequence bigint NOT NULL CHECK (stream_sequence >= 0),
  stream_hash     bytea CHECK (octet_length(stream_hash) = 32),
  holder          text COLLATE "C",
  fence           bigint NOT NULL CHECK (fence >= 0),
  lease_until     timestamptz,
  state           text COLLATE "C" NOT NULL CHECK (state IN ('open', 'closed')),
  CHECK ((height = -1) = (size = 0)),
  CHECK ((height = -1) = (previous IS NULL)),
  CHECK ((height = -1) = (sealed IS NULL)),
  CHECK ((holder IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
-- Up to 53 hashes and the rest stay below 2.5 kB: never worth a detour through TOAST on a row written per block.
ALTER TABLE everseal.ledger_head ALTER COLUMN frontier SET STORAGE PLAIN;
`;

const BLOCK = `
CREATE TABLE everseal.block (
  ledger_id smallint NOT NULL REFERENCES everseal.ledger,
  height    bigint NOT NULL CHECK (height >= 0),
  first     bigint NOT NULL CHECK (height > 0 OR first = 0),
  next      bigint NOT NULL CHECK (next = first + entries + 1),
  entries   integer NOT NULL CHECK (entries BETWEEN 0 AND 16384),
  hash      bytea NOT NULL CHECK (octet_length(hash) = 32),
  sealed    timestamptz NOT NULL,
  stored    timestamptz NOT NULL DEFAULT clock_timestamp(),
  parent    bigint GENERATED ALWAYS AS (NULLIF(height, 0) - 1) STORED,
  PRIMARY KEY (ledger_id, height),
  UNIQUE (ledger_id, next),
  UNIQUE (ledger_id, height, next),
  FOREIGN KEY (ledger_id, parent, first) REFERENCES everseal.block (ledger_id, height, next)
);

CREATE TABLE everseal.block_body (
  ledger_id smallint NOT NULL,
  height    bigint NOT NULL,
  body      bytea NOT NULL CHECK (octet_length(body) BETWEEN 2 AND 9437184),
  PRIMARY KEY (ledger_id, height),
  FOREIGN KEY (ledger_id, height) REFERENCES everseal.block
);
-- EXTERNAL: out of line and uncompressed, so reading is copying and a slice of a body is read without the rest.
ALTER TABLE everseal.block_body ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE everseal.tile (
  ledger_id smallint NOT NULL REFERENCES everseal.ledger,
  level     smallint NOT NULL CHECK (level BETWEEN 0 AND 6),
  number    bigint NOT NULL CHECK (number >= 0),
  data      bytea NOT NULL CHECK (octet_length(data) = 8192),
  root      bytea NOT NULL CHECK (octet_length(root) = 32),
  PRIMARY KEY (ledger_id, level, number)
);
ALTER TABLE everseal.tile ALTER COLUMN data SET STORAGE EXTERNAL;
`;

/**
 * A frame is sealed (it has a position and no bytes), held (bytes, no position) or quarantined (as held, and a reason).
 * The hash is part of the key so that a false frame which was held first cannot keep the true one of its number out;
 * only one of them is ever sealed.
 */
const FRAME = `
CREATE TABLE everseal.frame (
  ledger_id smallint NOT NULL REFERENCES everseal.ledger,
  ingester  text COLLATE "C" NOT NULL CHECK (octet_length(ingester) BETWEEN 1 AND 63),
  number    bigint NOT NULL CHECK (number >= 0),
  hash      bytea NOT NULL CHECK (octet_length(hash) = 32),
  position  bigint CHECK (position > 0),
  sequence  bigint CHECK (sequence >= 0),
  reason    text COLLATE "C" CHECK (octet_length(reason) BETWEEN 1 AND 63),
  bytes     bytea CHECK (octet_length(bytes) <= 1048576),
  PRIMARY KEY (ledger_id, ingester, number, hash),
  CHECK ((position IS NULL) = (bytes IS NOT NULL))
);
CREATE UNIQUE INDEX frame_sealed ON everseal.frame (ledger_id, ingester, number) WHERE position IS NOT NULL;
CREATE INDEX frame_waiting ON everseal.frame (ledger_id, ingester, number) WHERE position IS NULL;

CREATE TABLE everseal.gap (
  ledger_id smallint NOT NULL REFERENCES everseal.ledger,
  ingester  text COLLATE "C" NOT NULL CHECK (octet_length(ingester) BETWEEN 1 AND 63),
  first     bigint NOT NULL CHECK (first > 0),
  last      bigint NOT NULL CHECK (last >= first),
  cause     text COLLATE "C" NOT NULL CHECK (cause IN ('lost', 'key-revoked', 'malformed')),
  position  bigint NOT NULL CHECK (position > 0),
  PRIMARY KEY (ledger_id, ingester, first)
);
`;

/** A checkpoint stands at the end of a block, one for a size; what others say about it is kept beside it. */
const CHECKPOINT = `
CREATE TABLE everseal.checkpoint (
  ledger_id smallint NOT NULL,
  size      bigint NOT NULL CHECK (size > 0),
  note      text COLLATE "C" NOT NULL CHECK (octet_length(note) <= 65535),
  stored    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (ledger_id, size),
  FOREIGN KEY (ledger_id, size) REFERENCES everseal.block (ledger_id, next)
);

CREATE TABLE everseal.cosignature (
  ledger_id smallint NOT NULL,
  size      bigint NOT NULL,
  signer    text COLLATE "C" NOT NULL CHECK (octet_length(signer) BETWEEN 1 AND 255),
  key_id    bytea NOT NULL CHECK (octet_length(key_id) = 4),
  line      text COLLATE "C" NOT NULL CHECK (octet_length(line) <= 16384),
  stored    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (ledger_id, size, signer, key_id),
  FOREIGN KEY (ledger_id, size) REFERENCES everseal.checkpoint
);

CREATE TABLE everseal.anchor (
  ledger_id smallint NOT NULL,
  size      bigint NOT NULL,
  kind      text COLLATE "C" NOT NULL CHECK (octet_length(kind) BETWEEN 1 AND 32),
  target    text COLLATE "C" NOT NULL CHECK (octet_length(target) BETWEEN 1 AND 255),
  evidence  bytea NOT NULL CHECK (octet_length(evidence) <= 1048576),
  stored    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (ledger_id, size, kind, target),
  FOREIGN KEY (ledger_id, size) REFERENCES everseal.checkpoint
);
`;

export class LedgerTables1795392000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LEDGER + BLOCK + FRAME + CHECKPOINT);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('a ledger is never migrated back: restore the database instead'));
  }
}
