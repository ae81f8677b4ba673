export default async function globalTeardown() {
  await globalThis.redisOfThisRun?.stop();
}
