/** The composition root of the follower: read this file to know what the process is made of. One loop a log; the way into the ledger has its own. */

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { NatsLink } from '@everseal/messaging';
import { readPolicy, type Policy } from '@everseal/policy';
import { exposeCounts, exposeNumber, Loop, StopProcess, type ServiceContext } from '@everseal/process';
import { openServiceLink } from '@everseal/service-link';
import { openSystemLedger, type SystemLedger } from '@everseal/system-ledger';
import type { FollowerSettings } from './config.js';
import { FollowerMemory } from './follower-memory.js';
import type { ReadLine } from './line-reading.js';
import { LogFollower } from './log-follower.js';
import { readNatsLine } from './nats-line.js';
import { readPostgresLine } from './postgres-line.js';

/** Longest honest look: a megabyte of lines, and a sync for each of their events. */
const LOOK_BOUND_MS = 60_000;

const PARSERS: Record<FollowerSettings['logs'][number]['engine'], ReadLine> = {
  nats: readNatsLine,
  postgres: readPostgresLine,
};

type Context = ServiceContext<FollowerSettings>;

export interface FollowerService {
  start(): void;
  stop(): Promise<void>;
}

/** @throws StopProcess `settings.name`, `settings.system-ledger`, `follower.memory`; system errors of the folder */
export async function composeFollower(context: Context): Promise<FollowerService> {
  const { settings, logger } = context;
  const policy = readPolicy(settings.policyFile);
  mkdirSync(settings.stateDir, { recursive: true, mode: 0o700 });
  const memory = FollowerMemory.open(path.join(settings.stateDir, 'follower.json'));
  const link = await openServiceLink(context, policy, 'follower', context.settings.nats);
  const systemLedger = openEvents(context, policy, link);
  const loops: Loop[] = [];
  const followers = followLogs(context, policy, memory, systemLedger);
  return {
    start() {
      systemLedger.start();
      loops.push(...followers.map((follower) => run(context, follower)));
    },
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
      await systemLedger.stop();
      await link.close();
      logger.info({}, 'the follower has stopped');
    },
  };
}

function openEvents(context: Context, policy: Policy, link: NatsLink): SystemLedger {
  const { settings } = context;
  const folder = path.join(settings.stateDir, 'system-events');
  const place = { policy, service: 'follower', name: settings.name, genesisFile: settings.systemGenesisFile } as const;
  const systemLedger = openSystemLedger({ ...context, ...place, folder, link });
  if (systemLedger !== null) return systemLedger;
  const message = `${settings.policyFile} names no system ledger or no follower ${settings.name}: correct the name or the policy`;
  throw new StopProcess('settings.name', message);
}

function followLogs(
  { settings, metrics }: Context,
  policy: Policy,
  memory: FollowerMemory,
  systemLedger: SystemLedger,
): LogFollower[] {
  const followers = settings.logs.map(({ name, engine, files }) => {
    return new LogFollower({
      follower: `${policy.domain}/follower/${settings.name}`,
      log: name,
      engine,
      files,
      read: PARSERS[engine],
      memory,
      take: (event) => systemLedger.take(event),
      steady: () => performance.now(),
    });
  });
  const sum = (what: 'read' | 'unreadable'): number => followers.reduce((all, { counts }) => all + counts[what], 0);
  exposeCounts(
    metrics,
    'everseal_follower_lines_total',
    'lines of engine logs, by whether they were understood',
    'outcome',
    () => ({
      read: sum('read'),
      unreadable: sum('unreadable'),
    }),
  );
  exposeNumber(metrics, 'everseal_follower_behind_bytes', 'bytes of the logs that are not read yet', () => {
    return followers.reduce((all, { behindBytes }) => all + behindBytes, 0);
  });
  return followers;
}

function run({ settings, logger, health, stop }: Context, follower: LogFollower): Loop {
  const name = `log ${follower.name}`;
  return Loop.run({
    name,
    body: async () => Promise.resolve(follower.look() ? 0 : settings.everyMs),
    logger,
    pulse: health.pulse(name, LOOK_BOUND_MS),
    within: LOOK_BOUND_MS,
    condition: health.condition(name, 'the log was not looked at yet'),
    onStop: stop,
  });
}
