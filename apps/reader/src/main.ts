/** The reader process: `node main.js <settings.yaml>`. */

import 'reflect-metadata';
import { setFlagsFromString } from 'node:v8';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { runService } from '@everseal/process';
import { createApi } from './api.module.js';
import { composeReader } from './compose.js';
import { readerSettings } from './config.js';
import { ReaderModule } from './reader.module.js';

// What is alive may be followed by twice as much garbage before all of it is marked: a third as often (measured, decision 0134).
setFlagsFromString('--heap-growing-percent=200');

await runService({
  service: 'reader',
  settingsFile: process.argv[2],
  schema: readerSettings,
  compose: async (context) => {
    const reader = await composeReader(context, (api, listeners) => createApi(api, listeners, context.nest));
    const adapter = new FastifyAdapter({ https: context.https });
    const module = ReaderModule.with(context, reader);
    const app = await NestFactory.create<NestFastifyApplication>(module, adapter, context.nest);
    await reader.start();
    return app;
  },
});
