-- The external tables of the Parquet files that the streaming job writes, for Hive or Spark:
--
--     beeline -u jdbc:hive2://HOST:10000 -n USER -p PASSWORD --hivevar lake=LAKE_PATH -f hive/create_tables.hql
--
-- The jobs make the tables by themselves where they are missing, and add the partitions as they come.
-- Made of the definitions in app/pipelines by: python -m app.create_tables > hive/create_tables.hql

CREATE DATABASE IF NOT EXISTS `space` LOCATION '${hivevar:lake}/space';

CREATE EXTERNAL TABLE IF NOT EXISTS `space`.`all` (
    `_partition` int,
    `_offset` bigint,
    `_index` int,
    `arrival` timestamp,
    `observation_id` string,
    `object_id` string,
    `name` string,
    `kind` string,
    `velocity_km_s` decimal(9,3),
    `diameter_m` decimal(12,1),
    `miss_distance_ld` decimal(9,3),
    `hazardous` boolean,
    `event_time` timestamp
)
PARTITIONED BY (`date` date)
STORED AS PARQUET
LOCATION '${hivevar:lake}/space/all';

CREATE EXTERNAL TABLE IF NOT EXISTS `space`.`alerts` (
    `_partition` int,
    `_offset` bigint,
    `_index` int,
    `arrival` timestamp,
    `observation_id` string,
    `object_id` string,
    `name` string,
    `kind` string,
    `velocity_km_s` decimal(9,3),
    `diameter_m` decimal(12,1),
    `miss_distance_ld` decimal(9,3),
    `hazardous` boolean,
    `event_time` timestamp
)
PARTITIONED BY (`date` date)
STORED AS PARQUET
LOCATION '${hivevar:lake}/space/alerts';
