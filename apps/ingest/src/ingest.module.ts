/** The composition root: read this file to know what an ingest process is made of. */
import path from 'node:path';
import { Module, type DynamicModule, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { alertKeyName, ingestKeyName } from '@everseal/audit-core';
import { readPolicy } from '@everseal/policy';
import { OperationsModule } from '@everseal/operations';
import type { ServiceContext } from '@everseal/process';
import { openServiceLink } from '@everseal/service-link';
import { openSystemLedger } from '@everseal/system-ledger';
import type { IngestSettings } from './config.js';
import { IngestMetrics } from './ingest-metrics.js';
import { IngestService } from './ingest-service.js';
import { servedLedgers } from './served-ledgers.js';
import { openSigningKeys, readSigningKey } from './signing-key-file.js';

/** Starts and stops the service in Nest's order. */
class IngestLife implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(private readonly service: IngestService) {}

  onApplicationBootstrap(): void {
    this.service.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.service.stop();
  }
}

@Module({})
export class IngestModule {
  static with(context: ServiceContext<IngestSettings>): DynamicModule {
    return {
      module: IngestModule,
      imports: [OperationsModule.with(context.health, context.metrics)],
      providers: [{ provide: IngestLife, useFactory: () => compose(context) }],
    };
  }
}

async function compose(context: ServiceContext<IngestSettings>): Promise<IngestLife> {
  const { settings, health, logger, stop } = context;
  const policy = readPolicy(settings.policyFile);
  const ledgers = servedLedgers(policy, settings);
  const keys = openSigningKeys(settings.keyFile, ingestKeyName(policy.domain, settings.name));
  const alertKey = readSigningKey(settings.alertKeyFile, alertKeyName(policy.domain, 'ingest', settings.name));
  const link = await openServiceLink(context, policy, 'ingest', settings.nats);
  try {
    const metrics = new IngestMetrics(context.metrics);
    const now = Date.now;
    const systemLedger = openSystemLedger({
      ...context,
      policy,
      service: 'ingest',
      name: settings.name,
      genesisFile: settings.systemGenesisFile,
      folder: path.join(settings.spoolDir, '.system-events'),
      link,
    });
    const service = new IngestService({
      settings,
      policy,
      ledgers,
      keys,
      alertKey,
      systemLedger,
      link,
      now,
      health,
      metrics,
      logger,
      onStop: stop,
    });
    return new IngestLife(service);
  } catch (error) {
    await link.close();
    throw error;
  }
}
