/** The composition root: read this file to know what an ingest process is made of. */
import path from 'node:path';
import { Module, type DynamicModule, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { alertKeyName, ingestKeyName } from '@everseal/audit-core';
import { connectNats, type NatsLink } from '@everseal/messaging';
import { identityOf, readPolicy, type Policy } from '@everseal/policy';
import { OperationsModule } from '@everseal/operations';
import type { Logger, ServiceContext } from '@everseal/process';
import { openSystemLedger } from '@everseal/system-ledger';
import { MaterialWatch } from '@everseal/tls';
import type { IngestSettings } from './config.js';
import { IngestMetrics } from './ingest-metrics.js';
import { IngestService } from './ingest-service.js';
import { servedLedgers } from './served-ledgers.js';
import { openSigningKeys, readSigningKey } from './signing-key-file.js';

/** Starts and stops the service in Nest's order. */
class IngestLife implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    private readonly service: IngestService,
    private readonly certificate: MaterialWatch,
  ) {}

  onApplicationBootstrap(): void {
    this.service.start();
  }

  async onApplicationShutdown(): Promise<void> {
    this.certificate.stop();
    await this.service.stop();
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
  // Before the connection: a bad certificate then says what is wrong with it.
  const certificate = await MaterialWatch.open(settings.nats, 'client', Date.now);
  const link = await connect(context, policy);
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
    renewWith(certificate, link, logger);
    return new IngestLife(service, certificate);
  } catch (error) {
    await link.close();
    throw error;
  }
}

function connect({ settings, logger, stop }: ServiceContext<IngestSettings>, policy: Policy): Promise<NatsLink> {
  const { commonName, inboxPrefix } = identityOf(policy.domain, 'ingest', settings.name);
  const { servers, certFile, keyFile, caFile, firstConnectMs } = settings.nats;
  return connectNats({
    name: commonName,
    servers,
    tls: { certFile, keyFile, caFile },
    inboxPrefix: inboxPrefix ?? '',
    logger,
    firstConnectMs,
    onClosed: stop,
  });
}

/** NATS does not end a session whose certificate has expired, and reads the files at every connect. */
function renewWith(certificate: MaterialWatch, link: NatsLink, logger: Logger): void {
  certificate.listen({
    onRenewed: ({ facts }) => {
      logger.info({ certificate: facts }, 'connecting to NATS with a renewed certificate');
      return link.reconnect();
    },
    onProblem: (err) => logger.error({ err }, `NATS certificate: ${err.message}`),
  });
  certificate.start();
}
