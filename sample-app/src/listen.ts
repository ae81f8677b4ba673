import type { INestApplication } from '@nestjs/common';

/** Something else has the port: the message is all that there is to say. */
export class PortTakenError extends Error {}

/** @throws PortTakenError which names the remedy */
export async function listen(app: INestApplication, port: number, host: string): Promise<void> {
  try {
    await app.listen(port, host);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new PortTakenError(
      `Port ${port} of ${host} is taken: set PORT to another one, or to 0 for any that is free (PORT=0 npm start).`,
    );
  }
}
