/** The follower process: `node main.js <settings.yaml>`. */

import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { runService } from '@everseal/process';
import { composeFollower } from './compose.js';
import { followerSettings } from './config.js';
import { FollowerModule } from './follower.module.js';

await runService({
  service: 'follower',
  settingsFile: process.argv[2],
  schema: followerSettings,
  compose: async (context) => {
    const follower = await composeFollower(context);
    const adapter = new FastifyAdapter({ https: context.https });
    const module = FollowerModule.with(context, follower);
    const app = await NestFactory.create<NestFastifyApplication>(module, adapter, context.nest);
    follower.start();
    return app;
  },
});
