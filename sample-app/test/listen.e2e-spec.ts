import type { INestApplication } from '@nestjs/common';
import { createApp } from '../src/create-app.js';
import { listen, PortTakenError } from '../src/listen.js';

describe('The sample app', () => {
  const apps: INestApplication[] = [];
  const newApp = async () => {
    const app = await createApp({ logger: false });
    apps.push(app);
    return app;
  };
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
  });

  it('says in one sentence what to do where its port is taken', async () => {
    const first = await newApp();
    await listen(first, 0, '127.0.0.1');
    const port = Number(new URL(await first.getUrl()).port);
    const taken = await listen(await newApp(), port, '127.0.0.1').catch((error: unknown) => error);
    expect(taken).toBeInstanceOf(PortTakenError);
    expect((taken as Error).message).toBe(
      `Port ${port} of 127.0.0.1 is taken: set PORT to another one, or to 0 for any that is free (PORT=0 npm start).`,
    );
  });

  it('leaves every other reason not to listen as it is', async () => {
    const elsewhere = await listen(await newApp(), 0, '203.0.113.7').catch((error: unknown) => error);
    expect(elsewhere).toMatchObject({ code: 'EADDRNOTAVAIL' });
  });
});
