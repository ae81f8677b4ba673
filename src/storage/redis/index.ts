export { type RedisClient } from './client.js';
export {
  type RedisStorageClient,
  type RedisStorageClientOptions,
  type RedisStorageCommonOptions,
  type RedisStorageLogger,
  type RedisStorageOptions,
  type RedisStorageUrl,
} from './redis.options.js';
export { RedisStorage } from './redis.storage.js';
