/** The verifier process: `node main.js <settings.yaml>`. */

import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { runService } from '@everseal/process';
import { composeVerifier } from './compose.js';
import { verifierSettings } from './config.js';
import { VerifierModule } from './verifier.module.js';

await runService({
  service: 'verifier',
  settingsFile: process.argv[2],
  schema: verifierSettings,
  compose: async (context) => {
    const verifier = await composeVerifier(context);
    const adapter = new FastifyAdapter({ https: context.https });
    const module = VerifierModule.with(context, verifier);
    const app = await NestFactory.create<NestFastifyApplication>(module, adapter, context.nest);
    verifier.start();
    process.on('SIGHUP', () => verifier.rescan());
    return app;
  },
});
