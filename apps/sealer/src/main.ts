/** The sealer process: `node main.js <settings.yaml>`. */

import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { runService } from '@everseal/process';
import { sealerSettings } from './config.js';
import { composeSealer } from './compose.js';
import { SealerModule } from './sealer.module.js';

await runService({
  service: 'sealer',
  settingsFile: process.argv[2],
  schema: sealerSettings,
  compose: async (context) => {
    const sealer = await composeSealer(context);
    const adapter = new FastifyAdapter({ https: context.https });
    const app = await NestFactory.create<NestFastifyApplication>(
      SealerModule.with(context, sealer),
      adapter,
      context.nest,
    );
    sealer.start();
    return app;
  },
});
