export { type RedisClient } from './client.js';
export { type RedisClusterNodes } from './cluster-client.js';
export {
  type RedisAvailability,
  type RedisStorageByClient,
  type RedisStorageByCluster,
  type RedisStorageByOptions,
  type RedisStorageByUrl,
  type RedisStorageCommonOptions,
  type RedisStorageLogger,
  type RedisStorageOptions,
} from './redis.options.js';
export { RedisStorage } from './redis.storage.js';
