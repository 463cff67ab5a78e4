/** `node main.js <settings.yaml>`: one ingest process, until it is told to stop or must. */
import 'reflect-metadata';
import { runService } from '@everseal/process';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { ingestSettings } from './config.js';
import { IngestModule } from './ingest.module.js';

await runService({
  service: 'ingest',
  settingsFile: process.argv[2],
  schema: ingestSettings,
  compose: (context) =>
    NestFactory.create<NestFastifyApplication>(
      IngestModule.with(context),
      new FastifyAdapter({ https: context.https }),
      context.nest,
    ),
});
