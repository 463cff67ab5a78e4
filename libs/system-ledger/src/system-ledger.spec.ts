import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  alertKeyName,
  formatAlertEvent,
  formatTimestamp,
  NOTE_KEY,
  sha256,
  signAlert,
  SigningKey,
} from '@everseal/audit-core';
import { createLogger, createMetrics, Health, RetryLater } from '@everseal/process';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { Outbox } from './outbox.js';
import { SELF_ALERTS_AN_HOUR, SelfAlerts } from './self-alerts.js';
import { SystemLedger } from './system-ledger.js';
import { SystemLedgerWriter } from './system-ledger-writer.js';

const ORIGIN = 'audit.example.com/system';
const SOURCE = 'audit.example.com/verifier/v1';
const KEY = SigningKey.fromSeed(
  alertKeyName('audit.example.com', 'verifier', 'v1'),
  sha256(Buffer.from('v1')),
  NOTE_KEY,
);

/** Alert `number` about a ledger. */
function alert(number: number, ledger = 'audit.example.com/main'): Buffer {
  const json = JSON.stringify({ code: 'verifier.behind', state: 'raised', ledger });
  return signAlert(Buffer.from(json), SOURCE, number, formatTimestamp(Date.UTC(2026, 0, 1)), KEY);
}

let folder: TemporaryFolder;
let outbox: Outbox;
let system: SystemLedger;
beforeEach(() => {
  folder = temporaryFolder('system-ledger');
  system = open();
});
afterEach(async () => {
  await system.stop();
  folder.remove();
});

/** A system ledger that is down: nobody answers. */
function open(limits = {}): SystemLedger {
  outbox = Outbox.open(folder.path, limits);
  const [health, logger] = [new Health(), createLogger('verifier', 'v1', 'silent')];
  const writer = new SystemLedgerWriter({
    outbox,
    origin: ORIGIN,
    producer: 'verifier-v1',
    keys: { current: [], refresh: () => Promise.resolve() },
    submit: () => {
      return Promise.reject(new RetryLater('nats.no-responders', 'nobody is there'));
    },
    logger,
    now: () => performance.now(),
  });
  const metrics = createMetrics('verifier', 'v1', health);
  return new SystemLedger({ origin: ORIGIN, outbox, writer, health, metrics, logger });
}

describe('the way into the system ledger', () => {
  it('has an alert on the disk when it says that it took it, and takes it once', () => {
    expect([system.sealAlert(alert(1)), system.sealAlert(alert(1)), outbox.waiting]).toEqual([true, true, 1]);
    expect(outbox.first?.equals(formatAlertEvent(alert(1)))).toBe(true);
  });

  it('keeps what waits over a stop while the ledger is down, and takes nothing after it', async () => {
    system.sealAlert(alert(1));
    system.start();
    await system.stop();
    expect(system.sealAlert(alert(2))).toBe(false);
    system = open();
    expect([outbox.waiting, system.sealAlert(alert(2)), outbox.waiting]).toEqual([1, true, 2]);
  });

  it('never says "later" for what will never be taken, so that no alert waits behind it', async () => {
    await system.stop();
    system = open({ waitingBytes: 10 });
    expect([system.sealAlert(alert(1)), outbox.waiting]).toEqual([true, 0]);
    expect([system.sealAlert(Buffer.from('{"alert":{},"note":""}')), outbox.waiting]).toEqual([true, 0]);
  });

  it('says of an event that something depends on whether it is on the disk, and nothing else', async () => {
    const event = Buffer.from('{"id":"read-1"}');
    expect([system.take(event), outbox.waiting, outbox.first?.equals(event)]).toEqual([true, 1, true]);
    await system.stop();
    expect(system.take(Buffer.from('{"id":"read-2"}'))).toBe(false);
    system = open({ waitingBytes: event.length });
    // Full: an alert is then left out and called taken, so that none waits behind it; this is not.
    expect([system.take(Buffer.from('{"id":"read-3"}')), outbox.waiting]).toEqual([false, 1]);
  });

  it('seals so many alerts about the system ledger itself and no more; control: those about others all', () => {
    const many = SELF_ALERTS_AN_HOUR + 10;
    for (let n = 1; n <= many; n++) system.sealAlert(alert(n, ORIGIN));
    // Asked again, e.g. after a crash, they are the same ones and cost nothing.
    for (let n = 1; n <= SELF_ALERTS_AN_HOUR; n++) system.sealAlert(alert(n, ORIGIN));
    expect(outbox.waiting).toBe(SELF_ALERTS_AN_HOUR);
    for (let n = 1; n <= many; n++) system.sealAlert(alert(many + n));
    expect(outbox.waiting).toBe(SELF_ALERTS_AN_HOUR + many);
  });

  it('lets them through again when the hour is over', () => {
    let now = 0;
    const budget = new SelfAlerts(() => now);
    for (let i = 0; i < SELF_ALERTS_AN_HOUR; i++) expect(budget.admit()).toBe(true);
    expect(budget.admit()).toBe(false);
    now = 3_600_001;
    expect(budget.admit()).toBe(true);
  });
});
